//! What an operator says of itself in metrics.

use kube_api::{Id, json::put};
use operator::{Monitor, Options};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{story::tell_with, users::SYSTEM, world::World};

/// What only a leader knows.
const LEADERS: [&str; 2] = [
    "eniclaim_operator_subnet_free_addresses{",
    "eniclaim_operator_ec2_tokens{",
];

/// Somebody else takes the Lease, as if this process had stood still.
fn take_lease(world: &World) {
    let lease = Id::new("leases.coordination.k8s.io", SYSTEM, "eniclaim-operator");
    let other = |state: &mut super::world::State| {
        state.api.edit(&lease, |lease| {
            put(lease, "spec.holderIdentity", json!("other"))
        });
    };
    world.with(other);
}

async fn leads_and_follows(world: &World) {
    let monitor = Monitor::default();
    let options = Options {
        monitor: monitor.clone(),
        ..Options::default()
    };
    let operator = world.operator(options, CancellationToken::new());
    let has = |wanted: bool| {
        let text = monitor.metrics();
        LEADERS.iter().all(|series| text.contains(series) == wanted)
    };
    let story = async {
        world.until("what a leader knows", |_| has(true)).await;
        take_lease(world);
        world.until("the end of it", |_| has(false)).await;
        assert!(
            monitor
                .metrics()
                .contains("eniclaim_operator_orphaned_enis 0.0")
        );
        // Nobody renews it, so that this one leads again.
        world.until("the same again", |_| has(true)).await;
    };
    tokio::select! {
        ended = operator => panic!("it ended: {ended:?}"),
        () = story => {}
    }
}

#[test]
fn a_former_leader_shows_nothing_that_only_a_leader_knows() {
    let nobody = async |_| std::future::pending().await;
    tell_with(3, nobody, async |world: &World| {
        leads_and_follows(world).await
    });
}

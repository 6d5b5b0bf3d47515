//! Attributes of an ENI that a class sets, from its YAML to EC2.

use kube_api::json::at;
use serde_json::json;
use tokio::time::Duration;

use super::{story, users, world::World};

/// A pod of a class for routers comes, gets its ENI as the class says, and goes.
async fn router(world: &World) {
    world.with(|state| {
        let mut class = users::class("router");
        class["spec"]["sourceDestCheck"] = json!("Disabled");
        class["spec"]["connectionTracking"] = json!({ "tcpEstablished": 350, "udp": 60 });
        state.create("/apis/eniclaim.io/v1alpha1/eniclasses", class);
        state.make_pod("nat", "router");
    });
    let ready = |state: &super::world::State| state.phase("nat") == "Ready";
    world.until("Ready", ready).await;
    {
        let state = world.lock();
        let eni = state.vpc.leaks().next().unwrap();
        assert!(!eni.source_dest_check);
        let seconds = eni.connection_tracking;
        assert_eq!(
            (seconds.tcp_established, seconds.udp_stream, seconds.udp),
            (Some(350), None, Some(60))
        );
        let claim = state.all("eniclaims").next().unwrap();
        assert_eq!(*at(claim, "status.eni.sourceDestCheck"), "Disabled");
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.with(|state| state.delete_pod("nat"));
    story::rests(world).await;
}

fn calls(crash_after: Option<usize>) -> Vec<String> {
    story::tell(1, async move |world| {
        world.lock().crash_after = crash_after;
        router(world).await;
        let effects = world.lock().effects.clone();
        effects.into_iter().filter(|e| !e.contains(' ')).collect()
    })
}

#[test]
fn a_class_for_routers_gives_enis_that_forward_also_after_a_crash_at_any_effect() {
    let plain = calls(None);
    assert_eq!(
        plain,
        [
            "CreateNetworkInterface",
            "ModifyNetworkInterfaceAttribute",
            "AttachNetworkInterface",
            "ModifyNetworkInterfaceAttribute",
            "DetachNetworkInterface",
            "DeleteNetworkInterface",
        ]
    );
    // The nodes come up with nine writes or so, the claim is made and bound with three.
    for n in 8..24 {
        let again = calls(Some(n));
        assert!(again.len() <= plain.len() + 1, "crash after {n}: {again:?}");
    }
}

//! All slots are taken, and every pod is replaced.

use kube_api::json::text;
use tokio::time::Duration;

use super::{
    story,
    world::{State, World},
};

/// The slots of the two nodes.
const SLOTS: u32 = 4;
/// How long a pod takes to end.
const ENDS_AFTER: u64 = 1_000;
/// The operator reads once a second whether EC2 is done.
const POLL: u64 = 1_000;
/// Whoever else acts in this world looks around every 100 ms: the kubelet ends the pod, the agent says so, the scheduler places the next one,
/// EC2's two changes come about, the agent finds the device, and the kubelet starts the containers. Each call takes some milliseconds.
const OTHERS: u64 = 8 * 100;

fn running(state: &State, prefix: &str) -> bool {
    let is_running = |n: u32| {
        let name = format!("{prefix}{n}");
        state
            .all("pods")
            .any(|pod| text(pod, "metadata.name") == name && text(pod, "status.phase") == "Running")
    };
    (0..SLOTS).all(is_running)
}

fn make_pods(state: &mut State, prefix: &str) {
    (0..SLOTS).for_each(|n| state.make_pod(&format!("{prefix}{n}"), "app"));
}

async fn replaced(world: &World) -> u64 {
    world.with(|state| {
        state.actors.ends_after = Some(ENDS_AFTER);
        make_pods(state, "old");
    });
    world
        .until("the first pods", |state| running(state, "old"))
        .await;
    // Nothing is under way any more.
    tokio::time::sleep(Duration::from_mins(1)).await;
    let start = world.with(|state| {
        make_pods(state, "new");
        (0..SLOTS).for_each(|n| state.delete_pod(&format!("old{n}")));
        state.now()
    });
    world
        .until("their successors", |state| running(state, "new"))
        .await;
    world.lock().now() - start
}

#[test]
fn pods_that_take_the_places_of_others_wait_for_one_detach_and_one_attach() {
    story::tell(1, async |world| {
        let took = replaced(world).await;
        let delays = world.lock().vpc.delays;
        let limit = ENDS_AFTER + delays.detach_ms + delays.attach_ms + POLL + OTHERS;
        println!("{took} of {limit} ms");
        assert!(took <= limit, "{took} ms, at most {limit} ms");
    });
}

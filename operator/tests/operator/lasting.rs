//! Stories of a claim that outlives its pods, with a crash after each effect.

use tokio::time::{Duration, sleep};

use super::{story::rests_for, world::World};

/// The claim's ENI goes from pod to pod, each of another node.
pub async fn moves(world: &World, span: Duration) {
    let eni = begins(world).await;
    used_by(world, "first", &eni).await;
    world.with(|state| state.make_user("second", "app", "db"));
    sleep(Duration::from_secs(2)).await;
    world.with(|state| state.delete_pod("first"));
    used(world, "second", &eni).await;
    ends(world, "second", span).await;
}

/// The node ends under the pod; the ENI stays, and is the next pod's.
pub async fn outlives_its_node(world: &World, span: Duration) {
    let eni = begins(world).await;
    used_by(world, "first", &eni).await;
    let node = world.with(|state| state.lasting("db")[2].to_owned());
    world.with(|state| state.terminate(&node));
    sleep(Duration::from_secs(2)).await;
    world.with(|state| {
        state.force_delete_pod("first");
        state.delete_node(&node);
        state.make_user("second", "app", "db");
    });
    used(world, "second", &eni).await;
    world.with(|state| state.add_node(&node));
    ends(world, "second", span).await;
}

async fn begins(world: &World) -> String {
    world.with(|state| state.make_lasting_claim("db", "app"));
    world
        .until("the ENI waits", |state| {
            state.lasting("db")[0] == "Available"
        })
        .await;
    world.with(|state| state.lasting("db")[3].to_owned())
}

async fn used_by(world: &World, pod: &'static str, eni: &str) {
    world.with(|state| state.make_user(pod, "app", "db"));
    used(world, pod, eni).await;
}

async fn used(world: &World, pod: &'static str, eni: &str) {
    world
        .until(pod, |state| {
            let [phase, user, ..] = state.lasting("db");
            phase == "Ready" && user == pod
        })
        .await;
    let state = world.lock();
    assert_eq!(state.lasting("db")[3], eni, "the ENI is another one");
    assert_eq!(state.vpc.leaks().count(), 1, "one ENI");
}

async fn ends(world: &World, pod: &str, span: Duration) {
    world.with(|state| state.delete_pod(pod));
    world
        .until("the ENI waits again", |state| {
            state.lasting("db")[0] == "Available"
        })
        .await;
    world.with(|state| state.delete_claim("db"));
    rests_for(world, span).await;
}

//! Link events in such a number that the kernel drops some.

use std::{fs, time::Duration};

use node_agent::kernel::events::{LinkEvent, LinkEvents};
use node_agent_core::claim::Place;
use tempfile::NamedTempFile;

use crate::{
    running::{Agent, a_claim},
    world::{World, run},
};

const DEADLINE: Duration = Duration::from_secs(20);

/// Changes a link of the host so often that its events fill any socket's buffer.
fn burst(world: &World) {
    world.ip("host", "link add busy type bridge");
    // The kernel says nothing about one that is down (`netdev_state_change` in `net/core/dev.c`).
    world.ip("host", "link set busy up");
    let lines = (0..4_000).map(|i| format!("link set busy alias a{i}\n"));
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), lines.collect::<String>()).unwrap();
    let path = file.path().to_str().unwrap();
    run("ip", &["-n", &world.name("host"), "-batch", path]);
}

async fn until(events: &mut LinkEvents, wanted: &LinkEvent) {
    let next = async { while events.next().await.unwrap() != *wanted {} };
    let heard = tokio::time::timeout(DEADLINE, next).await;
    heard.unwrap_or_else(|_| panic!("no {wanted:?}"));
}

#[tokio::test]
async fn subscriber_hears_that_events_were_dropped_and_then_those_that_come() {
    let world = World::new();
    let mut events = LinkEvents::subscribe(&world.netns("host")).unwrap();
    burst(&world);
    until(&mut events, &LinkEvent::Lost).await;
    world.ip(
        "host",
        "link add late address 02:00:00:00:00:77 type bridge",
    );
    let late = LinkEvent::Links(vec!["02:00:00:00:00:77".parse().unwrap()]);
    until(&mut events, &late).await;
}

#[test]
fn device_whose_event_was_dropped_is_seen_all_the_same() {
    let world = World::new();
    world.ip("host", "link del eth1");
    let mut agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    assert!(agent.is_quiet());
    agent.while_it_stands_still(|| {
        burst(&world);
        world.wire();
    });
    // Sooner than the next scan that is made without any event.
    assert_eq!(agent.place(), Place::Seen);
}

//! Random stories of containers that come and go on one bridge, with an agent that is killed at any step: no address is given
//! twice, none is lost, and what the journal says is what the kernel has.

use node_agent_core::port::PortAsked;
use proptest::prelude::*;

use super::{
    a_pool, on_bridge,
    world::{Event, World},
};

const CONTAINERS: u8 = 8;

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..CONTAINERS, 0..2_usize).prop_map(|(i, which)| Event::Add(i, which)),
        4 => (0..CONTAINERS).prop_map(Event::Del),
        1 => Just(Event::HangUp),
        2 => (0..CONTAINERS).prop_map(Event::Dies),
        8 => prop::bool::weighted(0.85).prop_map(Event::Ends),
        1 => (0..3_u8).prop_map(Event::Killed),
        1 => (0..3_u8).prop_map(Event::JournalLost),
        2 => Just(Event::Scan),
        1 => Just(Event::Wait),
    ]
}

/// Two configurations: one is changed into the other and back, under load. The first has room for five.
fn configurations() -> [PortAsked; 2] {
    let mut before = on_bridge("10.0.0.0/29");
    before.pools[0].gateway = "10.0.0.2".parse().unwrap();
    let mut after = on_bridge("10.9.0.0/28");
    after.pools.push(a_pool("fd00::/64"));
    [before, after]
}

proptest! {
    #[test]
    fn no_address_is_given_twice_and_none_is_lost(events in prop::collection::vec(event(), 0..120)) {
        let (mut world, configurations) = (World::default(), configurations());
        for event in events {
            world.happen(event, &configurations).map_err(TestCaseError::fail)?;
            prop_assert!(world.has_one_holder_each(), "the kernel has {:?}", world.kernel);
            prop_assert!(world.journal_is_known(), "the journal has {:?}", world.journal);
            prop_assert!(world.kernel_is_known(), "the kernel has {:?}", world.kernel);
            prop_assert!(world.deletes_what_nobody_has(), "left: {:?}", world.facts.ports);
        }
        world.finish(CONTAINERS).map_err(TestCaseError::fail)?;
    }
}

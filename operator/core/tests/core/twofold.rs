//! Two leaders at once, as after somebody deleted the Lease (decision 0005): tokens, versions and ids are the fence.

use operator_core::{SECOND, Settings};

use super::world::World;

/// Two leaders from now on, for as long as a term lasts.
fn pair_of_leaders(world: &mut World) {
    let former = world.leader.unwrap();
    world.usurp(1 - former);
    world.run(1);
}

fn pair() -> World {
    let mut world = World::new();
    world.start(Settings {
        cluster_id: Some("c1".into()),
        ..Settings::default()
    });
    world.run(5 * SECOND);
    world
}

/// Changes by each of the two.
fn by(world: &World) -> [usize; 2] {
    [0, 1].map(|op| world.log.by.get(&op).copied().unwrap_or(0))
}

#[test]
fn two_leaders_from_any_moment_of_two_lives_break_nothing() {
    let mut both = 0;
    for wait in (0..60).map(|n| n * 97) {
        let mut world = pair();
        world.add_pod("a", "n1");
        world.add_pod("b", "n1");
        world.run(wait);
        let before = by(&world);
        pair_of_leaders(&mut world);
        world.run(wait);
        world.remove_pod("a");
        world.run(9 * SECOND - wait);
        let after = by(&world);
        both += usize::from((0..2).all(|op| after[op] > before[op]));
        world.rest();
        assert!(world.is_ready("b"), "{wait}\n{}", world.picture());
        assert_eq!(world.made().len(), 1, "{wait}\n{}", world.picture());
        world.clear();
    }
    assert!(
        both > 40,
        "only in {both} of 60 lives both changed anything"
    );
}

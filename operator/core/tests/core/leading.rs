//! Two operators: who may change anything, and what a late or paused one can do.

use operator_core::{MINUTE, SECOND, Settings, order::Action};

use super::{ec2::Verdict, world::World};

fn pair() -> World {
    let mut world = World::new();
    world.start(Settings {
        cluster_id: Some("c1".into()),
        ..Settings::default()
    });
    world.run(5 * SECOND);
    world
}

#[test]
fn a_standby_reads_and_changes_nothing() {
    let mut world = World::new();
    world.leader = None;
    world.add_pod("web", "n1");
    world.run(5 * MINUTE);
    assert_eq!(
        (
            world.log.writes.len(),
            world.log.mutations.len(),
            world.log.events.len()
        ),
        (0, 0, 0)
    );
    let reads = world.log.reads.len();
    assert!((4..60).contains(&reads), "{reads}");
    assert!(world.ops[0].fleet.readiness().is_ok());
}

#[test]
fn a_standby_with_warm_caches_acts_at_once() {
    let mut world = pair();
    world.stop(0);
    world.add_pod("web", "n1");
    world.run(MINUTE);
    assert!(!world.is_ready("web"));
    world.elect(1);
    world.until(5 * SECOND, "the other one takes over", |w| {
        w.is_ready("web")
    });
    world.rest();
    world.clear();
}

/// A standby reads instances now and then; that an ENI was deleted since then only the leader knows.
#[test]
fn a_new_leader_takes_no_slot_for_anothers_whose_claim_has_gone() {
    let published = |world: &World| world.store.nodes[&"n1".into()].published;
    let mut world = pair();
    world.rest();
    let capacity = published(&world);
    world.add_pod("web", "n1");
    world.until(MINUTE, "its ENI", |w| w.is_ready("web"));
    // Each has read the instance while it had the ENI.
    world.rest();
    world.remove_pod("web");
    world.until(2 * MINUTE, "nothing is left", |w| w.store.claims.is_empty());
    world.stop(0);
    world.elect(1);
    world.run(MINUTE);
    assert_eq!(published(&world), capacity);
    world.clear();
}

#[test]
fn a_former_leader_is_ready_though_its_last_read_as_one_failed() {
    let mut world = pair();
    world.add_pod("web", "n1");
    world.until(5 * SECOND, "a claim", |w| w.claim_of("web").is_some());
    let fails = Verdict::Refuse("InternalError", "no", 500);
    let describe = Action::DescribeNetworkInterfaces;
    world.script.always.insert(describe, fails);
    world.run(10 * SECOND);
    let sentence = world.ops[0].fleet.readiness().unwrap_err();
    assert!(sentence.contains("could not be read"), "{sentence}");
    let ends = world.term_ends;
    world.elect(1);
    world.run(ends.since(world.now) + SECOND);
    world.script.always.clear();
    world.run(MINUTE);
    assert_eq!(world.ops[0].fleet.readiness(), Ok(()));
}

#[test]
fn a_new_leader_begins_with_a_quarter_of_the_budget() {
    let mut world = pair();
    let action = Action::CreateNetworkInterface;
    let left = |w: &World| {
        w.ops[1]
            .fleet
            .tokens(w.now)
            .find(|(a, _)| *a == action)
            .unwrap()
            .1
    };
    assert_eq!(left(&world), 60, "a full bucket");
    world.stop(0);
    let ends = world.term_ends;
    world.elect(1);
    world.run(ends.since(world.now) + 100);
    assert_eq!(left(&world), 15);
}

#[test]
fn no_order_begins_after_its_term_has_ended() {
    let mut world = pair();
    world.add_pod("web", "n1");
    world.until(5 * SECOND, "a claim", |w| w.claim_of("web").is_some());
    world.pause(0);
    world.elect(1);
    world.run(20 * SECOND);
    assert!(world.is_ready("web"), "{}", world.picture());
    let before = world.log.by[&0];
    world.resume(0);
    world.run(20 * SECOND);
    assert_eq!(world.log.by[&0], before, "what it had in hand is withheld");
    world.rest();
    world.clear();
}

#[test]
fn a_leader_that_is_paused_at_any_moment_makes_nothing_twice() {
    for wait in (0..40).map(|n| n * 97) {
        let mut world = pair();
        world.add_pod("a", "n1");
        world.add_pod("b", "n1");
        world.run(wait);
        world.pause(0);
        world.elect(1);
        world.run(9 * SECOND + wait);
        world.remove_pod("a");
        world.run(5 * SECOND);
        world.resume(0);
        world.run(30 * SECOND);
        world.elect(0);
        world.rest();
        assert!(world.is_ready("b"), "{wait}");
        world.clear();
    }
}

#[test]
fn a_crash_at_any_moment_of_a_pods_life_leaves_nothing_behind() {
    for wait in (0..70).map(|n| n * 61) {
        let mut world = World::new();
        world.add_pod("a", "n1");
        world.run(wait);
        world.crash(0);
        world.until(2 * MINUTE, "up all the same", |w| w.is_ready("a"));
        world.remove_pod("a");
        world.run(wait);
        world.crash(0);
        world.rest();
        assert!(world.store.claims.is_empty(), "{wait}");
        assert_eq!(world.made(), [], "{wait}");
        assert_eq!(
            world.calls(Action::CreateNetworkInterface),
            1 + repeats(&world),
            "{wait}"
        );
    }
}

/// Creates that were repeated with their token.
fn repeats(world: &World) -> usize {
    let again = world.calls(Action::CreateNetworkInterface) - 1;
    assert!(again <= 1);
    again
}

#[test]
fn what_the_last_leader_was_doing_when_it_died_is_not_taken_for_refused() {
    let mut world = pair();
    world
        .script
        .once(Action::CreateNetworkInterface, Verdict::Late(6_000));
    world.add_pod("web", "n1");
    world.run(400);
    world.stop(0);
    world.script.once(
        Action::CreateNetworkInterface,
        Verdict::Refuse("UnauthorizedOperation", "no", 403),
    );
    world.elect(1);
    world.run(12 * SECOND);
    world.until(3 * MINUTE, "ready", |w| w.is_ready("web"));
    world.rest();
    assert_eq!(world.made().len(), 1);
    world.clear();
}

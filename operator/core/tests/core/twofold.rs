//! Two leaders at once, as after somebody deleted the Lease (decision 0005): tokens, versions and ids are the fence.

use operator_core::{MINUTE, SECOND, Settings, order::Action};
use vpc::world::GROUP_DEFAULT;

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
        world.usurp(1);
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

#[test]
fn no_leader_lets_a_claim_go_while_the_call_of_the_other_one_is_on_its_way() {
    let mut world = pair();
    world.usurp(1);
    let create = Action::CreateNetworkInterface;
    // The process that froze the request is refused; the other one's call arrives when the pod is gone.
    let denied = Verdict::Refuse("UnauthorizedOperation", "not authorized", 403);
    world.script.once(create, denied);
    world.script.once(create, Verdict::Late(6 * SECOND));
    world.add_pod("web", "n1");
    world.run(SECOND);
    world.remove_pod("web");
    world.run(10 * SECOND);
    assert_eq!(world.made().len(), 1, "{}", world.picture());
    world.until(2 * MINUTE, "the claim goes", |w| w.store.claims.is_empty());
    assert_eq!(world.made(), [], "{}", world.picture());
}

#[test]
fn no_leader_asks_for_another_eni_while_the_call_of_the_other_one_is_unanswered() {
    let mut world = pair();
    world.usurp(1);
    let create = Action::CreateNetworkInterface;
    // The process that froze the request is refused. The class says something else then, and the other one's call was done.
    let denied = Verdict::Refuse("UnauthorizedOperation", "not authorized", 403);
    world.script.once(create, denied);
    world.script.once(create, Verdict::LoseReply);
    world.add_pod("web", "n1");
    world.run(SECOND);
    world.set_class(|class| class.groups.ids = vec![GROUP_DEFAULT.parse().unwrap()]);
    world.until(2 * MINUTE, "ready", |w| w.is_ready("web"));
    assert_eq!(world.made(), [world.eni_of("web").unwrap()]);
    world.clear();
}

#[test]
fn a_request_that_another_process_froze_is_not_taken_for_our_own() {
    let mut world = pair();
    world.usurp(1);
    let create = Action::CreateNetworkInterface;
    // Both freeze the same request, and the second one's status comes too late. The first one's call makes the ENI.
    world.script.once(create, Verdict::LoseReply);
    let denied = Verdict::Refuse("UnauthorizedOperation", "not authorized", 403);
    world.script.once(create, denied);
    world.add_pod("web", "n1");
    world.run(SECOND);
    world.stop(0);
    // The class was wrong: what was refused for good is asked for anew.
    world.set_class(|class| class.groups.ids = vec![GROUP_DEFAULT.parse().unwrap()]);
    world.until(2 * MINUTE, "ready", |w| w.is_ready("web"));
    assert_eq!(world.made().len(), 1);
    world.clear();
}

//! The tag that freezes the security groups of an ENI: while it is there, and when somebody takes it away.

use api::{DriftPolicy, id::EniId, tag};
use operator_core::{MINUTE, Reason, SECOND, order::Action};
use vpc::{Request, world as aws};

use super::{
    ec2::Verdict,
    groups::{edit, follow, groups_of, hold, in_sync, pods, policy, somebody_sets},
    world::World,
};

const MODIFY: Action = Action::ModifyNetworkInterfaceAttribute;

pub(super) fn let_go(world: &mut World, eni: &EniId) {
    world.somebody(Request::DeleteTags {
        resources: vec![eni.to_string()],
        tags: [(tag::HOLD.to_owned(), None)].into(),
    });
}

#[test]
fn an_eni_on_hold_keeps_its_groups_whatever_the_class_says() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    policy(&mut world, DriftPolicy::Correct);
    let eni = world.eni_of("p1").unwrap();
    hold(&mut world, &eni);
    somebody_sets(&mut world, "p1", aws::GROUP_PEER);
    world.until(MINUTE, "it is said", |w| in_sync(w, "p1").reason == "Held");
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    let others = [pods[0].clone(), pods[2].clone()];
    world.until(20 * SECOND, "the others follow", |w| {
        follow(w, &others, &[aws::GROUP_DEFAULT])
    });
    world.rest();
    assert_eq!(groups_of(&world, "p1"), [aws::GROUP_PEER]);
    let condition = in_sync(&world, "p1");
    assert!(
        condition.message.contains("eniclaim.io/hold"),
        "{condition:?}"
    );
    assert!(world.is_ready("p1"));
    world.clear();
}

/// What was not changed meanwhile follows an edit that came meanwhile, whatever the policy.
#[test]
fn an_eni_whose_hold_is_taken_away_follows_its_class_again() {
    for says in [DriftPolicy::Report, DriftPolicy::Correct] {
        let mut world = World::new();
        let pods = pods(&mut world, 3);
        policy(&mut world, says);
        let eni = world.eni_of("p1").unwrap();
        hold(&mut world, &eni);
        world.run(MINUTE);
        edit(&mut world, &[aws::GROUP_DEFAULT]);
        world.until(MINUTE, "it is said", |w| in_sync(w, "p1").reason == "Held");
        world.rest();
        assert_eq!(groups_of(&world, "p1"), [aws::GROUP_APP]);
        let_go(&mut world, &eni);
        world.until(MINUTE, "it follows", |w| {
            follow(w, &pods, &[aws::GROUP_DEFAULT])
        });
        assert_eq!(world.told(Reason::DriftFound), 0);
        edit(&mut world, &[aws::GROUP_APP, aws::GROUP_PEER]);
        world.until(
            10 * SECOND,
            "it follows the next edit with the others",
            |w| follow(w, &pods, &[aws::GROUP_APP, aws::GROUP_PEER]),
        );
        world.clear();
    }
}

/// Without the tag, groups that somebody else set are a drift like any other.
#[test]
fn groups_that_were_changed_on_hold_are_reported_or_corrected_once_the_tag_is_gone() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    let eni = world.eni_of("p1").unwrap();
    hold(&mut world, &eni);
    somebody_sets(&mut world, "p1", aws::GROUP_PEER);
    world.until(MINUTE, "it is said", |w| in_sync(w, "p1").reason == "Held");
    assert_eq!(world.told(Reason::DriftFound), 0);
    let_go(&mut world, &eni);
    world.until(MINUTE, "the drift is seen", |w| {
        in_sync(w, "p1").reason == "Drifted"
    });
    assert_eq!(world.told(Reason::DriftFound), 1);
    world.rest();
    assert_eq!(groups_of(&world, "p1"), [aws::GROUP_PEER]);
    hold(&mut world, &eni);
    world.until(MINUTE, "it is said again", |w| {
        in_sync(w, "p1").reason == "Held"
    });
    policy(&mut world, DriftPolicy::Correct);
    world.rest();
    assert_eq!(groups_of(&world, "p1"), [aws::GROUP_PEER]);
    let_go(&mut world, &eni);
    world.until(MINUTE, "it is set back", |w| {
        follow(w, &pods, &[aws::GROUP_APP])
    });
    world.clear();
}

/// Held in the middle of its change: requested, not yet set.
#[test]
fn an_eni_that_is_held_while_its_groups_are_being_set_gets_them_when_it_is_let_go() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    let throttled = Verdict::Refuse("RequestLimitExceeded", "Request limit exceeded.", 503);
    world.script.always.insert(MODIFY, throttled);
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    world.run(20 * SECOND);
    let enis: Vec<EniId> = pods.iter().map(|pod| world.eni_of(pod).unwrap()).collect();
    for eni in &enis {
        hold(&mut world, eni);
    }
    world.until(2 * MINUTE, "all are held", |w| {
        pods.iter().all(|pod| in_sync(w, pod).reason == "Held")
    });
    world.script.always.clear();
    world.rest();
    for pod in &pods {
        assert_eq!(groups_of(&world, pod), [aws::GROUP_APP]);
    }
    let_go(&mut world, &enis[1]);
    world.until(MINUTE, "it gets them", |w| {
        follow(w, &pods[1..2], &[aws::GROUP_DEFAULT])
    });
    for eni in &enis {
        let_go(&mut world, eni);
    }
    world.until(MINUTE, "all follow", |w| {
        follow(w, &pods, &[aws::GROUP_DEFAULT])
    });
    world.clear();
}

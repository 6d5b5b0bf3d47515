//! What a class says of its rollout, when, and what that costs.

use std::cell::RefCell;

use api::{DriftPolicy, class::ClassRollout};
use operator_core::{MINUTE, SECOND, order::Action};
use vpc::world as aws;

use super::{
    ec2::Verdict,
    groups::{edit, follow, groups_of, hold, in_sync, pods, policy, somebody_sets},
    hold::let_go,
    story::LONG,
    world::World,
};

const MODIFY: Action = Action::ModifyNetworkInterfaceAttribute;
const NONE: &str = "sg-0123456789abcdef0";

impl World {
    fn rollout(&self) -> Option<&ClassRollout> {
        self.store.classes[&"app".into()].status.rollout.as_ref()
    }

    /// How many ENIs have the groups, of how many.
    fn counts(&self) -> Option<(u32, u32)> {
        self.rollout().map(|of| (of.updated, of.total))
    }

    fn paused(&self) -> Option<&str> {
        self.rollout()?.paused.as_deref()
    }

    fn class_writes(&self) -> usize {
        let writes = self.log.writes.iter();
        writes.filter(|(_, kind, _)| *kind == "class").count()
    }

    /// Whether the class says of what it is now that nothing is left to do.
    fn says_done(&self) -> bool {
        let class = &self.store.classes[&"app".into()];
        class.status.observed_generation == Some(class.generation) && class.status.rollout.is_none()
    }
}

/// What the class says one after the other until it says that all is done, and when.
fn said(world: &mut World, within: i64, pods: &[String], groups: &[&str]) -> Vec<(i64, u32, u32)> {
    let (start, said) = (world.now, RefCell::new(Vec::new()));
    world.until(within, "the class says that all is done", |w| {
        if let Some((updated, total)) = w.counts() {
            let mut said = said.borrow_mut();
            let last = said.last().map(|(_, updated, total)| (*updated, *total));
            if last != Some((updated, total)) {
                said.push((w.now.since(start), updated, total));
            }
        }
        if w.says_done() {
            let have = pods.iter().filter(|pod| groups_of(w, pod) == groups);
            assert_eq!(have.count(), pods.len(), "it says so too early");
        }
        w.says_done()
    });
    said.into_inner()
}

#[test]
fn a_rollout_of_fifty_costs_few_writes_of_the_class_and_none_at_rest() {
    let mut world = World::new();
    let pods = pods(&mut world, 50);
    assert_eq!(world.rollout(), None);
    let writes = world.class_writes();
    let groups = [aws::GROUP_APP, aws::GROUP_PEER];
    edit(&mut world, &groups);
    let said = said(&mut world, 15 * SECOND, &pods, &groups);
    assert_eq!((said[0].1, said[0].2), (0, 50), "{said:?}");
    let written = world.class_writes() - writes;
    assert!(written <= 4, "{written} writes: {said:?}");
    world.rest();
    assert_eq!(world.class_writes() - writes, written);
    world.clear();
    assert_eq!(world.class_writes() - writes, written);
}

/// Each step takes half a minute, and the class says how far it is in between.
#[test]
fn a_slow_rollout_is_said_every_few_seconds_at_most() {
    let mut world = World::new();
    let pods = pods(&mut world, 50);
    let slow = Verdict::SlowReply(10 * SECOND);
    world.script.always.insert(MODIFY, slow);
    let writes = world.class_writes();
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    let said = said(&mut world, 2 * MINUTE, &pods, &[aws::GROUP_DEFAULT]);
    let updated: Vec<u32> = said.iter().map(|(_, updated, _)| *updated).collect();
    assert!(updated.is_sorted() && updated.len() >= 4, "{said:?}");
    for pair in said.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= 5 * SECOND, "{said:?}");
    }
    assert!(said.iter().all(|(_, _, total)| *total == 50), "{said:?}");
    assert!(world.class_writes() - writes <= said.len() + 2);
    world.clear();
}

/// Who waits for the status of an edit to be without a rollout waits for all ENIs.
#[test]
fn an_edit_is_not_said_to_be_done_while_its_groups_are_being_read() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    let slow = Verdict::SlowReply(4 * SECOND);
    (world.script.always).insert(Action::DescribeSecurityGroups, slow);
    for groups in [aws::GROUP_PEER, aws::GROUP_DEFAULT] {
        edit(&mut world, &[groups]);
        said(&mut world, 30 * SECOND, &pods, &[groups]);
    }
    world.clear();
}

#[test]
fn a_rollout_that_ec2_refuses_says_why_it_is_paused_and_is_written_once() {
    let mut world = World::new();
    let pods = pods(&mut world, 8);
    let gone = Verdict::Refuse(
        "InvalidGroup.NotFound",
        "The security group does not exist",
        400,
    );
    world.script.always.insert(MODIFY, gone);
    edit(&mut world, &[aws::GROUP_APP, aws::GROUP_PEER]);
    world.until(20 * SECOND, "it is paused", |w| w.paused().is_some());
    assert_eq!(world.counts(), Some((0, 8)));
    let said = world.paused().unwrap();
    for word in [
        aws::GROUP_PEER,
        "InvalidGroup.NotFound",
        "correct the security groups of class app",
    ] {
        assert!(said.contains(word), "{said}");
    }
    let writes = world.class_writes();
    world.run(LONG);
    assert_eq!(world.class_writes(), writes, "its tries cost no writes");
    world.script.always.clear();
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    world.until(10 * SECOND, "all follow, and it is said", |w| {
        w.says_done() && follow(w, &pods, &[aws::GROUP_DEFAULT])
    });
    world.clear();
}

/// EC2 says the same in other words each time.
#[test]
fn a_refusal_in_ever_other_words_costs_a_write_every_few_minutes() {
    let mut world = World::new();
    pods(&mut world, 3);
    let denied = |message| Verdict::Refuse("UnauthorizedOperation", message, 403);
    let words = ["one", "two", "three", "four", "five", "six", "seven"];
    for word in words {
        world.script.once(MODIFY, denied(word));
    }
    world.script.always.insert(MODIFY, denied("eight"));
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    world.until(20 * SECOND, "it is paused", |w| w.paused().is_some());
    let writes = world.class_writes();
    world.run(3 * LONG);
    assert!(world.calls(MODIFY) > words.len());
    assert!(world.class_writes() - writes <= 3);
    assert!(world.paused().unwrap().contains("eight"));
}

#[test]
fn a_group_that_does_not_exist_pauses_the_rollout_at_the_first_eni() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    let calls = world.calls(MODIFY);
    edit(&mut world, &[aws::GROUP_APP, NONE]);
    world.until(10 * SECOND, "it is paused", |w| w.paused().is_some());
    assert_eq!(world.counts(), Some((0, 3)));
    let said = world.paused().unwrap();
    assert!(said.contains(NONE), "{said}");
    world.rest();
    assert_eq!(world.calls(MODIFY), calls);
    edit(&mut world, &[aws::GROUP_APP]);
    world.until(10 * SECOND, "as before", World::says_done);
    assert!(follow(&world, &pods, &[aws::GROUP_APP]));
    assert_eq!(world.calls(MODIFY), calls);
    world.clear();
}

#[test]
fn an_eni_on_hold_is_counted_as_left_until_it_follows_or_goes() {
    for goes in [false, true] {
        let mut world = World::new();
        let pods = pods(&mut world, 3);
        let eni = world.eni_of("p1").unwrap();
        hold(&mut world, &eni);
        world.run(MINUTE);
        assert_eq!(world.rollout(), None, "without an edit nothing is left");
        edit(&mut world, &[aws::GROUP_DEFAULT]);
        world.until(MINUTE, "the others", |w| w.counts() == Some((2, 3)));
        let writes = world.class_writes();
        world.rest();
        assert_eq!((world.counts(), world.paused()), (Some((2, 3)), None));
        assert_eq!(world.class_writes(), writes);
        if goes {
            world.remove_pod("p1");
        } else {
            let_go(&mut world, &eni);
        }
        world.until(MINUTE, "all is done", World::says_done);
        assert!(goes || follow(&world, &pods, &[aws::GROUP_DEFAULT]));
        world.clear();
    }
}

/// What somebody else does to one ENI is said of its claim.
#[test]
fn a_drift_without_an_edit_is_no_rollout() {
    let mut world = World::new();
    pods(&mut world, 3);
    let writes = world.class_writes();
    somebody_sets(&mut world, "p1", aws::GROUP_PEER);
    world.until(MINUTE, "the drift is seen", |w| {
        in_sync(w, "p1").reason == "Drifted"
    });
    world.rest();
    assert_eq!(world.rollout(), None);
    assert_eq!(world.class_writes(), writes);
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    world.until(MINUTE, "the others", |w| w.counts() == Some((2, 3)));
    policy(&mut world, DriftPolicy::Correct);
    world.until(MINUTE, "all is done", World::says_done);
    world.clear();
}

#[test]
fn pods_that_come_and_go_cost_no_write_of_their_class() {
    let mut world = World::new();
    world.ready("a", "n1");
    let writes = world.class_writes();
    for name in ["b", "c"] {
        world.ready(name, "n2");
        world.remove_pod(name);
        world.run(MINUTE);
    }
    assert_eq!(world.class_writes(), writes);
    world.clear();
}

#[test]
fn a_crash_at_any_moment_of_a_rollout_leaves_no_rollout_in_the_status() {
    for wait in (0..20).map(|n| n * 107) {
        let mut world = World::new();
        for name in ["a", "b"] {
            world.ready(name, "n1");
        }
        let pods = ["a".to_owned(), "b".to_owned()];
        world.run(MINUTE);
        edit(&mut world, &[aws::GROUP_DEFAULT]);
        world.run(wait);
        world.crash(0);
        said(&mut world, MINUTE, &pods, &[aws::GROUP_DEFAULT]);
        world.rest();
        assert_eq!(world.rollout(), None, "{wait}");
        world.clear();
    }
}

//! Security groups of ENIs in use: an edited class, somebody else's changes, and an incident's quarantine.

use api::{
    Condition, DriftPolicy,
    condition::kind,
    id::{EniId, SecurityGroupId},
    security_groups::GroupsState,
    tag,
};
use operator_core::{
    MINUTE, Reason, SECOND,
    order::{About, Action},
};
use vpc::{Change, Request, world as aws};

use super::{ec2::Verdict, world::World};

const MODIFY: Action = Action::ModifyNetworkInterfaceAttribute;
const NONE: &str = "sg-0123456789abcdef0";

pub(super) fn ids(groups: &[&str]) -> Vec<SecurityGroupId> {
    groups.iter().map(|id| id.parse().unwrap()).collect()
}

/// So many pods, each with its ENI, at rest; their names.
pub(super) fn pods(world: &mut World, count: usize) -> Vec<String> {
    for n in 0..count.div_ceil(13) {
        world.add_node(&format!("big{n}"), "c6in.32xlarge");
    }
    let names: Vec<String> = (0..count).map(|n| format!("p{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        world.add_pod(name, &format!("big{}", n / 13));
    }
    let all = names.clone();
    world.until(2 * MINUTE, "all pods are ready", |w| {
        all.iter().all(|name| w.is_ready(name))
    });
    world.rest();
    names
}

pub(super) fn groups_of(world: &World, pod: &str) -> Vec<String> {
    let eni = world.eni_of(pod).unwrap();
    let eni = world.vpc.eni(&eni.as_str().into()).unwrap();
    eni.groups.iter().map(ToString::to_string).collect()
}

pub(super) fn follow(world: &World, pods: &[String], groups: &[&str]) -> bool {
    pods.iter().all(|pod| {
        let status = &world.claim_of(pod).unwrap().status;
        let set = status.security_groups.as_ref();
        groups_of(world, pod) == groups
            && status.eni.as_ref().unwrap().security_group_ids == ids(groups)
            && set.is_none_or(|set| set.state == GroupsState::Set)
            && in_sync(world, pod).reason == "InSync"
    })
}

pub(super) fn in_sync(world: &World, pod: &str) -> Condition {
    let status = &world.claim_of(pod).unwrap().status;
    let condition = status.condition(kind::SECURITY_GROUPS_IN_SYNC);
    condition.unwrap().clone()
}

pub(super) fn edit(world: &mut World, groups: &[&str]) {
    world.set_class(|class| class.groups.ids = ids(groups));
}

pub(super) fn policy(world: &mut World, policy: DriftPolicy) {
    world.set_class(|class| class.drift_policy = policy);
}

/// Another client of EC2 sets the groups of a pod's ENI.
pub(super) fn somebody_sets(world: &mut World, pod: &str, group: &str) {
    let eni = world.eni_of(pod).unwrap();
    let change = Change::Groups([group.into()].into());
    world.somebody(Request::ModifyNetworkInterfaceAttribute(
        eni.as_str().into(),
        change,
    ));
}

pub(super) fn hold(world: &mut World, eni: &EniId) {
    world.somebody(Request::CreateTags {
        resources: vec![eni.to_string()],
        tags: [(tag::HOLD.to_owned(), "incident-7".to_owned())].into(),
    });
}

#[test]
fn an_edited_class_reaches_fifty_running_pods_within_ten_seconds() {
    let mut world = World::new();
    let pods = pods(&mut world, 50);
    let (calls, writes) = (world.calls(MODIFY), world.log.writes.len());
    assert!(in_sync(&world, "p0").message.starts_with("has those"));
    edit(&mut world, &[aws::GROUP_APP, aws::GROUP_PEER]);
    world.until(10 * SECOND, "all follow", |w| {
        follow(w, &pods, &[aws::GROUP_APP, aws::GROUP_PEER])
    });
    assert_eq!(world.calls(MODIFY) - calls, 50, "one call an ENI");
    let writes = world.log.writes.len() - writes;
    assert!(
        writes <= 100 + 50,
        "{writes} writes: two a claim, and one of those that wait"
    );
    assert!(pods.iter().all(|pod| world.is_ready(pod)));
    assert_eq!(world.told(Reason::GroupsChanged), 50);
    let rollout = world.ops[0].fleet.rollout(&"app".into());
    assert_eq!((rollout.total, rollout.updated), (50, 50));
    assert_eq!(rollout.halted, None);
    world.rest();
    assert_eq!(world.calls(MODIFY) - calls, 50, "at rest nothing is set");
    world.clear();
}

#[test]
fn a_group_that_does_not_exist_is_set_on_no_eni() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    let calls = world.log.mutations.len();
    edit(&mut world, &[aws::GROUP_APP, NONE]);
    world.run(MINUTE);
    assert_eq!(world.log.mutations.len(), calls);
    assert!(follow(&world, &pods, &[aws::GROUP_APP]));
    policy(&mut world, DriftPolicy::Correct);
    somebody_sets(&mut world, "p1", aws::GROUP_PEER);
    world.until(MINUTE, "what somebody else set is set back", |w| {
        follow(w, &pods, &[aws::GROUP_APP])
    });
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    world.until(10 * SECOND, "all follow", |w| {
        follow(w, &pods, &[aws::GROUP_DEFAULT])
    });
    world.clear();
}

/// Until EC2 was read, nobody knows whether it has a group.
#[test]
fn a_group_is_set_on_no_eni_while_it_is_being_read() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    let calls = world.log.mutations.len();
    let slow = Verdict::SlowReply(4 * SECOND);
    (world.script.always).insert(Action::DescribeSecurityGroups, slow);
    edit(&mut world, &[aws::GROUP_APP, NONE]);
    world.run(MINUTE);
    assert_eq!(world.log.mutations.len(), calls);
    edit(&mut world, &[aws::GROUP_APP, aws::GROUP_PEER]);
    world.run(3 * SECOND);
    assert_eq!(world.log.mutations.len(), calls, "not read yet");
    world.until(20 * SECOND, "all follow", |w| {
        follow(w, &pods, &[aws::GROUP_APP, aws::GROUP_PEER])
    });
    world.clear();
}

/// Who may not read groups learns from EC2's refusal.
#[test]
fn groups_that_may_not_be_read_are_set_by_their_ids() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    let denied = Verdict::Refuse("UnauthorizedOperation", "not authorized", 403);
    (world.script.always).insert(Action::DescribeSecurityGroups, denied);
    edit(&mut world, &[aws::GROUP_APP, aws::GROUP_PEER]);
    world.until(20 * SECOND, "all follow", |w| {
        follow(w, &pods, &[aws::GROUP_APP, aws::GROUP_PEER])
    });
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    world.until(20 * SECOND, "all follow the next edit", |w| {
        follow(w, &pods, &[aws::GROUP_DEFAULT])
    });
    world.clear();
}

/// A group may be gone by the time it is set.
#[test]
fn groups_that_ec2_refuses_stop_at_the_first_eni_and_are_told() {
    let mut world = World::new();
    let pods = pods(&mut world, 8);
    let calls = world.log.mutations.len();
    let gone = Verdict::Refuse(
        "InvalidGroup.NotFound",
        "The security group does not exist",
        400,
    );
    world.script.always.insert(MODIFY, gone);
    edit(&mut world, &[aws::GROUP_APP, aws::GROUP_PEER]);
    world.run(MINUTE);
    let about: std::collections::BTreeSet<_> = world.log.mutations[calls..]
        .iter()
        .map(|(_, _, about)| about.rsplit_once(' ').unwrap().0.to_owned())
        .collect();
    assert_eq!(about.len(), 1, "the first ENI alone: {about:?}");
    let reasons: Vec<String> = (pods.iter())
        .map(|pod| in_sync(&world, pod).reason.to_string())
        .collect();
    let count = |reason: &str| reasons.iter().filter(|r| *r == reason).count();
    assert_eq!((count("Refused"), count("Halted")), (1, 7), "{reasons:?}");
    for pod in &pods {
        let message = in_sync(&world, pod).message;
        assert!(message.contains("InvalidGroup.NotFound"), "{message}");
        assert!(world.is_ready(pod), "the pod keeps its interface");
    }
    let halts = world.log.events.iter().map(|(_, event)| event);
    let halts: Vec<_> = halts
        .filter(|e| e.note.reason == Reason::RolloutHalted)
        .collect();
    assert_eq!(halts.len(), 1);
    assert!(
        matches!(&halts[0].about, About::Class(name, uid) if name.as_str() == "app" && uid == "class-uid")
    );
    let said = &halts[0].note.message;
    assert!(
        said.contains(aws::GROUP_PEER) && said.contains("correct the security groups of class app"),
        "{said}"
    );
    let rollout = world.ops[0].fleet.rollout(&"app".into());
    assert_eq!((rollout.total, rollout.updated), (8, 0));
    assert!(rollout.halted.is_some());
    // Corrected, it goes on at once.
    world.script.always.clear();
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    world.until(10 * SECOND, "all follow", |w| {
        follow(w, &pods, &[aws::GROUP_DEFAULT])
    });
    assert_eq!(world.ops[0].fleet.rollout(&"app".into()).halted, None);
    world.clear();
}

#[test]
fn a_bad_group_that_is_taken_back_leaves_everything_as_it_was() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    edit(&mut world, &[NONE]);
    world.run(20 * SECOND);
    edit(&mut world, &[aws::GROUP_APP]);
    world.until(20 * SECOND, "as before", |w| {
        follow(w, &pods, &[aws::GROUP_APP])
    });
    world.clear();
}

#[test]
fn a_claim_that_is_not_ready_any_more_halts_the_others() {
    let mut world = World::new();
    let pods = pods(&mut world, 7);
    let first_set = |w: &World| {
        let pods = pods.iter();
        let mut set = pods.filter(|pod| groups_of(w, pod) == [aws::GROUP_DEFAULT]);
        set.next().cloned()
    };
    world.script.once(MODIFY, Verdict::Fine);
    for _ in 0..4 {
        world.script.once(MODIFY, Verdict::SlowReply(50 * SECOND));
    }
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    world.until(10 * SECOND, "the first", |w| first_set(w).is_some());
    let first = first_set(&world).unwrap();
    world.until(10 * SECOND, "four more are called", |w| {
        let set = pods
            .iter()
            .filter(|pod| groups_of(w, pod) == [aws::GROUP_DEFAULT]);
        set.count() == 5
    });
    world.agents.away.insert("big0".into());
    let attachment = world
        .claim_of(&first)
        .unwrap()
        .status
        .attachment_id()
        .cloned();
    world.somebody(Request::DetachNetworkInterface(
        attachment.unwrap().as_str().into(),
    ));
    let eni = world.eni_of(&first).unwrap();
    world.agents.plugged.remove(&eni);
    world.run(2 * MINUTE);
    assert!(!world.is_ready(&first));
    let reasons = pods.iter().map(|pod| in_sync(&world, pod).reason);
    assert_eq!(reasons.filter(|reason| reason == "Halted").count(), 2);
    assert_eq!(world.told(Reason::RolloutHalted), 1);
    world.agents.away.clear();
    world.stir();
    world.until(MINUTE, "all follow", |w| {
        follow(w, &pods, &[aws::GROUP_DEFAULT])
    });
    world.clear();
}

#[test]
fn groups_that_somebody_else_changed_are_reported_and_left() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    let calls = world.calls(MODIFY);
    somebody_sets(&mut world, "p1", aws::GROUP_PEER);
    world.until(MINUTE, "the drift is seen", |w| {
        in_sync(w, "p1").reason == "Drifted"
    });
    assert_eq!(world.told(Reason::DriftFound), 1);
    let message = in_sync(&world, "p1").message;
    for word in [aws::GROUP_APP, aws::GROUP_PEER, "driftPolicy Correct"] {
        assert!(message.contains(word), "{message}");
    }
    let eni = world.claim_of("p1").unwrap().status.eni.clone().unwrap();
    assert_eq!(eni.security_group_ids, ids(&[aws::GROUP_PEER]));
    assert_eq!(in_sync(&world, "p0").reason, "InSync");
    // An edit leaves it alone, too: it may be a quarantine.
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    let others = [pods[0].clone(), pods[2].clone()];
    world.until(20 * SECOND, "the others follow", |w| {
        follow(w, &others, &[aws::GROUP_DEFAULT])
    });
    world.rest();
    assert_eq!(groups_of(&world, "p1"), [aws::GROUP_PEER]);
    assert_eq!(world.calls(MODIFY), calls + 2);
    // Set back in EC2, it follows its class again.
    somebody_sets(&mut world, "p1", aws::GROUP_APP);
    world.until(2 * MINUTE, "it follows", |w| {
        follow(w, &pods, &[aws::GROUP_DEFAULT])
    });
    world.clear();
}

#[test]
fn groups_that_somebody_else_changed_are_set_back_where_the_class_says_so() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    let calls = world.calls(MODIFY);
    policy(&mut world, DriftPolicy::Correct);
    world.rest();
    assert_eq!(world.calls(MODIFY), calls);
    for pod in ["p0", "p2"] {
        somebody_sets(&mut world, pod, aws::GROUP_PEER);
    }
    world.until(MINUTE, "they are set back", |w| {
        w.told(Reason::DriftFound) == 2 && follow(w, &pods, &[aws::GROUP_APP])
    });
    world.rest();
    assert_eq!(world.calls(MODIFY), calls + 2);
    world.clear();
}

#[test]
fn the_policy_decides_about_a_drift_that_is_there_already() {
    let mut world = World::new();
    let pods = pods(&mut world, 2);
    somebody_sets(&mut world, "p1", aws::GROUP_PEER);
    world.until(MINUTE, "the drift is seen", |w| {
        in_sync(w, "p1").reason == "Drifted"
    });
    policy(&mut world, DriftPolicy::Correct);
    world.until(10 * SECOND, "it is set back", |w| {
        follow(w, &pods, &[aws::GROUP_APP])
    });
    world.clear();
}

/// What was changed since the last listing is read before anything is set.
#[test]
fn a_quarantine_that_no_listing_has_shown_is_not_overwritten_by_an_edit() {
    let mut world = World::new();
    let pods = pods(&mut world, 3);
    somebody_sets(&mut world, "p0", aws::GROUP_PEER);
    let eni = world.eni_of("p2").unwrap();
    hold(&mut world, &eni);
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    world.until(20 * SECOND, "the other follows", |w| {
        follow(w, &pods[1..2], &[aws::GROUP_DEFAULT])
    });
    world.rest();
    assert_eq!(groups_of(&world, "p0"), [aws::GROUP_PEER]);
    assert_eq!(groups_of(&world, "p2"), [aws::GROUP_APP]);
    assert_eq!(in_sync(&world, "p0").reason, "Drifted");
    assert_eq!(in_sync(&world, "p2").reason, "Held");
    world.clear();
}

#[test]
fn a_lost_reply_costs_one_call_more_and_is_no_drift() {
    for verdict in [Verdict::LoseReply, Verdict::LoseCall, Verdict::Late(3_000)] {
        let mut world = World::new();
        let pods = pods(&mut world, 2);
        world.script.once(MODIFY, verdict);
        edit(&mut world, &[aws::GROUP_DEFAULT]);
        world.until(MINUTE, "they follow", |w| {
            follow(w, &pods, &[aws::GROUP_DEFAULT])
        });
        world.rest();
        assert_eq!(world.told(Reason::DriftFound), 0);
        world.clear();
    }
}

#[test]
fn reads_behind_the_truth_are_no_drift() {
    let mut world = World::new();
    let pods = pods(&mut world, 2);
    world.vpc.settings.stale_ms = 10_000;
    for groups in [aws::GROUP_DEFAULT, aws::GROUP_PEER, aws::GROUP_APP] {
        edit(&mut world, &[groups]);
        world.until(2 * MINUTE, "they follow", |w| follow(w, &pods, &[groups]));
    }
    world.rest();
    assert_eq!(world.told(Reason::DriftFound), 0);
    assert!(follow(&world, &pods, &[aws::GROUP_APP]));
    world.clear();
}

#[test]
fn a_crash_at_any_moment_of_a_rollout_is_made_good() {
    for wait in (0..40).map(|n| n * 53) {
        let mut world = World::new();
        for name in ["a", "b"] {
            world.ready(name, "n1");
        }
        let pods = ["a".to_owned(), "b".to_owned()];
        world.run(MINUTE);
        edit(&mut world, &[aws::GROUP_DEFAULT]);
        world.run(wait);
        world.crash(0);
        world.until(MINUTE, "they follow", |w| {
            follow(w, &pods, &[aws::GROUP_DEFAULT])
        });
        world.rest();
        assert_eq!(world.told(Reason::DriftFound), 0, "{wait}");
        world.clear();
    }
}

#[test]
fn another_eni_has_the_groups_of_its_own_creation() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.run(MINUTE);
    edit(&mut world, &[aws::GROUP_DEFAULT]);
    let pods = ["web".to_owned()];
    world.until(20 * SECOND, "it follows", |w| {
        follow(w, &pods, &[aws::GROUP_DEFAULT])
    });
    let first = world.eni_of("web").unwrap();
    let attachment = world
        .claim_of("web")
        .unwrap()
        .status
        .attachment_id()
        .cloned();
    world.somebody(Request::DetachNetworkInterface(
        attachment.unwrap().as_str().into(),
    ));
    world.agents.plugged.remove(&first);
    world.run(2 * SECOND);
    world.somebody(Request::DeleteNetworkInterface(first.as_str().into()));
    world.until(10 * MINUTE, "another one", |w| {
        w.eni_of("web").is_some_and(|eni| eni != first) && w.is_ready("web")
    });
    assert_eq!(world.claim_of("web").unwrap().status.security_groups, None);
    assert!(follow(&world, &pods, &[aws::GROUP_DEFAULT]));
    world.clear();
}

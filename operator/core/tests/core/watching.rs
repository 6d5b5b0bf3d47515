//! What the watches show late, twice, wrongly or not at all.

use api::NodeStatus;
use operator_core::{
    Change, Fact, MINUTE, Outcome, Reason, SECOND, Target,
    cluster::Version,
    fact::Unreadable,
    order::{About, Action},
};

use super::{story::LONG, world::World};

impl World {
    /// The watch cannot read the claim: it shows no such claim, and says so.
    pub fn unreadable(&mut self, claim: &operator_core::claim::Claim) {
        self.store.claims.remove(&claim.key);
        let object = Unreadable {
            about: About::Claim(claim.key.clone(), claim.uid.clone()),
            error: "unknown variant".to_owned(),
        };
        self.store.unreadable.push(object.clone());
        self.show(&Fact::Unreadable(object));
    }
}

#[test]
fn a_list_wins_whatever_its_versions_say() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.ready("db", "n1");
    world.rest();
    // Restored from a backup: everything as it was, at lower versions.
    world.store.version = 10;
    let claims: Vec<_> = world.store.claims.values().cloned().collect();
    for mut claim in claims {
        claim.version = world.store.next_version();
        world.store.claims.insert(claim.key.clone(), claim);
    }
    world.list(0);
    world.run(SECOND);
    world.remove_pod("web");
    world.until(20 * SECOND, "it goes", |w| w.store.claims.len() == 1);
    world.rest();
    assert!(world.is_ready("db"));
    world.clear();
}

#[test]
fn versions_that_are_no_numbers_are_only_equal_or_not() {
    let version = |text: &str| Version::from(text.to_owned());
    assert!(version("10").is_newer_than(&version("9")));
    assert!(!version("9").is_newer_than(&version("10")));
    assert!(!version("b").is_newer_than(&version("a")));
    assert!(!version("a").is_newer_than(&version("b")));
}

#[test]
fn a_claim_that_was_listed_again_without_it_is_gone() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.store.claims.clear();
    world.store.pods.clear();
    world.list(0);
    world.rest();
    assert_eq!(world.ops[0].fleet.census().values().sum::<u32>(), 0);
}

#[test]
fn an_answer_that_comes_after_the_deletion_brings_nothing_back() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let (node, report) = (
        world.store.nodes[&"n1".into()].clone(),
        world.store.reports[&"n1".into()].clone(),
    );
    let claim = world.claim_of("web").unwrap().clone();
    world.remove_node("n1");
    world.store.claims.clear();
    let gone = Change::Gone((claim.key.clone(), claim.uid.clone()));
    world.show(&Fact::Claims(gone));
    world.remove_pod("web");
    world.run(5 * SECOND);
    let late = [
        (Target::Node("n1".into()), Outcome::Node(Box::new(node))),
        (
            Target::Report("n1".into()),
            Outcome::Report(Box::new(report)),
        ),
        (
            Target::Claim(claim.key.clone()),
            Outcome::Claim(Box::new(claim)),
        ),
    ];
    for (target, outcome) in late {
        world.done(0, 0, target, outcome, 1);
    }
    let before = (world.log.writes.len(), world.log.mutations.len());
    world.run(LONG);
    assert_eq!((world.log.writes.len(), world.log.mutations.len()), before);
    assert_eq!(world.ops[0].fleet.census().values().sum::<u32>(), 0);
}

#[test]
fn a_report_that_was_deleted_is_made_and_filled_again() {
    let mut world = World::new();
    world.run(10 * SECOND);
    world.store.reports.remove(&"n1".into());
    world.show(&Fact::Reports(Change::Gone("n1".into())));
    let filled = |w: &World| {
        let report = w.store.reports.get(&"n1".into());
        report.is_some_and(|r| r.status != NodeStatus::default() && r.agent.is_some())
    };
    world.until(5 * SECOND, "filled again", filled);
    world.rest();
}

#[test]
fn a_report_deleted_while_it_is_being_written_is_made_again_too() {
    let mut world = World::new();
    world.run(10 * SECOND);
    world.script.lag = 0;
    for wait in 0..25 {
        let key = operator_core::cluster::Key::new("eniclaim", "agent-n1");
        let mut pod = world.store.agent_pods[&key].clone();
        pod.ready = !pod.ready;
        world.store.agent_pods.insert(key, pod.clone());
        world.show(&Fact::AgentPods(Change::Set(Box::new(pod))));
        world.run(wait);
        world.store.reports.remove(&"n1".into());
        world.show(&Fact::Reports(Change::Gone("n1".into())));
        world.until(40 * SECOND, "made again", |w| {
            w.store.reports.contains_key(&"n1".into())
        });
        world.run(5 * SECOND);
    }
}

#[test]
fn an_object_that_cannot_be_read_stops_nothing_and_is_told_on_it() {
    let mut world = World::new();
    world.ready("web", "n1");
    let claim = world.claim_of("web").unwrap().clone();
    world.unreadable(&claim);
    world.ready("db", "n2");
    assert_eq!(world.told(Reason::Unreadable), 1);
    assert!(world.is_plugged("db"));
    assert_eq!(world.calls(Action::DetachNetworkInterface), 0);
}

#[test]
fn a_cluster_without_kube_system_waits_without_spinning() {
    let mut world = World::new();
    let kube_system = world
        .store
        .namespaces
        .remove(&"kube-system".into())
        .unwrap();
    world.crash(0);
    world.add_pod("web", "n1");
    world.run(MINUTE);
    assert!(
        world.ops[0]
            .fleet
            .readiness()
            .unwrap_err()
            .contains("kube-system")
    );
    world.show(&Fact::Namespaces(Change::Set(Box::new(kube_system))));
    world.until(10 * SECOND, "ready", |w| w.is_ready("web"));
}

#[test]
fn a_first_listing_that_fails_is_tried_again_without_spinning() {
    let mut world = World::new();
    world
        .vpc
        .settings
        .denied
        .insert(vpc::Action::DescribeNetworkInterfaces);
    world.crash(0);
    world.add_pod("web", "n1");
    world.run(5 * MINUTE);
    let reads = world.reads(Action::DescribeNetworkInterfaces);
    assert!(reads < 20, "{reads}");
    assert!(world.ops[0].fleet.readiness().unwrap_err().contains("EC2"));
    world.vpc.settings.denied.clear();
    world.until(2 * MINUTE, "ready", |w| w.is_ready("web"));
    assert!(world.ops[0].fleet.readiness().is_ok());
}

#[test]
fn a_claim_that_the_api_server_refuses_is_told_on_the_pod_and_made_once_it_may_be() {
    let mut world = World::new();
    world.store.refuses_claims = true;
    world.add_pod("web", "n1");
    world.run(5 * MINUTE);
    assert_eq!(world.told(Reason::WriteRefused), 1);
    let (_, event) = world
        .log
        .events
        .iter()
        .find(|(_, e)| e.note.reason == Reason::WriteRefused)
        .unwrap();
    assert!(matches!(&event.about, About::Pod(key, _) if key.name == "web"));
    world.store.refuses_claims = false;
    world.until(MINUTE, "made", |w| w.is_ready("web"));
}

#[test]
fn a_refused_status_is_told_beside_what_it_says_and_neither_again_and_again() {
    let mut world = World::new();
    world.add_pod("web", "n1");
    world.until(MINUTE, "a claim", |w| w.claim_of("web").is_some());
    world.store.refuses_changes = true;
    let class = world.store.classes.keys().next().unwrap().clone();
    world.store.classes.remove(&class);
    world.show(&Fact::Classes(Change::Gone(class)));
    world.run(9 * MINUTE);
    assert_eq!(world.told(Reason::ClassNotFound), 1);
    assert_eq!(world.told(Reason::WriteRefused), 1);
    world.run(10 * MINUTE);
    assert_eq!(world.told(Reason::WriteRefused), 2, "said again after ten");
}

#[test]
fn a_refused_write_of_a_node_is_told_on_the_node() {
    let mut world = World::new();
    world.rest();
    world.store.refuses_nodes = true;
    world.add_node("n9", "m5.large");
    world.run(2 * MINUTE);
    let told: Vec<_> = world
        .log
        .events
        .iter()
        .filter(|(_, e)| e.note.reason == Reason::WriteRefused)
        .map(|(_, e)| e.about.clone())
        .collect();
    assert!(!told.is_empty());
    assert!(
        told.iter()
            .all(|about| matches!(about, About::Node(name, _) if name.as_str() == "n9"))
    );
}

#[test]
fn a_conflict_costs_nothing_where_the_newer_claim_is_known() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let key = world.claim_of("web").unwrap().key.clone();
    world.remove_pod("web");
    // Somebody else writes the claim before our release arrives, and the watch shows it first.
    world.script.lag = 0;
    world.until(SECOND, "the deletion", |w| w.store.claims[&key].deleting);
    world.run(5);
    world.change_claim(&key, |claim| claim.generation += 1);
    let from = world.now;
    world.until(SECOND, "released", |w| {
        w.store.claims[&key]
            .status
            .attachment
            .as_ref()
            .is_some_and(operator_core::claim::Attachment::is_released)
    });
    assert!(world.now.since(from) < 100, "{}", world.now.since(from));
    world.rest();
}

#[test]
fn a_relabelled_namespace_or_a_new_class_costs_claims_at_rest_nothing() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let (writes, reads) = (world.log.writes.len(), world.log.reads.len());
    let mut shop = world.store.namespaces[&"shop".into()].clone();
    shop.labels.insert("team".into(), "b".into());
    world.store.namespaces.insert("shop".into(), shop.clone());
    world.show(&Fact::Namespaces(Change::Set(Box::new(shop))));
    world.set_class(|class| class.tags.clear());
    world.run(20 * SECOND);
    let written = &world.log.writes[writes..];
    assert!(written.iter().all(|(_, kind, _)| *kind == "class"));
    assert!(world.log.reads.len() - reads <= 3);
}

#[test]
fn a_read_that_failed_is_made_again() {
    for action in [
        Action::DescribeInstances,
        Action::DescribeSubnets,
        Action::DescribeInstanceTypes,
    ] {
        let mut world = World::new();
        world.script.once(action, super::ec2::Verdict::LoseReply);
        world.script.once(
            action,
            super::ec2::Verdict::Refuse("InternalError", "oops", 500),
        );
        world.add_pod("web", "n1");
        world.until(MINUTE, "ready all the same", |w| w.is_ready("web"));
    }
}

//! What is said of a class before any pod asks, what mends it, and what that costs.

use api::{
    ClassStatus, ConditionStatus,
    condition::kind::{READY, SECURITY_GROUPS_READY, SUBNETS_READY},
};
use operator_core::{
    MINUTE, Reason, SECOND,
    order::{About, Action},
};
use vpc::{Request, world as aws};

use super::{
    ec2::Verdict,
    story::{LONG, a_class},
    world::World,
};

const GROUPS: Action = Action::DescribeSecurityGroups;
const NOBODYS: &str = "sg-0000000000000dead";

impl World {
    fn class(&self) -> &ClassStatus {
        &self.store.classes[&"app".into()].status
    }

    /// Status and reason of a condition of the class.
    fn says(&self, kind: &str) -> Option<(ConditionStatus, String)> {
        let condition = self.class().condition(kind)?;
        Some((condition.status, condition.reason.to_string()))
    }

    fn is_class_ready(&self) -> bool {
        self.says(READY)
            .is_some_and(|(status, _)| status == ConditionStatus::True)
    }

    fn lacks(&self, reason: Reason) -> bool {
        self.says(READY) == Some((ConditionStatus::False, reason.to_string()))
    }

    fn tag(&mut self, id: &str, key: &str, value: &str) {
        self.somebody(Request::CreateTags {
            resources: vec![id.to_owned()],
            tags: [(key.to_owned(), value.to_owned())].into(),
        });
    }

    fn set_groups(&mut self, ids: &[&str]) {
        let ids = ids.iter().map(|id| id.parse().unwrap()).collect();
        self.set_class(|class| class.groups.ids = ids);
    }

    fn select_by_tags(&mut self) {
        self.set_class(|class| {
            class.subnets.ids.clear();
            class.subnets.tags = [("tier".to_owned(), "*".to_owned())].into();
            class.groups.ids.clear();
            class.groups.tags = [("role".to_owned(), "app".to_owned())].into();
        });
    }
}

#[test]
fn a_class_says_what_it_stands_for_before_any_pod_asks() {
    let mut world = World::new();
    world.until(3 * SECOND, "ready", World::is_class_ready);
    let status = world.class();
    assert_eq!(status.observed_generation, Some(1));
    let subnets: Vec<(&str, &str, &str)> = (status.subnets.iter())
        .map(|s| (s.id.as_str(), s.zone.as_str(), s.cidr.as_deref().unwrap()))
        .collect();
    assert_eq!(
        subnets,
        [
            (aws::SUBNET_ZONE_B, "us-east-1b", "10.0.3.0/24"),
            (aws::SUBNET_NODES, "us-east-1a", "10.0.1.0/24"),
        ]
    );
    assert_eq!(status.security_group_ids, a_class().groups.ids);
    for kind in [READY, SUBNETS_READY, SECURITY_GROUPS_READY] {
        let condition = status.condition(kind).unwrap();
        assert_eq!(condition.status, ConditionStatus::True, "{condition:?}");
        assert_eq!(condition.observed_generation, Some(1));
    }
    assert_eq!(world.log.events, []);
}

#[test]
fn at_rest_nothing_is_written_of_a_class_and_little_is_read() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let reads = |world: &World| (world.reads(GROUPS), world.reads(Action::DescribeSubnets));
    let (writes, before) = (world.log.writes.len(), reads(&world));
    world.run(LONG);
    assert_eq!(world.log.writes.len(), writes);
    let after = reads(&world);
    assert!(after.0 - before.0 <= 2 && after.1 - before.1 <= 2);
}

#[test]
fn an_edit_costs_one_write() {
    let mut world = World::new();
    world.run(10 * SECOND);
    let writes = world.log.writes.len();
    world.set_class(|class| class.tags.clear());
    world.run(10 * SECOND);
    world.set_groups(&[aws::GROUP_PEER]);
    world.run(10 * SECOND);
    let written: Vec<&str> = world.log.writes[writes..].iter().map(|w| w.1).collect();
    assert_eq!(written, ["class", "class"]);
    assert_eq!(world.class().observed_generation, Some(3));
}

#[test]
fn a_group_that_does_not_exist_is_said_before_any_pod_asks_and_mended_by_an_edit() {
    let mut world = World::new();
    world.set_groups(&[aws::GROUP_APP, NOBODYS]);
    world.until(3 * SECOND, "said", |w| {
        w.lacks(Reason::SecurityGroupNotFound)
    });
    let status = world.class();
    let subnets = world.says(SUBNETS_READY).unwrap();
    assert_eq!(subnets.0, ConditionStatus::True);
    let groups = status.condition(SECURITY_GROUPS_READY).unwrap();
    assert!(groups.message.contains(NOBODYS), "{}", groups.message);
    assert!(status.security_group_ids == [aws::GROUP_APP.parse().unwrap()]);
    let events = world.log.events.iter();
    let of_class =
        events.filter(|(_, e)| matches!(&e.about, About::Class(name, _) if name.as_str() == "app"));
    assert_eq!(of_class.count(), 1);
    // No Create that EC2 would refuse.
    world.add_pod("web", "n1");
    world.run(30 * SECOND);
    assert_eq!(world.calls(Action::CreateNetworkInterface), 0);
    assert_eq!(
        world.reason_of("web").as_deref(),
        Some("SecurityGroupNotFound")
    );
    world.set_groups(&[aws::GROUP_APP]);
    world.until(3 * SECOND, "mended", World::is_class_ready);
    world.until(10 * SECOND, "served", |w| w.is_ready("web"));
    world.clear();
}

#[test]
fn other_networks_are_said_by_name() {
    let mut world = World::new();
    world.set_groups(&[aws::GROUP_OTHER_DEFAULT]);
    world.until(3 * SECOND, "the group", |w| {
        w.lacks(Reason::SecurityGroupInOtherVpc)
    });
    let other = aws::SUBNET_OTHER.parse().unwrap();
    world.set_class(|class| class.subnets.ids.push(other));
    world.until(3 * SECOND, "the subnet", |w| {
        w.lacks(Reason::SubnetInOtherVpc)
    });
}

#[test]
fn a_class_without_a_known_subnet_is_no_nodes_and_a_pod_without_node_is_warned() {
    let mut world = World::new();
    let nodes = |world: &World| {
        let nodes = world.store.nodes.values();
        nodes.filter(|node| !node.classes.is_empty()).count()
    };
    world.until(3 * SECOND, "labels", |w| nodes(w) == 2);
    let nobodys = "subnet-0000000000000dead".parse().unwrap();
    world.set_class(|class| class.subnets.ids = vec![nobodys]);
    world.until(3 * SECOND, "said", |w| w.lacks(Reason::SubnetNotFound));
    world.until(3 * SECOND, "no labels", |w| nodes(w) == 0);
    let pod = world.a_pod("web", "n1");
    world.put_pod(operator_core::cluster::Pod { node: None, ..pod });
    world.run(10 * SECOND);
    assert_eq!(world.reason_of("web").as_deref(), Some("SubnetNotFound"));
}

#[test]
fn a_class_by_tags_serves_once_something_has_them_and_its_nodes_have_the_label() {
    let mut world = World::new();
    world.select_by_tags();
    world.until(3 * SECOND, "nothing has them", |w| {
        w.lacks(Reason::NoSubnetSelected)
    });
    world.add_pod("web", "n1");
    world.run(30 * SECOND);
    assert!(!world.is_ready("web"));
    world.tag(aws::SUBNET_NODES, "tier", "pods");
    world.tag(aws::SUBNET_OTHER, "tier", "pods");
    world.tag(aws::GROUP_PEER, "role", "app");
    world.tag(aws::GROUP_APP, "role", "db");
    world.until(15 * SECOND, "seen", World::is_class_ready);
    world.until(10 * SECOND, "served", |w| w.is_ready("web"));
    let status = world.class();
    assert_eq!(status.subnets.len(), 1, "in the cluster's VPC alone");
    let claim = world.claim_of("web").unwrap();
    let eni = claim.status.eni.as_ref().unwrap();
    assert_eq!(eni.security_group_ids, [aws::GROUP_PEER.parse().unwrap()]);
    assert_eq!(eni.subnet_id.as_str(), aws::SUBNET_NODES);
    let node = &world.store.nodes[&"n1".into()];
    assert!(node.classes.contains(&"app".into()));
    world.rest();
    world.clear();
}

#[test]
fn what_gets_the_tags_later_is_noticed_without_a_pod() {
    let mut world = World::new();
    world.select_by_tags();
    world.tag(aws::SUBNET_NODES, "tier", "pods");
    world.tag(aws::GROUP_PEER, "role", "app");
    world.until(MINUTE, "ready", World::is_class_ready);
    world.tag(aws::SUBNET_ZONE_B, "tier", "more");
    world.until(6 * MINUTE, "the second", |w| w.class().subnets.len() == 2);
}

#[test]
fn a_right_that_is_missing_is_said_and_groups_by_id_are_tried_all_the_same() {
    let mut world = World::new();
    let denied = Verdict::Refuse("UnauthorizedOperation", "not authorized", 403);
    world.script.always.insert(GROUPS, denied);
    world.set_groups(&[aws::GROUP_PEER]);
    world.until(3 * SECOND, "said", |w| {
        w.says(READY) == Some((ConditionStatus::Unknown, "Denied".into()))
    });
    let said = world.class().condition(SECURITY_GROUPS_READY).unwrap();
    assert!(said.message.contains("ec2:DescribeSecurityGroups"));
    assert!(world.ops[0].fleet.readiness().is_ok());
    world.ready("web", "n1");
    world.script.always.clear();
    world.until(3 * MINUTE, "mended", World::is_class_ready);
    world.clear();
}

#[test]
fn a_refused_create_has_what_it_names_looked_up_again() {
    let mut world = World::new();
    world.run(10 * SECOND);
    let reads = world.reads(GROUPS);
    let gone = Verdict::Refuse("InvalidGroup.NotFound", "does not exist", 400);
    world.script.once(Action::CreateNetworkInterface, gone);
    world.add_pod("web", "n1");
    world.run(3 * SECOND);
    assert_eq!(world.reads(GROUPS), reads + 1);
    world.until(3 * MINUTE, "tried again", |w| w.is_ready("web"));
    world.clear();
}

#[test]
fn a_class_that_goes_takes_what_was_known_of_it_along() {
    let mut world = World::new();
    world.until(3 * SECOND, "ready", World::is_class_ready);
    world.store.classes.clear();
    let gone = operator_core::Change::Gone("app".into());
    world.show(&operator_core::Fact::Classes(gone));
    world.run(MINUTE);
    let reads = world.reads(GROUPS);
    world.run(LONG);
    assert_eq!(world.reads(GROUPS), reads);
    assert!(world.store.nodes.values().all(|n| n.classes.is_empty()));
}

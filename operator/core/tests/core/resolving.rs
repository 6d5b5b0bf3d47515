//! What a class stands for: each rule once.

use std::collections::BTreeMap;

use api::{Time, class::Tags, id::SecurityGroupId};
use operator_core::{
    Reason,
    cluster::Class,
    ec2::Group,
    resolve::{Catalogue, GroupRecord, Resolved, Selected, State, Unread, resolve},
    subnet::Subnets,
};
use vpc::world as aws;

use super::{
    story::a_class,
    subnets::{self, ids, record},
};

const APP: &str = aws::GROUP_APP;
const PEER: &str = aws::GROUP_PEER;

/// A class with both subnets and two groups, all of which EC2 has.
struct Site {
    class: Class,
    subnets: Subnets,
    catalogue: Catalogue,
    unread: Unread,
}

fn group(id: &str) -> SecurityGroupId {
    id.parse().unwrap()
}

fn groups(vpcs: &[(&str, &str)]) -> BTreeMap<SecurityGroupId, GroupRecord> {
    let record = |(id, vpc): &(&str, &str)| {
        let group = Group {
            id: group(id),
            vpc: vpc.parse().unwrap(),
        };
        let record = GroupRecord {
            group: Some(group.clone()),
            read: Time(0),
        };
        (group.id, record)
    };
    vpcs.iter().map(record).collect()
}

fn selected<T>(ids: Vec<T>) -> Selected<T> {
    Selected { ids, read: Time(0) }
}

fn tags() -> Tags {
    [("tier".to_owned(), "pods".to_owned())].into()
}

impl Site {
    fn new() -> Self {
        let [first, second] = ids();
        let mut known = Subnets::new();
        for (id, zone) in [(first, "us-east-1b"), (second, "us-east-1a")] {
            let mut record = record(zone, 9);
            record.subnet.as_mut().unwrap().id = id.clone();
            known.insert(id, record);
        }
        let mut class = a_class();
        class.groups.ids = vec![group(PEER), group(APP)];
        Self {
            class,
            subnets: known,
            catalogue: Catalogue {
                groups: groups(&[(APP, aws::VPC), (PEER, aws::VPC)]),
                vpcs: [(subnets::vpc(), 2)].into(),
                ..Catalogue::default()
            },
            unread: Unread::default(),
        }
    }

    /// The same class by tags alone, which select the same.
    fn by_tags() -> Self {
        let mut site = Self::new();
        let mut ids = std::mem::take(&mut site.class.subnets.ids);
        ids.sort();
        site.class.subnets.tags = tags();
        site.catalogue.tagged_subnets = [(tags(), selected(ids))].into();
        site.class.groups.ids.clear();
        site.class.groups.tags = tags();
        let groups = vec![group(APP), group(PEER)];
        site.catalogue.tagged_groups = [(tags(), selected(groups))].into();
        site
    }

    fn resolved(&self) -> Resolved {
        resolve(&self.class, &self.subnets, &self.catalogue, &self.unread)
    }

    fn elsewhere(&mut self, subnet: usize) {
        let record = self.subnets.get_mut(&ids()[subnet]).unwrap();
        record.subnet.as_mut().unwrap().vpc = aws::OTHER_VPC.parse().unwrap();
    }
}

fn wrong(state: &State) -> (Reason, &str) {
    match state {
        State::Wrong(note) => (note.reason, &note.message),
        other => panic!("{other:?}"),
    }
}

fn unknown(state: &State) -> (Reason, &str) {
    match state {
        State::Unknown(note) => (note.reason, &note.message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_ec2_has_is_taken_in_the_order_of_the_class() {
    let Resolved {
        subnets,
        subnets_state,
        groups,
        groups_state,
    } = Site::new().resolved();
    assert_eq!(subnets, ids());
    assert_eq!(groups, [group(PEER), group(APP)]);
    let State::Ready(said) = subnets_state else {
        panic!("{subnets_state:?}");
    };
    assert_eq!(said, "2 subnets in us-east-1a, us-east-1b");
    assert!(groups_state.is_ready());
}

#[test]
fn tags_add_to_the_ids_what_lies_in_the_vpc_and_nothing_twice() {
    let mut site = Site::new();
    let [first, second] = ids();
    site.class.subnets.ids = vec![second.clone()];
    site.class.subnets.tags = tags();
    let both = selected(vec![first.clone(), second.clone()]);
    site.catalogue.tagged_subnets = [(tags(), both)].into();
    assert_eq!(site.resolved().subnets, [second.clone(), first]);
    site.elsewhere(0);
    let resolved = site.resolved();
    assert_eq!(resolved.subnets, [second]);
    assert!(resolved.is_ready(), "others may have the same tags");
}

#[test]
fn tags_alone_stand_for_what_carries_them() {
    let resolved = Site::by_tags().resolved();
    assert_eq!(resolved.subnets.len(), 2);
    assert_eq!(resolved.groups, [group(APP), group(PEER)]);
    assert!(resolved.is_ready());
}

#[test]
fn a_subnet_that_is_missing_or_elsewhere_is_named_and_the_others_serve() {
    let [first, second] = ids();
    let mut site = Site::new();
    site.subnets.insert(first.clone(), subnets::unknown());
    let resolved = site.resolved();
    let (reason, said) = wrong(&resolved.subnets_state);
    assert_eq!(reason, Reason::SubnetNotFound);
    assert!(said.contains(first.as_str()) && !said.contains(second.as_str()));
    assert_eq!(resolved.subnets, [second]);
    assert!(resolved.groups_state.is_ready());

    let mut site = Site::new();
    site.elsewhere(0);
    let resolved = site.resolved();
    let (reason, said) = wrong(&resolved.subnets_state);
    assert_eq!(reason, Reason::SubnetInOtherVpc);
    assert!(said.contains(first.as_str()) && said.contains(aws::VPC));
}

#[test]
fn a_group_that_is_missing_or_elsewhere_is_named_and_no_eni_is_made() {
    let mut site = Site::new();
    site.catalogue.groups.get_mut(&group(PEER)).unwrap().group = None;
    let resolved = site.resolved();
    let (reason, said) = wrong(&resolved.groups_state);
    assert_eq!(reason, Reason::SecurityGroupNotFound);
    assert!(said.contains(PEER) && !said.contains(APP), "{said}");
    assert!(resolved.groups_of_next(&site.class).is_err());

    let mut site = Site::new();
    site.catalogue.groups = groups(&[(APP, aws::VPC), (PEER, aws::OTHER_VPC)]);
    let resolved = site.resolved();
    let (reason, said) = wrong(&resolved.groups_state);
    assert_eq!(reason, Reason::SecurityGroupInOtherVpc);
    assert!(said.contains(PEER) && said.contains(aws::VPC), "{said}");
}

#[test]
fn tags_that_nothing_of_the_vpc_carries_are_named() {
    let mut site = Site::by_tags();
    site.elsewhere(0);
    site.elsewhere(1);
    let resolved = site.resolved();
    let (reason, said) = wrong(&resolved.subnets_state);
    assert_eq!(reason, Reason::NoSubnetSelected);
    assert!(said.contains("tier=pods") && said.contains(aws::VPC));

    let mut site = Site::by_tags();
    site.catalogue.groups = groups(&[(APP, aws::OTHER_VPC), (PEER, aws::OTHER_VPC)]);
    let resolved = site.resolved();
    let (reason, said) = wrong(&resolved.groups_state);
    assert_eq!(reason, Reason::NoSecurityGroupSelected);
    assert!(said.contains("tier=pods"), "{said}");
}

#[test]
fn more_groups_than_ec2_takes_are_counted() {
    let mut site = Site::by_tags();
    let ids: Vec<String> = (1..=17).map(|n| format!("sg-{n:017x}")).collect();
    let vpcs: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), aws::VPC)).collect();
    site.catalogue.groups = groups(&vpcs);
    let all = site.catalogue.groups.keys().cloned().collect();
    site.catalogue.tagged_groups = [(tags(), selected(all))].into();
    let resolved = site.resolved();
    let (reason, said) = wrong(&resolved.groups_state);
    assert_eq!(reason, Reason::TooManySecurityGroups);
    assert!(said.contains("17") && said.contains("16"), "{said}");
}

#[test]
fn without_a_node_tags_select_nothing_yet_and_ids_do() {
    let mut site = Site::by_tags();
    site.catalogue.vpcs.clear();
    let resolved = site.resolved();
    let states = [&resolved.subnets_state, &resolved.groups_state];
    assert!(states.iter().all(|s| unknown(s).0 == Reason::VpcUnknown));
    let mut site = Site::new();
    site.catalogue.vpcs.clear();
    assert!(site.resolved().is_ready());
}

#[test]
fn what_was_not_read_is_unknown_and_a_refusal_says_why() {
    let mut site = Site::new();
    site.subnets.clear();
    site.catalogue.groups.clear();
    let resolved = site.resolved();
    assert!(resolved.subnets_state.is_reading() && resolved.groups_state.is_reading());
    // Those by id are tried: EC2 says so if there are none.
    assert_eq!(
        resolved.groups_of_next(&site.class),
        Ok(vec![group(PEER), group(APP)])
    );
    let denied = operator_core::Note::new(Reason::Denied, "allow it");
    site.unread.groups = Some(denied);
    let resolved = site.resolved();
    assert_eq!(unknown(&resolved.groups_state).0, Reason::Denied);
    assert!(resolved.subnets_state.is_reading());
    let mut site = Site::by_tags();
    site.catalogue.tagged_groups.clear();
    let resolved = site.resolved();
    assert!(resolved.groups_of_next(&site.class).is_err());
}

//! Tags of subnets and security groups, and what filters find by them.

use vpc::{Action, Ec2Error, Filter, Query, Request, Response, Vpc, world};

use super::makers::{Does, a_world};

fn tag(vpc: &mut Vpc, id: &str, key: &str, value: &str) -> Result<Response, Ec2Error> {
    let request = Request::CreateTags {
        resources: vec![id.to_owned()],
        tags: [(key.to_owned(), value.to_owned())].into(),
    };
    vpc.call(request, 0)
}

fn untag(vpc: &mut Vpc, ids: &[&str], tags: &[(&str, Option<&str>)]) -> Result<Response, Ec2Error> {
    let tag = |(key, value): &(&str, Option<&str>)| ((*key).to_owned(), value.map(str::to_owned));
    let request = Request::DeleteTags {
        resources: ids.iter().map(|id| (*id).to_owned()).collect(),
        tags: tags.iter().map(tag).collect(),
    };
    vpc.call(request, 0)
}

fn by(filters: &[(&str, &str)]) -> Query {
    let filter = |(name, value): &(&str, &str)| Filter {
        name: (*name).to_owned(),
        values: vec![(*value).to_owned()],
    };
    Query {
        filters: filters.iter().map(filter).collect(),
        ..Query::default()
    }
}

fn subnets(vpc: &mut Vpc, filters: &[(&str, &str)]) -> Vec<String> {
    match vpc.call(Request::DescribeSubnets(by(filters)), 0).unwrap() {
        Response::Subnets(found, _) => found.iter().map(|s| s.subnet.id.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

fn groups(vpc: &mut Vpc, filters: &[(&str, &str)]) -> Vec<String> {
    match vpc
        .call(Request::DescribeSecurityGroups(by(filters)), 0)
        .unwrap()
    {
        Response::Groups(found, _) => found.iter().map(|g| g.id.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn subnets_and_groups_are_found_by_all_tags_that_are_asked_for() {
    let mut vpc = a_world();
    for (id, key, value) in [
        (world::SUBNET_NODES, "tier", "pods"),
        (world::SUBNET_NODES, "team", "shop"),
        (world::SUBNET_ZONE_B, "tier", "pods"),
        (world::GROUP_APP, "tier", "pods"),
        (world::GROUP_PEER, "tier", "peers"),
    ] {
        tag(&mut vpc, id, key, value).unwrap();
    }
    let tier = ("tag:tier", "pods");
    assert_eq!(
        subnets(&mut vpc, &[tier]),
        [world::SUBNET_NODES, world::SUBNET_ZONE_B]
    );
    assert_eq!(
        subnets(&mut vpc, &[tier, ("tag:team", "shop")]),
        [world::SUBNET_NODES]
    );
    assert_eq!(
        subnets(&mut vpc, &[tier, ("vpc-id", world::OTHER_VPC)]),
        [""; 0]
    );
    assert_eq!(
        subnets(&mut vpc, &[("tag-key", "team")]),
        [world::SUBNET_NODES]
    );
    assert_eq!(groups(&mut vpc, &[tier]), [world::GROUP_APP]);
    assert_eq!(
        groups(&mut vpc, &[("tag:tier", "p*")]),
        [world::GROUP_APP, world::GROUP_PEER]
    );
    assert_eq!(groups(&mut vpc, &[("tag:tier", "*")]).len(), 2);
    assert_eq!(groups(&mut vpc, &[("tag:team", "*")]), [""; 0]);
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteTags.html>
#[test]
fn a_tag_goes_by_its_key_or_by_key_and_value_and_without_a_key_all_go() {
    let mut vpc = a_world();
    let eni = vpc.an_available_eni();
    let born = [("a", "1"), ("b", "2"), ("c", ""), ("d", "4"), ("e", "5")];
    for (key, value) in born {
        tag(&mut vpc, eni.as_str(), key, value).unwrap();
        tag(&mut vpc, world::SUBNET_NODES, key, value).unwrap();
    }
    for (tags, left) in [
        (&[("a", None)][..], "bcde"),
        (&[("b", Some("1")), ("d", Some("")), ("none", None)], "bcde"),
        (&[("b", Some("2")), ("c", Some(""))], "de"),
        (&[], ""),
    ] {
        let ids = [eni.as_str(), world::SUBNET_NODES];
        untag(&mut vpc, &ids, tags).unwrap();
        let keys = vpc.eni(&eni).unwrap().tags.keys();
        let ours: String = keys.filter(|key| key.len() == 1).cloned().collect();
        assert_eq!(ours, left, "{tags:?}");
        let subnet = vpc.subnet(&world::SUBNET_NODES.into()).unwrap();
        assert_eq!(subnet.tags.keys().cloned().collect::<String>(), left);
    }
    assert!(vpc.eni(&eni).unwrap().tags.is_empty());
}

#[test]
fn where_one_resource_does_not_exist_no_tag_goes() {
    let mut vpc = a_world();
    tag(&mut vpc, world::GROUP_APP, "a", "b").unwrap();
    let ids = [world::GROUP_APP, "eni-0000000000000dead"];
    let refused = untag(&mut vpc, &ids, &[("a", None)]).unwrap_err();
    assert_eq!(refused.code(), "InvalidNetworkInterfaceID.NotFound");
    assert_eq!(groups(&mut vpc, &[("tag:a", "b")]), [world::GROUP_APP]);
}

/// A read that is stale shows a tag that is gone, as it shows one that is not there yet.
#[test]
fn a_deleted_tag_may_still_be_shown_for_a_while() {
    let mut vpc = a_world();
    vpc.settings.stale_ms = 1_000;
    let eni = vpc.an_available_eni();
    tag(&mut vpc, eni.as_str(), "a", "b").unwrap();
    let request = Request::DeleteTags {
        resources: vec![eni.to_string()],
        tags: [("a".to_owned(), None)].into(),
    };
    vpc.call(request, 10_000).unwrap();
    let mut shown = |now| match vpc
        .call(Request::DescribeNetworkInterfaces(by(&[])), now)
        .unwrap()
    {
        Response::Enis(enis, _) => enis.iter().any(|eni| eni.tags.contains_key("a")),
        other => panic!("{other:?}"),
    };
    assert!(shown(10_500));
    assert!(!shown(11_500));
}

#[test]
fn who_may_not_untag_is_refused() {
    let mut vpc = a_world();
    let eni = vpc.an_available_eni();
    tag(&mut vpc, eni.as_str(), "a", "b").unwrap();
    vpc.settings.denied = [Action::DeleteTags].into();
    let refused = untag(&mut vpc, &[eni.as_str()], &[]).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("to perform: ec2:DeleteTags on resource"),
        "{refused}"
    );
    assert!(vpc.eni(&eni).unwrap().tags.contains_key("a"));
}

#[test]
fn what_does_not_exist_gets_no_tag() {
    let mut vpc = a_world();
    for (id, code) in [
        ("subnet-0000000000000dead", "InvalidSubnetID.NotFound"),
        ("sg-0000000000000dead", "InvalidGroup.NotFound"),
        (
            "eni-0000000000000dead",
            "InvalidNetworkInterfaceID.NotFound",
        ),
    ] {
        assert_eq!(tag(&mut vpc, id, "a", "b").unwrap_err().code(), code);
    }
}

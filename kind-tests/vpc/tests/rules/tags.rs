//! Tags of subnets and security groups, and what filters find by them.

use vpc::{Ec2Error, Filter, Query, Request, Response, Vpc, world};

use super::makers::a_world;

fn tag(vpc: &mut Vpc, id: &str, key: &str, value: &str) -> Result<Response, Ec2Error> {
    let request = Request::CreateTags {
        resources: vec![id.to_owned()],
        tags: [(key.to_owned(), value.to_owned())].into(),
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

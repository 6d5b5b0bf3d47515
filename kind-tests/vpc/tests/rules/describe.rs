//! Which resources a Describe call returns.

use vpc::{Ec2Error, Filter, Query, Request, Response, Vpc, world};

use crate::makers::{Does, a_world};

fn enis(vpc: &mut Vpc, query: Query) -> Result<(Vec<String>, Option<String>), Ec2Error> {
    match vpc.call(Request::DescribeNetworkInterfaces(query), 0)? {
        Response::Enis(enis, next) => {
            Ok((enis.iter().map(|eni| eni.id.to_string()).collect(), next))
        }
        other => panic!("{other:?}"),
    }
}

fn by(name: &str, values: &[&str]) -> Query {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Query {
        filters: vec![Filter {
            name: name.to_owned(),
            values,
        }],
        ..Query::default()
    }
}

#[test]
fn one_unknown_id_fails_the_call_and_one_unknown_filter_value_is_absent() {
    let mut vpc = a_world();
    let eni = vpc.an_available_eni();
    let ids = vec![eni.to_string(), "eni-none".to_owned()];
    let refused = enis(
        &mut vpc,
        Query {
            ids,
            ..Query::default()
        },
    )
    .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "The networkInterface ID 'eni-none' does not exist"
    );
    let found = enis(
        &mut vpc,
        by("network-interface-id", &[eni.as_str(), "eni-none"]),
    )
    .unwrap();
    assert_eq!(found, (vec![eni.to_string()], None));
}

#[test]
fn filters_find_by_tag_instance_and_state() {
    let mut vpc = a_world();
    let (instance, free, used) = (
        vpc.an_instance("m5.large"),
        vpc.an_available_eni(),
        vpc.an_available_eni(),
    );
    vpc.attach(&used, &instance, 0, 2).unwrap();
    let mut find = |name: &str, value: &str| enis(&mut vpc, by(name, &[value])).unwrap().0;
    assert_eq!(
        find("tag:owner", "test"),
        [free.to_string(), used.to_string()]
    );
    assert_eq!(find("status", "available"), [free.to_string()]);
    assert_eq!(find("attachment.status", "attaching"), [used.to_string()]);
    assert_eq!(find("attachment.instance-id", instance.as_str()).len(), 2);
    assert_eq!(
        enis(&mut vpc, by("colour", &["red"])).unwrap_err().code(),
        "InvalidParameterValue"
    );
}

#[test]
fn pages_hold_every_interface_once_and_refuse_ids() {
    let mut vpc = a_world();
    let all: Vec<String> = (0..12)
        .map(|_| vpc.an_available_eni().to_string())
        .collect();
    let mut query = Query {
        max_results: Some(5),
        ..Query::default()
    };
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let (page, next) = enis(&mut vpc, query.clone()).unwrap();
        sizes.push(page.len());
        seen.extend(page);
        query.next_token = next;
        if query.next_token.is_none() {
            break;
        }
    }
    assert_eq!((seen, sizes), (all.clone(), vec![5, 5, 2]));
    let with_ids = Query {
        ids: all,
        max_results: Some(5),
        ..Query::default()
    };
    assert_eq!(
        enis(&mut vpc, with_ids).unwrap_err().code(),
        "InvalidParameterCombination"
    );
    for size in [4, 1001] {
        let query = Query {
            max_results: Some(size),
            ..Query::default()
        };
        assert_eq!(
            enis(&mut vpc, query).unwrap_err().code(),
            "InvalidParameterValue"
        );
    }
}

#[test]
fn unknown_filter_is_refused_although_nothing_would_reach_it() {
    let mut vpc = a_world();
    let unknown = enis(&mut vpc, by("colour", &["red"])).unwrap_err();
    assert_eq!(unknown, Ec2Error::UnknownFilter("colour".to_owned()));
    for request in [
        Request::DescribeInstances(by("colour", &[])),
        Request::DescribeSubnets(by("colour", &[])),
        Request::DescribeSecurityGroups(by("colour", &[])),
    ] {
        let refused = vpc.call(request, 0).unwrap_err();
        assert_eq!(refused.code(), "InvalidParameterValue");
    }
}

#[test]
fn filters_tell_whose_an_interface_is() {
    let mut vpc = a_world();
    let eni = vpc.an_available_eni().to_string();
    let mut find = |name: &str, value: &str| enis(&mut vpc, by(name, &[value])).unwrap().0;
    for (name, value) in [
        ("interface-type", "interface"),
        ("requester-managed", "false"),
        ("operator.managed", "false"),
        ("tag-key", "owner"),
    ] {
        assert_eq!(find(name, value), [eni.as_str()], "{name}");
    }
    assert_eq!(find("requester-id", "amazon-elb"), [""; 0]);
}

#[test]
fn filter_takes_two_hundred_values() {
    let mut vpc = a_world();
    vpc.an_available_eni();
    let values = |n| by("network-interface-id", &vec!["eni-none"; n]);
    assert!(enis(&mut vpc, values(200)).is_ok());
    assert_eq!(
        enis(&mut vpc, values(201)).unwrap_err().code(),
        "FilterLimitExceeded"
    );
}

#[test]
fn subnets_groups_types_and_instances_are_found_or_refused_by_id() {
    let mut vpc = a_world();
    vpc.an_instance("m5.large");
    let of = |id: &str| Query {
        ids: vec![id.to_owned()],
        ..Query::default()
    };
    let Response::Subnets(subnets, _) = vpc
        .call(Request::DescribeSubnets(of(world::SUBNET_NODES)), 0)
        .unwrap()
    else {
        panic!("no subnets");
    };
    assert_eq!(subnets[0].free, 250);
    vpc.an_available_eni();
    let some = Query {
        filters: by("available-ip-address-count", &["249"]).filters,
        ..of(world::SUBNET_NODES)
    };
    let found = vpc.call(Request::DescribeSubnets(some), 0).unwrap();
    assert!(matches!(found, Response::Subnets(subnets, _) if subnets.len() == 1));
    for (request, code) in [
        (
            Request::DescribeSubnets(of("subnet-none")),
            "InvalidSubnetID.NotFound",
        ),
        (
            Request::DescribeSecurityGroups(of("sg-none")),
            "InvalidGroup.NotFound",
        ),
        (
            Request::DescribeInstances(of("i-none")),
            "InvalidInstanceID.NotFound",
        ),
        (
            Request::DescribeInstanceTypes(vec!["x1.none".to_owned()]),
            "InvalidInstanceType",
        ),
    ] {
        assert_eq!(vpc.call(request, 0).unwrap_err().code(), code);
    }
}

//! Which resources a Describe call returns.

use vpc::{Ec2Error, Filter, Query, Request, Response, Vpc, world};

use crate::makers::{Does, LATER, a_world};

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
fn filters_of_a_call_take_two_hundred_values_of_255_characters_each() {
    let mut vpc = a_world();
    vpc.an_available_eni();
    let values = |n| by("network-interface-id", &vec!["eni-none"; n]);
    assert!(enis(&mut vpc, values(200)).is_ok());
    let mut both = values(100);
    both.filters.extend(values(101).filters);
    for query in [values(201), both] {
        let refused = enis(&mut vpc, query).unwrap_err();
        assert_eq!(refused.code(), "FilterLimitExceeded");
        assert_eq!(
            refused.to_string(),
            "The maximum number of filter values specified on a single call is 200"
        );
    }
    let long = |n| by("description", &[&"x".repeat(n)]);
    assert!(enis(&mut vpc, long(255)).is_ok());
    assert_eq!(
        enis(&mut vpc, long(256)).unwrap_err(),
        Ec2Error::FilterValueTooLong
    );
}

#[test]
fn filter_that_only_this_world_does_not_know_is_reported() {
    let mut vpc = a_world();
    let refused = enis(&mut vpc, by("private-dns-name", &["x"])).unwrap_err();
    assert_eq!(refused.code(), "NotModelled");
    assert_eq!(vpc.violations().len(), 1);
    let types = Request::DescribeInstanceTypes(by("tag:a", &["x"]));
    let unknown = vpc.call(types, 0).unwrap_err();
    assert_eq!(unknown, Ec2Error::UnknownFilter("tag:a".to_owned()));
    assert_eq!(vpc.violations().len(), 1, "EC2 knows no such filter either");
}

#[test]
fn filters_are_checked_before_ids() {
    let query = Query {
        ids: vec!["eni-none".to_owned()],
        ..by("colour", &["red"])
    };
    let refused = enis(&mut a_world(), query).unwrap_err();
    assert_eq!(refused, Ec2Error::UnknownFilter("colour".to_owned()));
}

#[test]
fn values_of_filters_have_wildcards() {
    let mut vpc = a_world();
    vpc.an_available_eni();
    let mut count = |name: &str, value: &str| enis(&mut vpc, by(name, &[value])).unwrap().0.len();
    assert_eq!(count("tag:owner", "t?s*"), 1);
    assert_eq!(count("private-ip-address", "10.0.1.*"), 1);
    assert_eq!(count("tag:owner", "t?s"), 0);
}

/// The ids of each page, and the tokens in between.
fn pages(vpc: &mut Vpc, mut query: Query) -> (Vec<Vec<String>>, Vec<String>) {
    let (mut pages, mut tokens) = (Vec::new(), Vec::new());
    loop {
        let (page, next) = enis(vpc, query.clone()).unwrap();
        pages.push(page);
        query.next_token.clone_from(&next);
        match next {
            Some(token) => tokens.push(token),
            None => return (pages, tokens),
        }
    }
}

#[test]
fn token_is_opaque_and_good_for_the_same_call_only() {
    let mut vpc = a_world();
    for _ in 0..7 {
        vpc.an_available_eni();
    }
    let query = Query {
        max_results: Some(5),
        ..by("tag:owner", &["test"])
    };
    let (all, tokens) = pages(&mut vpc, query.clone());
    let [token] = &tokens[..] else {
        panic!("{tokens:?}");
    };
    assert!(!token.contains(&all[0][4]));
    let with = |query: &Query, token: &str| Query {
        next_token: Some(token.to_owned()),
        ..query.clone()
    };
    let longer = Query {
        max_results: Some(6),
        ..query.clone()
    };
    assert!(enis(&mut vpc, with(&longer, token)).is_ok());
    let other = Query {
        max_results: Some(5),
        ..by("tag:owner", &["tes?"])
    };
    let last = token.len() - 1;
    let changed = format!("{}{}", &token[..last], u8::from(token.ends_with('0')));
    for refused in [
        with(&other, token),
        with(&query, &changed),
        with(&query, &all[0][4]),
        with(&query, ""),
    ] {
        let refused = enis(&mut vpc, refused).unwrap_err();
        assert_eq!(refused.code(), "InvalidNextToken");
    }
    let subnets = Request::DescribeSubnets(with(&Query::default(), token));
    assert_eq!(vpc.call(subnets, 0).unwrap_err().code(), "InvalidNextToken");
}

#[test]
fn pages_may_be_short_and_empty_and_still_hold_everything_once() {
    let mut vpc = a_world();
    let all: Vec<String> = (0..7).map(|_| vpc.an_available_eni().to_string()).collect();
    vpc.settings.page_items = Some(3);
    let query = Query {
        max_results: Some(5),
        ..Query::default()
    };
    let (pages, tokens) = pages(&mut vpc, query);
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!((sizes, tokens.len()), (vec![3, 0, 3, 0, 1, 0], 5));
    assert_eq!(pages.concat(), all);
    let whole = enis(&mut vpc, Query::default()).unwrap();
    assert_eq!(whole, (all, None), "what is not paged is whole");
}

#[test]
fn ids_are_refused_together_with_pages_by_every_action() {
    let mut vpc = a_world();
    let of = |id: &str| Query {
        ids: vec![id.to_owned()],
        max_results: Some(5),
        ..Query::default()
    };
    for (request, ids) in [
        (
            Request::DescribeNetworkInterfaces(of("eni-none")),
            "interfaceSet",
        ),
        (Request::DescribeInstances(of("i-none")), "instancesSet"),
        (
            Request::DescribeInstanceTypes(of("m5.large")),
            "instanceTypeSet",
        ),
        (
            Request::DescribeSubnets(of(world::SUBNET_NODES)),
            "subnetSet",
        ),
        (
            Request::DescribeSecurityGroups(of(world::GROUP_APP)),
            "groupIdSet",
        ),
    ] {
        let refused = vpc.call(request, 0).unwrap_err();
        assert_eq!(refused.code(), "InvalidParameterCombination");
        assert_eq!(
            refused.to_string(),
            format!("The parameter {ids} cannot be used with the parameter maxResults")
        );
    }
}

#[test]
fn page_has_a_least_and_a_greatest_size() {
    let mut vpc = a_world();
    let mut refused = |max_results| {
        let query = Query {
            max_results: Some(max_results),
            ..Query::default()
        };
        let refused = vpc.call(Request::DescribeInstanceTypes(query), 0);
        refused.unwrap_err().to_string()
    };
    assert_eq!(
        refused(1),
        "Value ( 1 ) for parameter maxResults is invalid. Expecting a value greater than 5."
    );
    assert_eq!(
        refused(101),
        "Value ( 101 ) for parameter maxResults is invalid. Expecting a value less than 100."
    );
}

#[test]
fn instances_are_found_by_their_interfaces_and_place_until_they_are_terminated() {
    let mut vpc = a_world();
    let (instance, eni) = (vpc.an_instance("m5.large"), vpc.an_available_eni());
    vpc.attach(&eni, &instance, 0, 2).unwrap();
    vpc.advance(LATER);
    let count = |vpc: &mut Vpc, name: &str, value: &str| match vpc
        .call(Request::DescribeInstances(by(name, &[value])), LATER)
    {
        Ok(Response::Instances(views, _)) => views.len(),
        other => panic!("{other:?}"),
    };
    let of_place = [
        ("vpc-id", world::VPC),
        ("subnet-id", world::SUBNET_NODES),
        ("network-interface.network-interface-id", eni.as_str()),
        ("network-interface.attachment.network-card-index", "0"),
        ("network-interface.group-id", world::GROUP_APP),
        ("instance.group-id", world::GROUP_DEFAULT),
    ];
    let always = [("availability-zone", "us-east-1a"), ("tag:Name", "node")];
    for (name, value) in of_place.into_iter().chain(always) {
        assert_eq!(count(&mut vpc, name, value), 1, "{name}");
    }
    assert_eq!(count(&mut vpc, "instance-state-code", "16"), 1);
    vpc.terminate(&instance, LATER).unwrap();
    vpc.advance(LATER + 10_000);
    for (name, value) in of_place {
        assert_eq!(count(&mut vpc, name, value), 0, "{name}");
    }
    for (name, value) in always {
        assert_eq!(count(&mut vpc, name, value), 1, "{name}");
    }
}

#[test]
fn subnets_groups_and_types_are_found_by_what_they_are() {
    let mut vpc = a_world();
    let mut count = |request| match vpc.call(request, 0) {
        Ok(Response::Subnets(all, _)) => all.len(),
        Ok(Response::Groups(all, _)) => all.len(),
        Ok(Response::InstanceTypes(all, _)) => all.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        count(Request::DescribeSubnets(by("cidr", &["10.0.2.0/28"]))),
        1
    );
    assert_eq!(
        count(Request::DescribeSubnets(by("availabilityZone", &["*b"]))),
        1
    );
    let groups = |name, value| Request::DescribeSecurityGroups(by(name, &[value]));
    assert_eq!(count(groups("ip-permission.from-port", "8080")), 1);
    assert_eq!(
        count(groups("ip-permission.group-id", world::GROUP_NODES)),
        1
    );
    assert_eq!(count(groups("ip-permission.cidr", "10.244.0.0/16")), 1);
    let types = |name, value| Request::DescribeInstanceTypes(by(name, &[value]));
    assert_eq!(count(types("network-info.maximum-network-cards", "2")), 1);
    assert_eq!(count(types("instance-type", "m5.*")), 2);
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
            Request::DescribeInstanceTypes(of("x1.none")),
            "InvalidInstanceType",
        ),
    ] {
        assert_eq!(vpc.call(request, 0).unwrap_err().code(), code);
    }
}

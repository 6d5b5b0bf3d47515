//! How many calls of each action are taken.

use vpc::{Action, Ec2Error, Filter, Query, Request, Vpc};

use crate::makers::{Does, a_request, a_world};

/// How many of 200 equal calls at one time are not throttled.
fn taken(vpc: &mut Vpc, request: &Request, now_ms: u64) -> usize {
    let throttled = Err(Ec2Error::RequestLimitExceeded);
    (0..200)
        .filter(|_| vpc.call(request.clone(), now_ms) != throttled)
        .count()
}

fn a_limited_world() -> Vpc {
    let mut vpc = a_world();
    vpc.settings.rate_percent = Some(100);
    vpc
}

#[test]
fn rates_are_not_limited_by_default() {
    let detach = Request::DetachNetworkInterface("eni-attach-none".into());
    assert_eq!(taken(&mut a_world(), &detach, 0), 200);
}

#[test]
fn each_action_has_its_burst_and_its_rate() {
    let filtered = Query {
        filters: vec![Filter {
            name: "vpc-id".to_owned(),
            values: vec![],
        }],
        ..Query::default()
    };
    let paginated = Query {
        max_results: Some(5),
        ..Query::default()
    };
    for (request, burst, per_second) in [
        (Request::CreateNetworkInterface(a_request()), 100, 5),
        (Request::DeleteNetworkInterface("eni-none".into()), 100, 5),
        (
            Request::DetachNetworkInterface("eni-attach-none".into()),
            50,
            5,
        ),
        (
            Request::CreateTags {
                resources: vec![],
                tags: [].into(),
            },
            100,
            10,
        ),
        (
            Request::DeleteTags {
                resources: vec![],
                tags: [].into(),
            },
            100,
            10,
        ),
        (Request::DescribeNetworkInterfaces(filtered), 100, 20),
        (Request::DescribeNetworkInterfaces(paginated), 100, 20),
        (Request::DescribeNetworkInterfaces(Query::default()), 50, 10),
        (Request::DescribeInstanceTypes(Query::default()), 50, 10),
    ] {
        let mut vpc = a_limited_world();
        assert_eq!(taken(&mut vpc, &request, 5_000), burst, "{request:?}");
        assert_eq!(taken(&mut vpc, &request, 6_000), per_second, "{request:?}");
        assert_eq!(taken(&mut vpc, &request, 6_000 + 1_000_000), burst);
    }
}

#[test]
fn buckets_fill_by_the_millisecond_and_do_not_share() {
    let mut vpc = a_limited_world();
    let detach = Request::DetachNetworkInterface("eni-attach-none".into());
    assert_eq!(taken(&mut vpc, &detach, 0), 50);
    assert_eq!(taken(&mut vpc, &detach, 199), 0);
    assert_eq!(taken(&mut vpc, &detach, 200), 1);
    let delete = Request::DeleteNetworkInterface("eni-none".into());
    assert_eq!(taken(&mut vpc, &delete, 200), 100);
}

#[test]
fn rate_may_be_a_part_of_the_published_one() {
    let mut vpc = a_limited_world();
    vpc.settings.rate_percent = Some(10);
    let detach = Request::DetachNetworkInterface("eni-attach-none".into());
    assert_eq!(taken(&mut vpc, &detach, 0), 5);
    assert_eq!(taken(&mut vpc, &detach, 2_000), 1);
}

#[test]
fn throttled_call_has_ec2s_status_code_and_sentence_and_no_effect() {
    let mut vpc = a_limited_world();
    let create = Request::CreateNetworkInterface(a_request());
    taken(&mut vpc, &create, 0);
    let before = vpc.enis().count();
    let refused = vpc.make(a_request()).unwrap_err();
    assert_eq!(
        (refused.status(), refused.code()),
        (503, "RequestLimitExceeded")
    );
    assert_eq!(refused.to_string(), "Request limit exceeded.");
    assert_eq!(vpc.enis().count(), before);
}

#[test]
fn one_action_may_have_another_rate() {
    let mut vpc = a_world();
    vpc.settings.action_rate_percent = [(Action::DetachNetworkInterface, 10)].into();
    let detach = Request::DetachNetworkInterface("eni-attach-none".into());
    let delete = Request::DeleteNetworkInterface("eni-none".into());
    assert_eq!(taken(&mut vpc, &detach, 0), 5);
    assert_eq!(taken(&mut vpc, &delete, 0), 200);
    vpc.settings.rate_percent = Some(50);
    assert_eq!(taken(&mut vpc, &detach, 60_000), 5);
    assert_eq!(taken(&mut vpc, &delete, 60_000), 50);
}

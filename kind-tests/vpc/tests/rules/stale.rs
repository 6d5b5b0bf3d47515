//! Reads that show the past.

use vpc::{Create, Delays, Ec2Error, Filter, Query, Request, Response, Vpc, world};

use crate::makers::{Does, a_launch, a_request, a_world};

fn a_stale_world() -> Vpc {
    let mut vpc = a_world();
    vpc.settings.stale_ms = 5_000;
    vpc
}

fn create(vpc: &mut Vpc, now_ms: u64) -> String {
    match vpc.call(Request::CreateNetworkInterface(a_request()), now_ms) {
        Ok(Response::Created(eni)) => eni.id.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Ids and states of the interfaces that a filtered read shows.
fn shown(vpc: &mut Vpc, now_ms: u64) -> Vec<(String, &'static str)> {
    vpc.advance(now_ms);
    let filters = vec![Filter {
        name: "tag:owner".to_owned(),
        values: vec!["test".to_owned()],
    }];
    let query = Query {
        filters,
        ..Query::default()
    };
    match vpc.call(Request::DescribeNetworkInterfaces(query), now_ms) {
        Ok(Response::Enis(enis, _)) => enis
            .iter()
            .map(|eni| {
                let state = eni.attachment().map(|a| a.state.status());
                (eni.id.to_string(), state.unwrap_or(eni.status()))
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_show_each_state_later_by_the_lag() {
    let mut vpc = a_stale_world();
    let instance = vpc.an_instance("m5.large");
    let eni = create(&mut vpc, 10_000);
    let seen = |state| vec![(eni.clone(), state)];
    assert_eq!(shown(&mut vpc, 14_999), []);
    assert_eq!(shown(&mut vpc, 15_000), seen("pending"));
    assert_eq!(shown(&mut vpc, 15_999), seen("pending"));
    assert_eq!(shown(&mut vpc, 16_000), seen("available"));
    let attach = vpc::Attach {
        eni: eni.as_str().into(),
        instance,
        card: 0,
        device: 1,
    };
    vpc.call(Request::AttachNetworkInterface(attach), 20_000)
        .unwrap();
    assert_eq!(shown(&mut vpc, 24_999), seen("available"));
    assert_eq!(shown(&mut vpc, 25_000), seen("attaching"));
    assert_eq!(shown(&mut vpc, 26_499), seen("attaching"));
    assert_eq!(shown(&mut vpc, 26_500), seen("attached"));
}

#[test]
fn stale_read_misses_by_id_and_still_shows_what_was_deleted() {
    let mut vpc = a_stale_world();
    let eni = create(&mut vpc, 10_000);
    let by_id = |vpc: &mut Vpc, now_ms| {
        let ids = vec![eni.clone()];
        let query = Query {
            ids,
            ..Query::default()
        };
        vpc.call(Request::DescribeNetworkInterfaces(query), now_ms)
            .map(drop)
    };
    let missing = Err(Ec2Error::EniNotFound(eni.as_str().into()));
    assert_eq!(by_id(&mut vpc, 12_000), missing);
    assert_eq!(by_id(&mut vpc, 15_000), Ok(()));
    let delete = Request::DeleteNetworkInterface(eni.as_str().into());
    vpc.call(delete.clone(), 20_000).unwrap();
    assert_eq!(by_id(&mut vpc, 24_999), Ok(()));
    assert_eq!(by_id(&mut vpc, 25_000), missing);
    assert!(vpc.call(delete, 20_000).is_err());
}

#[test]
fn instances_and_free_addresses_are_stale_too() {
    let mut vpc = a_stale_world();
    let launch = a_launch("m5.large", world::SUBNET_NODES);
    vpc.launch(launch, 10_000).unwrap();
    let free = |vpc: &mut Vpc, now_ms| {
        let query = Query {
            ids: vec![world::SUBNET_NODES.to_owned()],
            ..Query::default()
        };
        match vpc.call(Request::DescribeSubnets(query), now_ms) {
            Ok(Response::Subnets(subnets, _)) => subnets[0].free,
            other => panic!("{other:?}"),
        }
    };
    let instances = |vpc: &mut Vpc, now_ms| match vpc
        .call(Request::DescribeInstances(Query::default()), now_ms)
    {
        Ok(Response::Instances(instances, _)) => instances.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (free(&mut vpc, 14_999), instances(&mut vpc, 14_999)),
        (251, 0)
    );
    assert_eq!(
        (free(&mut vpc, 15_000), instances(&mut vpc, 15_000)),
        (250, 1)
    );
}

#[test]
fn repeated_token_is_answered_without_touching_the_past() {
    let mut vpc = a_stale_world();
    let request = Create {
        client_token: Some("t".to_owned()),
        ..a_request()
    };
    let create = Request::CreateNetworkInterface(request);
    vpc.call(create.clone(), 10_000).unwrap();
    vpc.call(create, 14_000).unwrap();
    assert_eq!(shown(&mut vpc, 15_000).len(), 1);
}

#[test]
fn lag_that_is_set_anew_does_not_reach_back_to_before() {
    let mut vpc = Vpc::new(Delays::default());
    let eni = create(&mut vpc, 10_000);
    vpc.settings.stale_ms = 5_000;
    assert_eq!(shown(&mut vpc, 10_500), [(eni.clone(), "pending")]);
    vpc.settings.stale_ms = 0;
    create(&mut vpc, 10_600);
    vpc.settings.stale_ms = 5_000;
    assert_eq!(shown(&mut vpc, 10_700).len(), 2);
}

#[test]
fn read_may_see_less_than_the_one_before() {
    let mut vpc = a_stale_world();
    vpc.settings.stale_every = Some(2);
    create(&mut vpc, 10_000);
    let seen = [0; 4].map(|_| shown(&mut vpc, 10_001).len());
    assert_eq!(seen, [1, 0, 1, 0]);
    assert_eq!([0; 2].map(|_| shown(&mut vpc, 15_000).len()), [1, 1]);
}

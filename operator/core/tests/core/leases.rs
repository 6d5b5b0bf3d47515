//! What people are told of leases that agents report.

use api::{
    Condition, ConditionStatus, IpFamily,
    claim::{Lease, LeaseState},
    condition::kind,
};
use operator_core::{MINUTE, Reason, claim::Leased, cluster::Key};

use super::world::World;

const TOLD: [Reason; 3] = [
    Reason::LeaseChanged,
    Reason::LeaseLost,
    Reason::LeaseUnavailable,
];

fn lease(dns: &str) -> Lease {
    Lease {
        family: IpFamily::IPv4,
        state: LeaseState::Leased,
        addresses: vec!["10.0.1.50".parse().unwrap()],
        prefix_length: Some(24),
        prefixes: Vec::new(),
        server: Some("10.0.1.1".into()),
        dns_servers: vec![dns.parse().unwrap()],
        domain_name: None,
        search_domains: Vec::new(),
        ntp_servers: Vec::new(),
        mtu: None,
        routes: Vec::new(),
    }
}

/// A pod that is ready, and its claim.
fn a_world() -> (World, Key) {
    let mut world = World::new();
    world.ready("web", "n1");
    let key = world.claim_of("web").unwrap().key.clone();
    (world, key)
}

/// The agent reports; how often each was told since the beginning.
fn report(world: &mut World, key: &Key, reason: &str, leases: Vec<Lease>) -> [usize; 3] {
    let holds = ConditionStatus::of(reason == "Leased");
    world.change_claim(key, |claim| {
        let condition = Condition {
            kind: kind::LEASED.into(),
            status: holds,
            reason: reason.into(),
            message: format!("this is {reason}").into(),
            last_transition_time: api::Time(0),
            observed_generation: None,
        };
        claim.leased = Some(Box::new(Leased {
            condition,
            leases: leases.into(),
        }));
    });
    world.run(MINUTE);
    TOLD.map(|reason| world.told(reason))
}

fn last(world: &World) -> String {
    world.log.events.last().unwrap().1.note.message.clone()
}

#[test]
fn lease_that_is_lost_or_says_something_else_is_told_once() {
    let (mut world, key) = a_world();
    let dns = |dns| vec![lease(dns)];
    assert_eq!(
        report(&mut world, &key, "Leased", dns("10.0.0.2")),
        [0, 0, 0]
    );
    assert_eq!(
        report(&mut world, &key, "Leased", dns("10.0.0.9")),
        [1, 0, 0]
    );
    let said = last(&world);
    assert!(
        said.contains("DNS servers 10.0.0.9 instead of 10.0.0.2"),
        "{said}"
    );
    assert_eq!(report(&mut world, &key, "Expired", Vec::new()), [1, 1, 0]);
    let said = last(&world);
    assert!(said.contains("this is Expired"), "{said}");
    assert_eq!(
        report(&mut world, &key, "Leased", dns("10.0.0.9")),
        [1, 1, 0]
    );
    world.clear();
}

#[test]
fn lease_that_never_was_is_told_once_for_each_reason_and_holds_nothing_up() {
    let (mut world, key) = a_world();
    assert_eq!(report(&mut world, &key, "NoAnswer", Vec::new()), [0, 0, 1]);
    assert_eq!(report(&mut world, &key, "NoAnswer", Vec::new()), [0, 0, 1]);
    assert_eq!(report(&mut world, &key, "Differs", Vec::new()), [0, 0, 2]);
    assert!(world.is_ready("web"));
    world.clear();
}

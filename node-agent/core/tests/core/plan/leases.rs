//! Which leases are kept, and what is reported of them.

use std::collections::{BTreeMap, BTreeSet};

use node_agent_core::{
    claim::{Address, Claim, Dhcp, DhcpMode, Place, Report},
    dhcp::{Contents, Leases, Loss, Standing, v4, v6},
    facts::{Facts, PlugState},
    plan::{Keep, LeasePlace, Order, Wanted, leases},
};

use crate::makers::{
    Knowing, a_claim, a_plug, an_agent, an_unreadable_claim, bound_to, key, mac, orders,
    plugged_place, report, saying,
};

/// With an address of each family, and a lease for each that is asked for.
fn a_claim_with(ipv4: DhcpMode, ipv6: DhcpMode) -> Claim {
    let mut claim = a_claim();
    claim.interface.dhcp = Dhcp { ipv4, ipv6 };
    claim.interface.addresses.push(Address {
        ip: "2001:db8::50".parse().unwrap(),
        prefix: 64,
        gateway: Some("fe80:ec2::1".parse().unwrap()),
    });
    claim.interface.prefixes = vec!["2001:db8:1::/80".parse().unwrap()];
    claim
}

fn plugged(claim: Claim) -> Facts {
    an_agent()
        .claim(claim)
        .plug("c1", a_plug(PlugState::Plugged))
}

fn wanted(facts: &Facts) -> Wanted {
    match leases(facts).remove(&mac()) {
        Some(Keep::These(wanted)) => *wanted,
        other => panic!("{other:?}"),
    }
}

fn leased(server: &str) -> Leases {
    let contents = Contents {
        server: server.into(),
        ..Contents::default()
    };
    Leases {
        ipv4: Some(Standing::Leased(Box::new(contents))),
        ipv6: None,
    }
}

fn saying_leases(leases: Leases) -> Claim {
    let mut claim = saying(a_claim(), plugged_place());
    claim.reported.as_mut().unwrap().leases = leases;
    claim
}

fn reporting(leases: Leases) -> Order {
    let report = Report {
        node_access: Vec::new(),
        leases,
        ..report(plugged_place())
    };
    Order::Report(key(), report)
}

#[test]
fn leases_are_kept_of_the_families_that_the_class_asks_for() {
    let both = wanted(&plugged(a_claim_with(
        DhcpMode::Maintain,
        DhcpMode::Maintain,
    )));
    let plug = a_plug(PlugState::Plugged);
    let place = LeasePlace {
        netns: plug.netns,
        interface: "eni0".into(),
        claim: Some(key()),
        pod: Some("shop/web-0".into()),
        eni: plug.eni,
    };
    let ipv4 = v4::Client {
        mac: mac(),
        host_name: Some("web-0".into()),
        mode: v4::Mode::Maintain("10.0.1.50".parse().unwrap()),
    };
    let resources = v6::Resources {
        addresses: BTreeSet::from(["2001:db8::50".parse().unwrap()]),
        prefixes: BTreeSet::from(["2001:db8:1::/80".parse().unwrap()]),
    };
    let ipv6 = v6::Client {
        mac: mac(),
        mode: v6::Mode::Maintain(resources),
    };
    assert_eq!(both.place, place);
    assert_eq!((both.ipv4, both.ipv6), (Some(ipv4), Some(ipv6)));
    let one = wanted(&plugged(a_claim_with(
        DhcpMode::Maintain,
        DhcpMode::Disabled,
    )));
    assert!(one.ipv4.is_some() && one.ipv6.is_none());
    let none = wanted(&plugged(a_claim_with(
        DhcpMode::Disabled,
        DhcpMode::Disabled,
    )));
    assert!(none.ipv4.is_none() && none.ipv6.is_none());
}

#[test]
fn no_lease_of_ipv6_is_asked_for_in_a_pod_without_it() {
    let mut plug = a_plug(PlugState::Plugged);
    plug.observed.without_ipv6 = true;
    let claim = a_claim_with(DhcpMode::Maintain, DhcpMode::Maintain);
    let facts = an_agent().claim(claim).plug("c1", plug);
    let wanted = wanted(&facts);
    assert!(wanted.ipv4.is_some() && wanted.ipv6.is_none());
}

#[test]
fn host_name_is_a_label() {
    for name in ["web.0", &"w".repeat(64)] {
        let mut claim = a_claim_with(DhcpMode::Maintain, DhcpMode::Disabled);
        claim.pod.as_mut().unwrap().name = name.to_owned();
        let client = wanted(&plugged(claim)).ipv4.unwrap();
        assert_eq!(client.host_name, None);
    }
}

#[test]
fn only_devices_in_pods_have_leases() {
    let claim = || a_claim_with(DhcpMode::Maintain, DhcpMode::Disabled);
    assert_eq!(
        leases(&an_agent().claim(claim()).device_on_host()),
        BTreeMap::new()
    );
    for state in [
        PlugState::Plugging,
        PlugState::Unplugging,
        PlugState::Restored,
    ] {
        let facts = an_agent().claim(claim()).plug("c1", a_plug(state));
        assert_eq!(leases(&facts), BTreeMap::new(), "{state:?}");
    }
}

#[test]
fn leases_are_kept_while_the_claim_is_not_known_or_cannot_be_read() {
    let before = BTreeMap::from([(mac(), Keep::AsBefore)]);
    let unknown = an_agent().plug("c1", a_plug(PlugState::Plugged));
    assert_eq!(leases(&unknown), before);
    let mut unreadable = unknown;
    unreadable.learn_unreadable(an_unreadable_claim(Some(bound_to("u-1"))));
    assert_eq!(leases(&unreadable), before);
}

#[test]
fn lease_is_reported_once_and_again_when_it_says_something_else() {
    let mut facts = plugged(saying(a_claim(), plugged_place()));
    assert_eq!(orders(&facts, 0), []);
    facts.lease_news.insert(mac(), leased("10.0.1.1"));
    assert_eq!(orders(&facts, 0), [reporting(leased("10.0.1.1"))]);
    let mut said = plugged(saying_leases(leased("10.0.1.1")));
    said.lease_news = facts.lease_news;
    assert_eq!(orders(&said, 0), []);
    let lost = Leases {
        ipv4: Some(Standing::Lost(Loss::Expired)),
        ipv6: None,
    };
    said.lease_news.insert(mac(), lost.clone());
    assert_eq!(orders(&said, 0), [reporting(lost)]);
}

#[test]
fn agent_that_has_just_started_takes_no_lease_back() {
    let facts = plugged(saying_leases(leased("10.0.1.1")));
    assert_eq!(orders(&facts, 0), []);
}

#[test]
fn device_that_left_its_pod_has_no_leases() {
    let mut facts = an_agent()
        .claim(saying_leases(leased("10.0.1.1")))
        .device_on_host();
    facts.lease_news.insert(mac(), leased("10.0.1.1"));
    let home = Order::Report(key(), report(Place::Home));
    assert_eq!(orders(&facts, 10_000), [home]);
}

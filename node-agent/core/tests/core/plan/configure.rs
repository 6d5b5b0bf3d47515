//! Interfaces that leases configure.

use node_agent_core::{
    claim::{Claim, Dhcp, DhcpMode, Interface, Mtu, Via},
    dhcp::{Contents, Leases, Loss, Standing, v4, v6},
    facts::{Facts, Liveness, PlugState, Verb},
    layout::{Limits, layout},
    picture::{Family, Picture, PodSlot, Route, Selector, Sysctl},
    plan::{Answer, Keep, NO_PROGRESS, Order, addresses, leases, plan},
};

use crate::makers::{
    ENA, FULL, Knowing, a_borrowed_plug, a_claim, a_plug, a_plug_key, a_pod, an_agent, mac, orders,
    plugs,
};

/// A claim without any address: its IPv4 comes from a lease.
fn a_configured_claim() -> Claim {
    let mut claim = a_claim();
    claim.interface.addresses.clear();
    claim.interface.dhcp = Dhcp {
        ipv4: DhcpMode::Configure,
        ipv6: DhcpMode::Disabled,
    };
    claim
}

fn contents(address: &str) -> Contents {
    let route = |to: &str, via: Option<&str>| {
        (
            to.parse().unwrap(),
            via.map(|router| router.parse().unwrap()),
        )
    };
    Contents {
        addresses: vec![address.parse().unwrap()],
        prefix_length: Some(24),
        server: "10.0.1.1".into(),
        mtu: Some(1400),
        routes: vec![
            route("0.0.0.0/0", Some("10.0.1.1")),
            route("10.8.0.0/16", Some("10.0.1.9")),
            route("172.31.1.1/32", None),
        ],
        ..Contents::default()
    }
}

fn leased(address: &str) -> Leases {
    Leases {
        ipv4: Some(Standing::Leased(Box::new(contents(address)))),
        ipv6: None,
    }
}

fn lost(loss: Loss) -> Leases {
    Leases {
        ipv4: Some(Standing::Lost(loss)),
        ipv6: None,
    }
}

/// As the shell does it: the device is in the pod as facts want it now.
fn set(facts: &mut Facts) {
    let key = a_plug_key("c1");
    let claim = a_configured_claim();
    let interface = facts.interface(&key, &facts.plugs[&key], &claim.interface);
    let plug = facts.plugs.get_mut(&key).unwrap();
    plug.observed.configured = Some(Box::new(interface));
    facts.devices.clear();
}

/// An ADD whose device is in its pod, and waits for its lease.
fn waiting() -> Facts {
    let mut facts = an_agent()
        .claim(a_configured_claim())
        .plug("c1", a_plug(PlugState::Plugging))
        .asked_to_add(1, "c1");
    facts.requests.get_mut(&1).unwrap().done.insert(mac());
    set(&mut facts);
    facts
}

/// A pod that runs with this lease.
fn running(leases: Leases) -> Facts {
    let mut facts = an_agent()
        .claim(a_configured_claim())
        .plug("c1", a_plug(PlugState::Plugged));
    facts.leases.insert(mac(), leases);
    set(&mut facts);
    facts
}

fn configures() -> Order {
    Order::Configure(a_plug_key("c1"))
}

fn ordered(facts: &Facts) -> Vec<Order> {
    let mut orders = orders(facts, 0);
    orders.retain(|order| !matches!(order, Order::Report(..)));
    orders
}

fn addresses_of(facts: &Facts) -> Vec<String> {
    let key = a_plug_key("c1");
    let plug = &facts.plugs[&key];
    let interface = facts.interface(&key, plug, &a_configured_claim().interface);
    let addresses = interface.addresses.iter();
    addresses.map(|address| address.ip.to_string()).collect()
}

#[test]
fn device_is_plugged_without_addresses_then_with_those_of_its_lease_and_then_answered() {
    let claim = a_configured_claim();
    let start = an_agent()
        .claim(claim)
        .device_on_host()
        .asked_to_add(1, "c1");
    assert_eq!(orders(&start, 0), [plugs(1, "c1")]);
    let mut facts = waiting();
    assert_eq!(addresses_of(&facts), [""; 0]);
    assert_eq!(ordered(&facts), []);
    let Keep::These(kept) = leases(&facts).remove(&mac()).unwrap() else {
        panic!("not known");
    };
    assert_eq!(kept.ipv4.map(|it| it.mode), Some(v4::Mode::Configure));
    facts.leases.insert(mac(), leased("10.0.1.77"));
    assert_eq!(ordered(&facts), [plugs(1, "c1")]);
    set(&mut facts);
    assert_eq!(addresses_of(&facts), ["10.0.1.77"]);
    let added = Order::Answer(1, Answer::Added(vec![mac()]));
    assert_eq!(ordered(&facts), [added]);
}

#[test]
fn pod_that_waits_for_a_lease_in_vain_is_told_why() {
    let facts = waiting();
    let nothing = Leases::default();
    let silent = Leases {
        ipv4: Some(Standing::NoAnswer),
        ipv6: None,
    };
    for (leases, why) in [
        (nothing, "no DHCPv4 server has leased it an address yet"),
        (silent, "no DHCPv4 server has leased it an address yet"),
        (lost(Loss::Refused), "a DHCPv4 server refused it a lease"),
        (
            lost(Loss::Conflict),
            "another host uses the address that a DHCPv4 server leased to it",
        ),
    ] {
        let mut facts = facts.clone();
        facts.leases.insert(mac(), leases);
        assert_eq!(plan(&facts, 0).wake_at, Some(NO_PROGRESS));
        let answers = orders(&facts, NO_PROGRESS);
        let Some(Order::Answer(1, Answer::Later(said))) = answers.first() else {
            panic!("{answers:?}");
        };
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn running_pod_follows_its_lease() {
    let mut facts = running(leased("10.0.1.77"));
    assert_eq!(ordered(&facts), []);
    for (leases, has) in [
        (leased("10.0.1.78"), vec!["10.0.1.78"]),
        (lost(Loss::Expired), vec![]),
        (leased("10.0.1.79"), vec!["10.0.1.79"]),
    ] {
        facts.leases.insert(mac(), leases);
        assert_eq!(ordered(&facts), [configures()]);
        let mut busy = facts.clone();
        busy.busy.insert(mac());
        assert_eq!(ordered(&busy), []);
        set(&mut facts);
        assert_eq!(addresses_of(&facts), has);
        assert_eq!(ordered(&facts), []);
    }
}

#[test]
fn what_concerns_no_interface_changes_none() {
    let mut facts = running(leased("10.0.1.77"));
    let mut other = contents("10.0.1.77");
    other.dns = vec!["10.0.0.2".parse().unwrap()];
    other.server = "10.0.1.2".into();
    facts.leases.insert(
        mac(),
        Leases {
            ipv4: Some(Standing::Leased(Box::new(other))),
            ipv6: None,
        },
    );
    assert_eq!(ordered(&facts), []);
}

#[test]
fn agent_that_has_just_started_changes_nothing_before_it_knows_and_then_sets_it_once() {
    let mut facts = running(leased("10.0.1.77"));
    facts.leases.clear();
    assert_eq!(ordered(&facts), []);
    assert_eq!(addresses_of(&facts), ["10.0.1.77"]);
    let key = a_plug_key("c1");
    facts.plugs.get_mut(&key).unwrap().observed.configured = None;
    assert_eq!(ordered(&facts), []);
    facts.leases.insert(mac(), Leases::default());
    assert_eq!(ordered(&facts), []);
    facts.leases.insert(mac(), leased("10.0.1.77"));
    assert_eq!(ordered(&facts), [configures()]);
}

#[test]
fn interface_that_cannot_be_set_is_tried_again_later() {
    let mut facts = running(leased("10.0.1.77"));
    facts.leases.insert(mac(), lost(Loss::Expired));
    let plug = facts.plugs.get_mut(&a_plug_key("c1")).unwrap();
    plug.observed.reconfigure = plug.observed.reconfigure.failed(0);
    assert_eq!(ordered(&facts), []);
    assert_eq!(plan(&facts, 0).wake_at, Some(1_000));
    assert!(orders(&facts, 1_000).contains(&configures()));
}

#[test]
fn pod_that_ends_is_left_alone() {
    let mut facts = running(leased("10.0.1.77"));
    facts.leases.insert(mac(), lost(Loss::Expired));
    let plug = facts.plugs.get_mut(&a_plug_key("c1")).unwrap();
    plug.observed.liveness = Liveness::Dead;
    assert_eq!(ordered(&facts), []);
}

#[test]
fn check_waits_until_it_is_known_what_is_to_be_there() {
    let check = || Verb::Check(a_pod().into());
    let mut facts = running(leased("10.0.1.77")).asked(1, "c1", check());
    let checks = |orders: &[Order]| {
        orders
            .iter()
            .any(|order| matches!(order, Order::Check { .. }))
    };
    assert!(checks(&ordered(&facts)));
    facts.leases.clear();
    let plug = facts.plugs.get_mut(&a_plug_key("c1")).unwrap();
    plug.observed.configured = None;
    let orders = ordered(&facts);
    let later = |order: &Order| matches!(order, Order::Answer(1, Answer::Later(_)));
    assert!(orders.iter().any(later), "{orders:?}");
}

#[test]
fn other_plugins_get_no_addresses_of_an_interface_that_leases_configure() {
    let facts = an_agent().claim(a_configured_claim());
    let why = addresses(&facts, &a_pod(), "eth0").unwrap_err();
    assert!(why.contains("come from DHCP"), "{why}");
}

#[test]
fn borrowed_device_follows_its_lease_too() {
    let mut facts = an_agent()
        .claim(a_configured_claim())
        .plug("c1", a_borrowed_plug(PlugState::Plugged));
    facts.leases.insert(mac(), leased("10.0.1.77"));
    assert_eq!(ordered(&facts), [configures()]);
    set(&mut facts);
    assert_eq!(ordered(&facts), []);
}

/// What the lease makes of an interface.
fn configured(interface: &Interface, leases: &Leases) -> (Interface, Picture) {
    let interface = interface.configured(leases).unwrap();
    let picture = layout(&interface, PodSlot(0), FULL, ENA);
    (interface, picture)
}

#[test]
fn lease_brings_addresses_routes_and_mtu() {
    let claimed = a_configured_claim().interface;
    let (interface, picture) = configured(&claimed, &leased("10.0.1.77"));
    let address = interface.addresses[0];
    assert_eq!(
        (address.prefix, address.gateway),
        (24, Some("10.0.1.1".parse().unwrap()))
    );
    let ways: Vec<_> = (interface.destinations.iter())
        .map(|it| (it.to.to_string(), it.via))
        .collect();
    let router = Via::Router("10.0.1.9".parse().unwrap());
    let expected = [("10.8.0.0/16", router), ("172.31.1.1/32", Via::Link)];
    assert_eq!(ways, expected.map(|(to, via)| (to.to_owned(), via)));
    assert_eq!(picture.link.unwrap().mtu, 1400);
    assert_eq!(picture.sysctls[&Sysctl::RP_FILTER], "2");
    let mut said = claimed.clone();
    said.mtu = Mtu::Bytes(9001);
    let (_, picture) = configured(&said, &leased("10.0.1.77"));
    assert_eq!(picture.link.unwrap().mtu, 9001);
    let small = Limits {
        most_mtu: 1300,
        ..ENA
    };
    assert_eq!(small.mtu(&interface), 1300);
}

#[test]
fn interface_without_its_lease_has_nothing_of_the_family_and_hears_servers() {
    let mut claimed = a_configured_claim().interface;
    // EC2's addresses are no substitute.
    claimed.addresses = a_claim().interface.addresses;
    let (interface, picture) = configured(&claimed, &lost(Loss::Expired));
    assert_eq!(interface.addresses, []);
    assert_eq!(picture.addresses.len(), 0);
    let of_ipv4 = |selector: &Selector| matches!(selector, Selector::Out(_) | Selector::From(_));
    assert!(!picture.rules.iter().any(|rule| of_ipv4(&rule.selector)));
    assert_eq!(picture.routes.len(), 0);
    assert_eq!(picture.sysctls[&Sysctl::RP_FILTER], "0");
}

#[test]
fn lease_without_a_router_leads_nowhere_but_to_its_subnet() {
    let mut of_subnet = contents("10.0.1.77");
    of_subnet.routes.clear();
    let leases = Leases {
        ipv4: Some(Standing::Leased(Box::new(of_subnet))),
        ipv6: None,
    };
    let (_, picture) = configured(&a_configured_claim().interface, &leases);
    let mut everywhere = picture.routes.iter();
    assert!(!everywhere.any(|route| route.to.prefix_len() == 0 && route.needs_link()));
    assert!(picture.routes.iter().any(Route::needs_link));
}

#[test]
fn both_families_are_waited_for_and_each_is_left_alone_while_it_is_not_known() {
    let mut claim = a_configured_claim();
    claim.interface.dhcp.ipv6 = DhcpMode::Configure;
    claim.interface.prefixes = vec!["2001:db8:1::/80".parse().unwrap()];
    let interface = &claim.interface;
    let one = leased("10.0.1.77");
    assert_eq!(interface.configured(&one), None);
    let why = interface.lacks_lease(Some(&one)).unwrap();
    assert!(why.contains("DHCPv6"), "{why}");
    let both = Leases {
        ipv6: Some(Standing::Leased(Box::new(Contents {
            addresses: vec!["2001:db8::77".parse().unwrap()],
            prefixes: vec!["2001:db8:7::/80".parse().unwrap()],
            ..Contents::default()
        }))),
        ..one
    };
    assert_eq!(interface.lacks_lease(Some(&both)), None);
    let (interface, picture) = configured(interface, &both);
    assert_eq!(interface.prefixes, ["2001:db8:7::/80".parse().unwrap()]);
    assert_eq!(picture.addresses.len(), 2);
    let default = (picture.routes.iter())
        .find(|it| it.to == Family::V6.everything() && it.needs_link())
        .unwrap();
    assert!(default.to_string().contains("fe80:ec2::1"), "{default}");
    let facts = an_agent()
        .claim(claim)
        .plug("c1", a_plug(PlugState::Plugged));
    let Keep::These(kept) = leases(&facts).remove(&mac()).unwrap() else {
        panic!("not known");
    };
    let mode = kept.ipv6.map(|it| it.mode);
    assert_eq!(mode, Some(v6::Mode::Configure { prefixes: true }));
}

#[test]
fn interface_follows_a_lease_that_flaps_while_no_more_of_it_is_reported() {
    let mut facts = running(leased("10.0.1.77"));
    facts.lease_news.insert(mac(), leased("10.0.1.77"));
    facts.leases.insert(mac(), lost(Loss::Expired));
    let orders = orders(&facts, 0);
    assert!(orders.contains(&configures()));
    let reported = orders.iter().find_map(|order| match order {
        Order::Report(_, report) => Some(&report.leases),
        _ => None,
    });
    assert_ne!(reported, Some(&lost(Loss::Expired)));
}

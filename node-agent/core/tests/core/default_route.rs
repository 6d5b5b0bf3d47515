//! Where a packet goes under each mode: the rules asked in their order, as the kernel asks them.

use std::net::IpAddr;

use ipnet::IpNet;
use node_agent_core::{
    claim::{DefaultRoute, Destination, Interface, Via},
    layout::{MAIN, Surroundings, layout},
    picture::{Action, Family, Picture, PodSlot, Route, Selector, Sysctl, Way},
};

use crate::makers::{ENA, FULL, an_interface, chained, wanted};

/// What the pod's first interface has in table main.
const FIRST: [&str; 2] = ["0.0.0.0/0", "10.244.1.0/24"];

fn of(default_route: DefaultRoute) -> Interface {
    Interface {
        default_route,
        cluster: ["10.96.0.0/12".parse().unwrap()].into(),
        ..an_interface()
    }
}

fn picture(interface: &Interface, surroundings: &Surroundings) -> Picture {
    wanted(interface, PodSlot(0), FULL, surroundings)
}

/// By which interface a packet leaves: unbound, from an address, or bound to an interface.
fn leaves(picture: &Picture, main: &[&str], from: &str, to: &str) -> String {
    let ip: IpAddr = to.parse().unwrap();
    let main: Vec<IpNet> = main.iter().map(|net| net.parse().unwrap()).collect();
    let mut rules = picture.rules.clone();
    for (priority, family) in [(32_766, Family::V4), (32_766, Family::V6)] {
        rules.insert(node_agent_core::picture::Rule {
            priority,
            family,
            selector: Selector::Everything,
            action: Action::Main { ignoring: None },
        });
    }
    for rule in rules.iter().filter(|rule| rule.family == Family::of(ip)) {
        let matches = match &rule.selector {
            Selector::Everything | Selector::LocallyGenerated => true,
            Selector::To(net) => net.contains(&ip),
            Selector::From(net) => from.parse().is_ok_and(|from: IpAddr| net.contains(&from)),
            Selector::Out(name) => name == from,
        };
        if !matches {
            continue;
        }
        match rule.action {
            Action::Blackhole => return "refused".into(),
            Action::Table(table) => {
                let best = best(picture.routes.iter().filter(|r| r.table == table), ip);
                match best.map(|route| route.way) {
                    Some(Way::Unreachable) => return "unreachable".into(),
                    Some(_) => return "eni0".into(),
                    None => {}
                }
            }
            Action::Main { ignoring } => {
                let own = picture.routes.iter().filter(|r| r.table == MAIN);
                if best(own, ip).is_some() {
                    return "eni0".into();
                }
                let found = main
                    .iter()
                    .filter(|net| net.contains(&ip))
                    .map(IpNet::prefix_len)
                    .max();
                if found.is_some_and(|length| ignoring.is_none_or(|ignored| length > ignored)) {
                    return "eth0".into();
                }
            }
        }
    }
    "nowhere".into()
}

fn best<'a>(routes: impl Iterator<Item = &'a Route>, ip: IpAddr) -> Option<&'a Route> {
    routes
        .filter(|route| route.to.contains(&ip))
        .max_by_key(|route| (route.to.prefix_len(), u32::MAX - route.metric))
}

#[test]
fn never_has_nothing_but_the_own_table_and_its_rules() {
    let never = of(DefaultRoute::Never);
    assert_eq!(
        picture(&never, &chained()),
        layout(&never, PodSlot(0), FULL, ENA)
    );
}

#[test]
fn who_sends_what_under_each_mode() {
    let far = "203.0.113.9";
    for (mode, from, to, way) in [
        (DefaultRoute::Never, "", far, "eth0"),
        (DefaultRoute::Never, "10.0.1.50", far, "eni0"),
        (DefaultRoute::Fallback, "", far, "eth0"),
        (DefaultRoute::Primary, "", far, "eni0"),
        // A neighbour in the subnet of ENI and node, and the node itself.
        (DefaultRoute::Primary, "", "10.0.1.7", "eni0"),
        (DefaultRoute::Primary, "", "10.0.1.5", "eth0"),
        // Answers leave the way the question came.
        (DefaultRoute::Primary, "10.244.1.2", far, "eth0"),
        (DefaultRoute::Primary, "eth0", far, "eth0"),
        (DefaultRoute::Primary, "10.0.1.50", "10.0.1.5", "eni0"),
        (DefaultRoute::Primary, "eni0", "10.96.0.10", "eni0"),
        // Services, DNS, credentials, pods of the node.
        (DefaultRoute::Primary, "", "10.96.0.10", "eth0"),
        (DefaultRoute::Primary, "", "169.254.20.10", "eth0"),
        (DefaultRoute::Primary, "", "169.254.170.23", "eth0"),
        (DefaultRoute::Primary, "", "10.244.1.9", "eth0"),
        (DefaultRoute::Primary, "", "169.254.169.254", "refused"),
    ] {
        let picture = picture(&of(mode), &chained());
        assert_eq!(
            leaves(&picture, &FIRST, from, to),
            way,
            "{mode:?}, from {from:?} to {to}"
        );
    }
}

#[test]
fn fallback_takes_over_where_the_first_interface_has_no_route() {
    let picture = picture(&of(DefaultRoute::Fallback), &chained());
    let only_pods = &FIRST[1..];
    assert_eq!(leaves(&picture, only_pods, "", "203.0.113.9"), "eni0");
    assert_eq!(leaves(&picture, only_pods, "", "10.244.1.9"), "eth0");
}

/// A link that goes down takes its routes along, and what was to leave by it leaves by nothing else.
#[test]
fn primary_link_that_is_down_lets_nothing_out_another_way() {
    let mut picture = picture(&of(DefaultRoute::Primary), &chained());
    picture.routes.retain(|route| !route.needs_link());
    assert_eq!(leaves(&picture, &FIRST, "", "203.0.113.9"), "unreachable");
    assert_eq!(leaves(&picture, &FIRST, "", "10.96.0.10"), "eth0");
}

#[test]
fn without_an_earlier_interface_the_default_route_is_in_table_main() {
    for mode in [DefaultRoute::Fallback, DefaultRoute::Primary] {
        let picture = picture(&of(mode), &Surroundings::default());
        let main: Vec<_> = (picture.routes.iter())
            .filter(|route| route.table == MAIN)
            .map(|route| route.to.to_string())
            .collect();
        assert_eq!(main, ["0.0.0.0/0", "10.0.1.0/24"]);
        assert_eq!(leaves(&picture, &[], "", "203.0.113.9"), "eni0");
        let never = layout(&of(DefaultRoute::Never), PodSlot(0), FULL, ENA);
        assert_eq!(picture.rules, never.rules);
    }
}

#[test]
fn destinations_of_the_class_leave_by_the_interface_unless_main_has_a_longer_prefix() {
    let interface = Interface {
        destinations: vec![Destination {
            to: "10.0.0.0/8".parse().unwrap(),
            via: Via::Router("10.0.1.9".parse().unwrap()),
        }],
        ..of(DefaultRoute::Never)
    };
    let picture = picture(&interface, &chained());
    for (from, to, way) in [
        ("", "10.9.9.9", "eni0"),
        ("", "203.0.113.9", "eth0"),
        ("", "10.244.1.9", "eth0"),
        ("", "10.96.0.10", "eth0"),
        ("", "10.0.1.5", "eth0"),
        ("10.244.1.2", "10.9.9.9", "eth0"),
    ] {
        assert_eq!(
            leaves(&picture, &FIRST, from, to),
            way,
            "from {from:?} to {to}"
        );
    }
    let way = (picture.routes.iter()).find(|route| route.to == "10.0.0.0/8".parse().unwrap());
    assert_eq!(
        way.unwrap().to_string(),
        "route 10.0.0.0/8 via 10.0.1.9 from 10.0.1.50 in table 23600"
    );
}

#[test]
fn family_of_which_the_interface_has_no_address_is_left_alone() {
    let picture = picture(&of(DefaultRoute::Primary), &chained());
    let never = layout(&of(DefaultRoute::Never), PodSlot(0), FULL, ENA);
    let of_v6 = |picture: &Picture| -> Vec<_> {
        let rules = picture
            .rules
            .iter()
            .filter(|rule| rule.family == Family::V6);
        rules.cloned().collect()
    };
    assert_eq!(of_v6(&picture), of_v6(&never));
}

#[test]
fn every_slot_has_rules_of_its_own_and_the_first_primary_wins() {
    let interface = of(DefaultRoute::Primary);
    let pictures = [0, u8::MAX].map(|k| wanted(&interface, PodSlot(k), FULL, &chained()));
    for (picture, other) in [(&pictures[0], PodSlot(u8::MAX)), (&pictures[1], PodSlot(0))] {
        let own = picture.rules.iter().filter(|rule| !rule.is_shared());
        assert!(own.clone().count() > 5);
        assert!(own.clone().all(|rule| !rule.is_of(other)));
    }
    let last = |picture: &Picture| picture.rules.iter().map(|rule| rule.priority).max();
    assert!(last(&pictures[0]) < last(&pictures[1]));
    assert!(last(&pictures[1]) < Some(32_766), "before table main");
}

#[test]
fn class_settings_go_before_those_that_every_interface_gets() {
    let mut interface = an_interface();
    interface.sysctls = [(Sysctl::RP_FILTER, "1".to_owned())].into();
    let sysctls = layout(&interface, PodSlot(0), FULL, ENA).sysctls;
    assert_eq!(sysctls[&Sysctl::RP_FILTER], "1");
    assert_eq!(Sysctl::RP_FILTER.path("eni0"), "ipv4/conf/eni0/rp_filter");
}

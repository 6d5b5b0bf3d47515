//! Applying the difference gives what is wanted, once and for all, and no step on the way opens a hole.

use std::net::{IpAddr, Ipv4Addr};

use node_agent_core::{
    claim::{Address, Interface, Metadata},
    diff::{Step, diff},
    layout::{Features, METADATA_PRIORITY, layout},
    picture::{Action, Link, Network, Picture, Selector, Way},
};
use proptest::{prelude::*, sample::subsequence};

use crate::{kernel::apply, makers::an_interface};

const FULL: Features = Features {
    egress_hook: true,
    ipv6: true,
};

prop_compose! {
    fn an_address()(last in 2_u8..20, wide in any::<bool>(), v6 in any::<bool>()) -> Address {
        if v6 {
            let ip = format!("2001:db8::{last:x}").parse().unwrap();
            return Address { ip, prefix: 64, gateway: "fe80:ec2::1".parse().unwrap() };
        }
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 1, last));
        Address { ip, prefix: if wide { 16 } else { 24 }, gateway: "10.0.1.1".parse().unwrap() }
    }
}

prop_compose! {
    fn interface()(
        name in prop::sample::select(vec!["eni0", "eth1", "net1"]),
        blocked in any::<bool>(),
        addresses in prop::collection::vec(an_address(), 0..4),
    ) -> Interface {
        // One router a subnet, as in a VPC: two prefixes over one router would be two default routes.
        let metadata = if blocked { Metadata::Blocked } else { Metadata::Allowed };
        Interface { name: name.into(), mtu: None, metadata, addresses }
    }
}

fn features() -> impl Strategy<Value = Features> {
    (any::<bool>(), any::<bool>()).prop_map(|(egress_hook, ipv6)| Features { egress_hook, ipv6 })
}

/// A namespace as it may be found: some parts of another layout, at some stage, damaged by the pod.
fn a_namespace() -> impl Strategy<Value = Picture> {
    (interface(), features(), any::<bool>(), any::<bool>()).prop_flat_map(
        |(interface, features, here, up)| {
            let whole = layout(&interface, features);
            let (rules, routes) = (
                Vec::from_iter(whole.rules.clone()),
                Vec::from_iter(whole.routes.clone()),
            );
            (
                subsequence(rules.clone(), 0..=rules.len()),
                subsequence(routes.clone(), 0..=routes.len()),
                any::<bool>(),
            )
                .prop_map(move |(rules, routes, drop)| {
                    let mut picture = whole.clone();
                    picture.rules = rules.into_iter().collect();
                    picture.egress_drop = drop;
                    picture.routes = routes
                        .into_iter()
                        .filter(|r| !r.needs_link() || (here && up))
                        .collect();
                    picture.link = picture
                        .link
                        .filter(|_| here)
                        .map(|link| Link { up, ..link });
                    if !here {
                        picture.addresses.clear();
                        picture.sysctls.clear();
                    }
                    picture
                })
        },
    )
}

fn a_wish() -> impl Strategy<Value = Picture> {
    prop_oneof![
        4 => (interface(), features()).prop_map(|(interface, features)| layout(&interface, features)),
        1 => Just(Picture::default()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn applying_the_difference_gives_the_wanted_picture_and_then_nothing(seen in a_namespace(), wanted in a_wish()) {
        let mut picture = seen.clone();
        for step in diff(&seen, &wanted) {
            apply(&mut picture, &step);
        }
        // Settings that nobody asked for are as the kernel has them.
        picture.sysctls.retain(|sysctl, _| wanted.sysctls.contains_key(sysctl));
        prop_assert_eq!(&picture, &wanted);
        prop_assert_eq!(diff(&picture, &wanted), vec![]);
    }

    #[test]
    fn no_step_lets_traffic_out_another_way(interface in interface(), features in features()) {
        let wanted = layout(&interface, features);
        for (from, to) in [(Picture::default(), wanted.clone()), (wanted.clone(), Picture::default())] {
            let mut picture = from.clone();
            for step in diff(&from, &to) {
                apply(&mut picture, &step);
                closed(&picture, &interface, features, &step);
            }
        }
    }

    #[test]
    fn at_most_one_move(seen in a_namespace(), wanted in a_wish()) {
        let moves = diff(&seen, &wanted).iter().filter(|s| matches!(s, Step::MoveIn { .. } | Step::MoveOut)).count();
        prop_assert!(moves <= 1);
    }
}

/// What must hold between any two steps of a plug and of a way home.
fn closed(picture: &Picture, interface: &Interface, features: Features, after: &Step) {
    for address in &picture.addresses {
        let table = picture
            .rules
            .iter()
            .find_map(|rule| match (&rule.selector, rule.action) {
                (Selector::From(source), Action::Table(table)) if source == address => Some(table),
                _ => None,
            });
        let table = table.unwrap_or_else(|| panic!("{address} has no rule after {after:?}"));
        let everything = Network::everything(address.family());
        let ends = picture
            .routes
            .iter()
            .any(|r| r.table == table && r.to == everything && r.way == Way::Unreachable);
        assert!(ends, "the table of {address} is open after {after:?}");
    }
    if picture.link.as_ref().is_some_and(|l| l.up) && interface.metadata == Metadata::Blocked {
        assert!(
            picture
                .rules
                .iter()
                .any(|r| r.priority == METADATA_PRIORITY),
            "metadata is routed after {after:?}"
        );
        assert!(
            picture.egress_drop || !features.egress_hook,
            "metadata is not dropped after {after:?}"
        );
    }
}

#[test]
fn plug_into_an_empty_namespace_is_these_steps() {
    let wanted = layout(&an_interface(), FULL);
    let steps = diff(&Picture::default(), &wanted);
    let words: Vec<_> = steps
        .iter()
        .map(|step| match step {
            Step::AddRule(rule) if rule.action == Action::Blackhole => "refuse metadata",
            Step::AddRule(_) => "rule",
            Step::AddRoute(route) if route.way == Way::Unreachable => "end of table",
            Step::AddRoute(_) => "route",
            Step::MoveIn { .. } => "move",
            Step::Set(..) => "sysctl",
            Step::DropEgress => "drop egress",
            Step::AddAddress(_) => "address",
            Step::Up => "up",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        words,
        [
            "end of table",
            "refuse metadata",
            "refuse metadata",
            "rule",
            "rule",
            "move",
            "sysctl",
            "sysctl",
            "sysctl",
            "drop egress",
            "address",
            "up",
            "route",
            "route"
        ]
    );
}

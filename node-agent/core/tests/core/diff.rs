//! Applying the difference gives what is wanted, once and for all, and no step on the way opens a hole.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use node_agent_core::{
    claim::{Address, DefaultRoute, Destination, Dhcp, Interface, Metadata, Mtu, Via},
    diff::{Step, clear, clear_shared, diff},
    difference::differences,
    layout::{Features, MAIN, METADATA_PRIORITY, Surroundings, layout},
    picture::{Action, Family, Link, Picture, PodSlot, Route, Rule, Selector, Sysctl, Way},
};
use proptest::{prelude::*, sample::subsequence};

use crate::{
    kernel::apply,
    makers::{ENA, FULL, an_interface, chained, wanted},
};

const FIRST: PodSlot = PodSlot(0);

prop_compose! {
    fn an_address()(last in 2_u8..20, wide in any::<bool>(), v6 in any::<bool>()) -> Address {
        if v6 {
            let ip = format!("2001:db8::{last:x}").parse().unwrap();
            return Address { ip, prefix: 64, gateway: Some("fe80:ec2::1".parse().unwrap()) };
        }
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 1, last));
        Address { ip, prefix: if wide { 16 } else { 24 }, gateway: Some("10.0.1.1".parse().unwrap()) }
    }
}

const PREFIXES: [&str; 3] = ["10.0.1.16/28", "10.0.1.32/28", "2001:db8:0:1::/80"];

prop_compose! {
    fn interface()(
        name in prop::sample::select(vec!["eni0", "eth1", "net1"]),
        blocked in any::<bool>(),
        mtu in prop::sample::select(vec![Mtu::Usual, Mtu::Bytes(1200), Mtu::Bytes(1500)]),
        addresses in prop::collection::vec(an_address(), 0..4),
        prefixes in prop::collection::vec(prop::sample::select(PREFIXES.to_vec()), 0..3),
        default_route in prop::sample::select(vec![DefaultRoute::Never, DefaultRoute::Fallback, DefaultRoute::Primary]),
        destinations in subsequence(destinations(), 0..=4),
        sysctl in prop::option::of(prop::sample::select(vec![Sysctl::RP_FILTER, Sysctl::ACCEPT_RA])),
    ) -> Interface {
        // One router a subnet, as in a VPC: two prefixes over one router would be two default routes.
        let metadata = if blocked { Metadata::Blocked } else { Metadata::Allowed };
        let prefixes = prefixes.into_iter().map(|prefix| prefix.parse().unwrap()).collect();
        let cluster = ["10.96.0.0/12", "fd00:10:96::/112"].map(|network| network.parse().unwrap()).into();
        let sysctls = sysctl.map(|sysctl| (sysctl, "1".to_owned())).into_iter().collect();
        Interface { name: name.into(), up: true, mtu, leased_mtu: None, node_access: None, metadata, addresses, prefixes, default_route, destinations, cluster, sysctls, dhcp: Dhcp::OFF }
    }
}

/// One is the subnet itself, one in it.
fn destinations() -> Vec<Destination> {
    [
        ("10.8.0.0/16", None),
        ("10.0.1.0/24", Some("10.0.1.9")),
        ("10.0.1.128/25", None),
        ("2001:db8:9::/48", None),
    ]
    .map(|(to, via): (&str, Option<&str>)| Destination {
        to: to.parse().unwrap(),
        via: via.map_or(Via::Subnet, |ip| Via::Router(ip.parse().unwrap())),
    })
    .into()
}

fn surroundings() -> impl Strategy<Value = Surroundings> {
    prop::sample::select(vec![chained(), Surroundings::default()])
}

fn features() -> impl Strategy<Value = Features> {
    (any::<bool>(), any::<bool>()).prop_map(|(egress_hook, ipv6)| Features { egress_hook, ipv6 })
}

/// A namespace as it may be found: some parts of another layout, at some stage, damaged by the pod.
fn a_namespace() -> impl Strategy<Value = Picture> {
    (
        interface(),
        features(),
        surroundings(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_flat_map(|(interface, features, surroundings, here, up)| {
            let whole = wanted(&interface, FIRST, features, &surroundings);
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
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn applying_the_difference_gives_the_wanted_picture_and_then_nothing(
        seen in a_namespace(), interface in interface(), features in features(), surroundings in surroundings(),
    ) {
        let wanted = wanted(&interface, FIRST, features, &surroundings);
        let mut picture = seen.clone();
        for step in diff(&seen, &wanted) {
            apply(&mut picture, &step);
        }
        // Settings that nobody asked for are as the kernel has them, and shared rules stay.
        picture.sysctls.retain(|sysctl, _| wanted.sysctls.contains_key(sysctl));
        picture.rules.retain(|rule| !rule.is_shared() || wanted.rules.contains(rule));
        prop_assert_eq!(&picture, &wanted);
        prop_assert_eq!(diff(&picture, &wanted), vec![]);
        prop_assert_eq!(differences(&picture, &wanted), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_said_to_differ_exactly_if_no_step_is_left(
        other in a_namespace(), interface in interface(), features in features(), takes in any::<[bool; 6]>(),
    ) {
        let wanted = wanted(&interface, FIRST, features, &chained());
        let (mut seen, [link, addresses, sysctls, rules, routes, egress_drop]) = (wanted.clone(), takes);
        if link { seen.link = other.link; }
        if addresses { seen.addresses = other.addresses; }
        if sysctls { seen.sysctls = other.sysctls; }
        if rules { seen.rules = other.rules; }
        if routes { seen.routes = other.routes; }
        if egress_drop { seen.egress_drop = other.egress_drop; }
        prop_assert_eq!(differences(&seen, &wanted).is_empty(), diff(&seen, &wanted).is_empty());
    }

    #[test]
    fn no_step_lets_traffic_out_another_way(
        interface in interface(), features in features(), surroundings in surroundings(),
    ) {
        let wanted = wanted(&interface, FIRST, features, &surroundings);
        let mut picture = Picture::default();
        for step in diff(&Picture::default(), &wanted) {
            apply(&mut picture, &step);
            closed(&picture, &interface, features, &step);
        }
    }

    #[test]
    fn attempt_that_ended_after_any_step_leaves_nothing(
        interface in interface(), features in features(), surroundings in surroundings(),
    ) {
        let wanted = wanted(&interface, FIRST, features, &surroundings);
        let steps = diff(&Picture::default(), &wanted);
        for done in 0..=steps.len() {
            let mut picture = Picture::default();
            steps[..done].iter().for_each(|step| apply(&mut picture, step));
            // The device leaves before anything is cleared, and takes along what needs it.
            picture.link = None;
            picture.addresses.clear();
            picture.sysctls.clear();
            picture.routes.retain(|route| !route.needs_link());
            let left = picture.clone();
            for step in clear(&left).iter().chain(&clear_shared(&left)) {
                apply(&mut picture, step);
            }
            prop_assert_eq!(picture, Picture::default());
        }
    }

    #[test]
    fn at_most_one_move(seen in a_namespace(), interface in interface(), features in features()) {
        let steps = diff(&seen, &wanted(&interface, FIRST, features, &chained()));
        let moves = steps.iter().filter(|s| matches!(s, Step::MoveIn { .. })).count();
        prop_assert!(moves <= 1);
    }

    /// Cases: C07.
    #[test]
    fn enis_of_one_pod_come_and_go_without_touching_each_other(
        interfaces in prop::collection::vec(interface(), 3),
        turns in prop::collection::vec(0_u8..3, 1..12), surroundings in surroundings(),
    ) {
        let wanted: Vec<_> = (0..).map(PodSlot).zip(&interfaces).map(|(slot, i)| wanted(i, slot, FULL, &surroundings)).collect();
        let mut pod = Pod::default();
        for k in turns.into_iter().chain(0..3).chain(0..3) {
            let (slot, layout) = (PodSlot(k), &wanted[usize::from(k)]);
            if pod.links.contains_key(&slot) {
                pod.unplug(slot);
            } else {
                pod.plug(slot, layout);
            }
            for slot in pod.links.keys() {
                prop_assert_eq!(diff(&pod.picture(*slot), &wanted[usize::from(slot.0)]), vec![]);
            }
            if pod.links.is_empty() {
                prop_assert_eq!(&pod, &Pod::default());
            }
        }
    }
}

/// A namespace with several ENIs: each sees its own part.
#[derive(Debug, Default, PartialEq)]
struct Pod {
    links: BTreeMap<PodSlot, Picture>,
    rules: BTreeSet<Rule>,
    routes: BTreeSet<Route>,
}

impl Pod {
    fn picture(&self, slot: PodSlot) -> Picture {
        let mut picture = self.links.get(&slot).cloned().unwrap_or_default();
        picture.rules = self
            .rules
            .iter()
            .filter(|r| r.is_of(slot))
            .cloned()
            .collect();
        picture.routes = self
            .routes
            .iter()
            .filter(|route| is_of(route, slot))
            .copied()
            .collect();
        picture
    }

    fn run(&mut self, slot: PodSlot, steps: &[Step]) -> Picture {
        let before = self.picture(slot);
        let mut after = before.clone();
        for step in steps {
            apply(&mut after, step);
        }
        self.rules.retain(|rule| !before.rules.contains(rule));
        self.routes.retain(|route| !before.routes.contains(route));
        self.rules.extend(after.rules.clone());
        self.routes.extend(after.routes.clone());
        after
    }

    fn plug(&mut self, slot: PodSlot, wanted: &Picture) {
        let steps = diff(&self.picture(slot), wanted);
        let after = self.run(slot, &steps);
        self.links.insert(slot, after);
    }

    /// The device is gone before anything is cleared.
    fn unplug(&mut self, slot: PodSlot) {
        self.links.remove(&slot);
        self.routes
            .retain(|route| !is_of(route, slot) || !route.needs_link());
        let seen = self.picture(slot);
        self.run(slot, &clear(&seen));
        if self.links.is_empty() {
            self.run(slot, &clear_shared(&seen));
        }
    }
}

/// In table main a route belongs to the ENI by whose link it goes; here the metric tells.
fn is_of(route: &Route, slot: PodSlot) -> bool {
    route.table == slot.table() || (route.table == MAIN && route.metric % 1024 == u32::from(slot.0))
}

/// What must hold between any two steps of a plug.
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
        let everything = Family::of(address.addr()).everything();
        let ends = picture
            .routes
            .iter()
            .any(|r| r.table == table && r.to == everything && r.way == Way::Unreachable);
        assert!(ends, "the table of {address} is open after {after:?}");
    }
    for rule in &picture.rules {
        let Action::Table(table) = rule.action else {
            continue;
        };
        let everything = rule.family.everything();
        let ends = (picture.routes.iter())
            .any(|r| r.table == table && r.to == everything && r.way == Way::Unreachable);
        assert!(ends, "{rule} leads into an open table after {after:?}");
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
    let wanted = layout(&an_interface(), FIRST, FULL, ENA);
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

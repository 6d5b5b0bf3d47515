//! A model of the kernel: what each step does to a namespace, and what it refuses.

use std::net::IpAddr;

use node_agent_core::{
    diff::Step,
    layout::IPV6_MTU,
    picture::{Link, Picture, Route, Sysctl, Way},
};

/// Does one step, with the side effects that Linux has.
pub fn apply(picture: &mut Picture, step: &Step) {
    match step {
        Step::MoveIn { name, mtu } => {
            assert!(picture.link.is_none(), "the link is here already");
            picture.link = Some(Link {
                name: name.clone(),
                up: false,
                mtu: *mtu,
            });
            picture.sysctls = defaults(*mtu);
            picture.egress_drop = false;
        }
        Step::Down => {
            link(picture).up = false;
            picture.routes.retain(|r| !r.needs_link());
            picture.addresses.retain(|a| a.addr().is_ipv4());
        }
        Step::Rename { name } => {
            assert!(!link(picture).up, "EBUSY before Linux 6.2");
            link(picture).name.clone_from(name);
            picture.egress_drop = false;
        }
        Step::Mtu(mtu) => {
            let before = std::mem::replace(&mut link(picture).mtu, *mtu);
            if *mtu < IPV6_MTU {
                picture.sysctls.retain(|sysctl, _| !sysctl.is_ipv6());
                picture.addresses.retain(|a| a.addr().is_ipv4());
                picture
                    .routes
                    .retain(|r| !r.needs_link() || r.to.addr().is_ipv4());
            } else if before < IPV6_MTU {
                for (sysctl, value) in defaults(*mtu) {
                    picture.sysctls.entry(sysctl).or_insert(value);
                }
            }
        }
        Step::Up => link(picture).up = true,
        Step::AddRule(rule) => assert!(picture.rules.insert(rule.clone()), "EEXIST {rule:?}"),
        Step::DelRule(rule) => assert!(picture.rules.remove(rule), "ENOENT {rule:?}"),
        Step::AddRoute(route) => {
            assert!(
                !picture
                    .routes
                    .iter()
                    .any(|r| (r.table, r.to, r.metric) == (route.table, route.to, route.metric)),
                "EEXIST {route:?}"
            );
            if route.needs_link() {
                assert!(link(picture).up, "ENETDOWN {route:?}");
                let has = |source| picture.addresses.iter().any(|a| a.addr() == source);
                assert!(source(route).is_none_or(has), "EINVAL {route:?}");
            }
            picture.routes.insert(*route);
        }
        // What went along with something else is not there any more, and that is no failure.
        Step::DelRoute(route) => drop(picture.routes.remove(route)),
        Step::AddAddress(address) => {
            link(picture);
            assert!(picture.addresses.insert(*address), "EEXIST {address}");
        }
        Step::DelAddress(address) => {
            picture.addresses.remove(address);
            picture.routes.retain(|r| source(r) != Some(address.addr()));
        }
        Step::Set(sysctl, value) => {
            assert!(
                link(picture).mtu >= IPV6_MTU || !sysctl.is_ipv6(),
                "ENOENT {sysctl:?}"
            );
            picture.sysctls.insert(*sysctl, value.clone());
        }
        Step::DropEgress => {
            link(picture);
            picture.egress_drop = true;
        }
        Step::AllowEgress => picture.egress_drop = false,
    }
}

fn link(picture: &mut Picture) -> &mut Link {
    picture.link.as_mut().expect("ENODEV")
}

fn defaults(mtu: u32) -> std::collections::BTreeMap<Sysctl, String> {
    let all = [
        (Sysctl::RP_FILTER, "0".into()),
        (Sysctl::ACCEPT_RA, "1".into()),
        (Sysctl::ACCEPT_DAD, "1".into()),
    ];
    all.into_iter()
        .filter(|(sysctl, _)| mtu >= IPV6_MTU || !sysctl.is_ipv6())
        .collect()
}

fn source(route: &Route) -> Option<IpAddr> {
    match route.way {
        Way::OnLink { source } => Some(source),
        Way::Gateway { source, .. } => source,
        Way::Unreachable => None,
    }
}

//! A model of the kernel: what each step does to a namespace, and what it refuses.

use node_agent_core::{
    diff::Step,
    picture::{Link, Picture, Sysctl, Way},
};

/// Does one step, with the side effects that Linux has.
pub fn apply(picture: &mut Picture, step: &Step) {
    match step {
        Step::MoveIn { name } => {
            assert!(picture.link.is_none(), "the link is here already");
            picture.link = Some(Link {
                name: name.clone(),
                up: false,
            });
            picture.sysctls = defaults();
            picture.egress_drop = false;
        }
        Step::MoveOut => {
            picture.link.take().expect("no link to move out");
            picture.addresses.clear();
            picture.routes.retain(|r| !r.needs_link());
            picture.sysctls.clear();
        }
        Step::Rename { name } => link(picture).name.clone_from(name),
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
            if let Way::OnLink { source } | Way::Gateway { source, .. } = route.way {
                assert!(link(picture).up, "ENETDOWN {route:?}");
                assert!(
                    picture.addresses.iter().any(|a| a.ip == source),
                    "EINVAL {route:?}"
                );
            }
            picture.routes.insert(*route);
        }
        Step::DelRoute(route) => assert!(picture.routes.remove(route), "ESRCH {route:?}"),
        Step::AddAddress(address) => {
            link(picture);
            assert!(picture.addresses.insert(*address), "EEXIST {address}");
        }
        Step::DelAddress(address) => {
            assert!(picture.addresses.remove(address), "EADDRNOTAVAIL {address}");
            picture.routes.retain(|r| !matches!(r.way, Way::OnLink { source } | Way::Gateway { source, .. } if source == address.ip));
        }
        Step::Set(sysctl, value) => {
            link(picture);
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

fn defaults() -> std::collections::BTreeMap<Sysctl, String> {
    [
        (Sysctl::RpFilter, "0".into()),
        (Sysctl::AcceptRa, "1".into()),
        (Sysctl::AcceptDad, "1".into()),
    ]
    .into()
}

//! The least ordered steps from one picture to another.

use std::borrow::Cow;

use crate::picture::{Link, Picture, Route};

pub use crate::step::Step;

/// The steps that turn `seen` into `wanted`, the picture of a plugged ENI.
///
/// What closes a way comes before what opens one: refusals, rules and the unreachable end of the table stand before the
/// link arrives, the packet filter before it is up, and nothing that refuses is taken away before the end. Rules that the
/// pod's ENIs share are added here and never deleted: another one may need them.
pub fn diff(seen: &Picture, wanted: &Picture) -> Vec<Step> {
    let mut steps = Vec::new();
    let seen = after_rename(seen, wanted);
    let (with_link, without): (Vec<_>, Vec<_>) = wanted
        .routes
        .difference(&seen.routes)
        .copied()
        .partition(Route::needs_link);
    steps.extend(without.into_iter().map(Step::AddRoute));
    steps.extend(
        wanted
            .rules
            .difference(&seen.rules)
            .cloned()
            .map(Step::AddRule),
    );
    if let Some(link) = &wanted.link {
        of_link(&seen, wanted, link, &mut steps);
    }
    steps.extend(with_link.into_iter().map(Step::AddRoute));
    steps.extend(
        stale_routes(&seen, wanted)
            .filter(|r| !r.needs_link())
            .map(Step::DelRoute),
    );
    let stale = seen.rules.difference(&wanted.rules);
    steps.extend(
        stale
            .filter(|rule| !rule.is_shared())
            .cloned()
            .map(Step::DelRule),
    );
    if seen.egress_drop && !wanted.egress_drop {
        steps.push(Step::AllowEgress);
    }
    steps
}

/// The steps that remove what is the ENI's alone from a pod that lives on.
pub fn clear(seen: &Picture) -> Vec<Step> {
    let mut steps: Vec<_> = seen.routes.iter().copied().map(Step::DelRoute).collect();
    let own = seen.rules.iter().filter(|rule| !rule.is_shared());
    steps.extend(own.cloned().map(Step::DelRule));
    if seen.egress_drop {
        steps.push(Step::AllowEgress);
    }
    steps
}

/// The steps that remove what the ENIs of a pod share.
pub fn clear_shared(seen: &Picture) -> Vec<Step> {
    let shared = seen.rules.iter().filter(|rule| rule.is_shared());
    shared.cloned().map(Step::DelRule).collect()
}

/// Before Linux 6.2 a link must be down to be renamed (EBUSY), and with that it loses its routes and its IPv6 addresses.
fn after_rename<'a>(seen: &'a Picture, wanted: &Picture) -> Cow<'a, Picture> {
    match (&seen.link, &wanted.link) {
        (Some(before), Some(link)) if before.up && before.name != link.name => {
            let mut down = seen.clone();
            down.routes.retain(|route| !route.needs_link());
            down.addresses.retain(|address| address.addr().is_ipv4());
            Cow::Owned(down)
        }
        _ => Cow::Borrowed(seen),
    }
}

fn of_link(seen: &Picture, wanted: &Picture, link: &Link, steps: &mut Vec<Step>) {
    let mut up = seen.link.as_ref().is_some_and(|before| before.up);
    match &seen.link {
        None => steps.push(Step::MoveIn {
            name: link.name.clone(),
            mtu: link.mtu,
        }),
        Some(before) if before.name != link.name => {
            if up {
                steps.push(Step::Down);
                up = false;
            }
            steps.push(Step::Rename {
                name: link.name.clone(),
            });
        }
        Some(_) => {}
    }
    if seen.link.as_ref().is_some_and(|l| l.mtu != link.mtu) {
        steps.push(Step::Mtu(link.mtu));
    }
    for (sysctl, value) in &wanted.sysctls {
        if seen.link.is_none() || seen.sysctls.get(sysctl) != Some(value) {
            steps.push(Step::Set(*sysctl, value.clone()));
        }
    }
    // A filter that was there before the link came back or got its name is bound to nothing: it is made again.
    let bound = seen.link.as_ref().is_some_and(|l| l.name == link.name);
    if wanted.egress_drop && !(seen.egress_drop && bound) {
        steps.push(Step::DropEgress);
    }
    addresses(seen, wanted, steps);
    if link.up && !up {
        steps.push(Step::Up);
    }
}

fn addresses(seen: &Picture, wanted: &Picture, steps: &mut Vec<Step>) {
    // Routes before addresses: with an address the kernel deletes the routes that prefer it as their source
    // (`fib_sync_down_addr` in net/ipv4/fib_semantics.c). And before new ones, which may have the same destination.
    if seen.link.is_some() {
        steps.extend(
            stale_routes(seen, wanted)
                .filter(Route::needs_link)
                .map(Step::DelRoute),
        );
    }
    steps.extend(
        seen.addresses
            .difference(&wanted.addresses)
            .copied()
            .map(Step::DelAddress),
    );
    steps.extend(
        wanted
            .addresses
            .difference(&seen.addresses)
            .copied()
            .map(Step::AddAddress),
    );
}

fn stale_routes<'a>(
    seen: &'a Picture,
    wanted: &'a Picture,
) -> impl Iterator<Item = Route> + use<'a> {
    seen.routes.difference(&wanted.routes).copied()
}

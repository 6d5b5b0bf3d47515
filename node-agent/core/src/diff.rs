//! The least ordered steps from one picture to another.

use crate::picture::{Link, Network, Picture, Route, Rule, Sysctl};

/// One request to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// From the host into the pod, under this name, in one request.
    MoveIn {
        /// Its name in the pod.
        name: String,
    },
    /// From the pod to the host.
    MoveOut,
    /// Rename the link.
    Rename {
        /// Its new name.
        name: String,
    },
    /// Set the link administratively up.
    Up,
    /// Add a rule.
    AddRule(Rule),
    /// Delete a rule.
    DelRule(Rule),
    /// Add a route.
    AddRoute(Route),
    /// Delete a route.
    DelRoute(Route),
    /// Add an address.
    AddAddress(Network),
    /// Delete an address.
    DelAddress(Network),
    /// Write a setting of the link.
    Set(Sysctl, String),
    /// Drop what goes out to the instance metadata service.
    DropEgress,
    /// Remove our packet filter.
    AllowEgress,
}

/// The steps that turn `seen` into `wanted`.
///
/// What closes a way comes before what opens one: refusals, rules and the unreachable end of the table stand before the
/// link arrives, the packet filter before it is up, and nothing that refuses is taken away before the end.
pub fn diff(seen: &Picture, wanted: &Picture) -> Vec<Step> {
    let mut steps = Vec::new();
    if wanted.link.is_none() && seen.link.is_some() {
        steps.push(Step::MoveOut);
    }
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
        of_link(seen, wanted, link, &mut steps);
    }
    steps.extend(with_link.into_iter().map(Step::AddRoute));
    steps.extend(
        stale_routes(seen, wanted)
            .filter(|r| !r.needs_link())
            .map(Step::DelRoute),
    );
    steps.extend(
        seen.rules
            .difference(&wanted.rules)
            .cloned()
            .map(Step::DelRule),
    );
    if seen.egress_drop && !wanted.egress_drop {
        steps.push(Step::AllowEgress);
    }
    steps
}

fn of_link(seen: &Picture, wanted: &Picture, link: &Link, steps: &mut Vec<Step>) {
    match &seen.link {
        None => steps.push(Step::MoveIn {
            name: link.name.clone(),
        }),
        Some(before) if before.name != link.name => steps.push(Step::Rename {
            name: link.name.clone(),
        }),
        Some(_) => {}
    }
    for (sysctl, value) in &wanted.sysctls {
        if seen.link.is_none() || seen.sysctls.get(sysctl) != Some(value) {
            steps.push(Step::Set(*sysctl, value.clone()));
        }
    }
    // A filter that was there before the link came back is bound to nothing: it is made again.
    if wanted.egress_drop && !(seen.egress_drop && seen.link.is_some()) {
        steps.push(Step::DropEgress);
    }
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
    if link.up && !seen.link.as_ref().is_some_and(|l| l.up) {
        steps.push(Step::Up);
    }
}

fn stale_routes<'a>(
    seen: &'a Picture,
    wanted: &'a Picture,
) -> impl Iterator<Item = Route> + use<'a> {
    seen.routes.difference(&wanted.routes).copied()
}

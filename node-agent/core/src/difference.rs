//! What differs between two pictures of a pod's namespace, in words for people.

use std::{collections::BTreeSet, fmt::Display};

use crate::picture::{Link, Picture};

/// What of `seen` is not as in `wanted`, the picture of a plugged ENI; where a value differs, both values. Nothing where
/// [`diff`](crate::diff::diff) has no steps.
pub fn differences(seen: &Picture, wanted: &Picture) -> Vec<String> {
    let mut found = Vec::new();
    let here = seen.link.is_some();
    match (&seen.link, &wanted.link) {
        (Some(before), Some(link)) => {
            of_link(before, link, &mut found);
            of_settings(seen, wanted, &mut found);
            of_set("address ", &seen.addresses, &wanted.addresses, &mut found);
        }
        // All else of the link is missing with it.
        (None, Some(_)) => found.push("the device is missing".to_owned()),
        (_, None) => {}
    }
    let mut rules = seen.rules.clone();
    // Another ENI of the pod may need them.
    rules.retain(|rule| !rule.is_shared() || wanted.rules.contains(rule));
    of_set("", &rules, &wanted.rules, &mut found);
    let mut routes = wanted.routes.clone();
    routes.retain(|route| here || !route.needs_link());
    of_set("", &seen.routes, &routes, &mut found);
    match (seen.egress_drop, wanted.egress_drop) {
        (false, true) => found.push("the block of the instance metadata service is missing".into()),
        (true, false) => found.push("the instance metadata service is blocked".into()),
        (true, true) | (false, false) => {}
    }
    found
}

fn of_link(seen: &Link, wanted: &Link, found: &mut Vec<String>) {
    let Link { name, up, mtu } = seen;
    if *name != wanted.name {
        found.push(format!("the name is {name}, not {}", wanted.name));
    }
    if *mtu != wanted.mtu {
        found.push(format!("the MTU is {mtu}, not {}", wanted.mtu));
    }
    if wanted.up && !up {
        found.push("the link is down, not up".to_owned());
    }
}

fn of_settings(seen: &Picture, wanted: &Picture, found: &mut Vec<String>) {
    for (sysctl, value) in &wanted.sysctls {
        let name = sysctl.name;
        match seen.sysctls.get(sysctl) {
            Some(is) if is == value => {}
            Some(is) => found.push(format!("{name} is {is}, not {value}")),
            None => found.push(format!("{name} is missing, not {value}")),
        }
    }
}

fn of_set<T: Display + Ord>(
    what: &str,
    seen: &BTreeSet<T>,
    wanted: &BTreeSet<T>,
    found: &mut Vec<String>,
) {
    let missing = wanted.difference(seen);
    found.extend(missing.map(|one| format!("{what}{one} is missing")));
    let surplus = seen.difference(wanted);
    found.extend(surplus.map(|one| format!("{what}{one} does not belong there")));
}

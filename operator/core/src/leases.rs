//! What people are told of a claim's DHCP leases. Its agent reports them, and Events are the operator's.

use api::{
    ConditionStatus,
    claim::{Lease, LeaseState},
};

use crate::{
    claim::Claim,
    reason::{Note, Reason},
};

/// What is told when a claim changes; nothing of what it said before already, and so nothing by an operator that has just started.
pub(crate) fn note(before: &Claim, after: &Claim) -> Option<Note> {
    let (before, after_leased) = (before.leased.as_deref(), after.leased.as_deref()?);
    let (was, is) = (before.map(|it| &it.condition), &after_leased.condition);
    let eni = after.status.eni.as_ref().map(|eni| &eni.id)?;
    if is.status == ConditionStatus::True {
        let before = before.map(|it| &*it.leases).unwrap_or_default();
        let changes: Vec<String> = (after_leased.leases.iter())
            .filter_map(|lease| changed(before, lease))
            .collect();
        let message = format!(
            "the DHCP lease of {eni} says something else: {}",
            changes.join("; ")
        );
        return (!changes.is_empty()).then(|| Note::new(Reason::LeaseChanged, message));
    }
    if was.is_some_and(|was| was.reason == is.reason) {
        return None;
    }
    let reason = match was.map(|was| was.status) {
        Some(ConditionStatus::True) => Reason::LeaseLost,
        Some(ConditionStatus::False | ConditionStatus::Unknown) | None => Reason::LeaseUnavailable,
    };
    Some(Note::new(reason, format!("{eni}: {}", is.message)))
}

/// What a lease says now that it did not say before.
fn changed(before: &[Lease], is: &Lease) -> Option<String> {
    let mut before = before.iter();
    let was = before.find(|was| was.family == is.family && was.state == LeaseState::Leased)?;
    let values = |lease: &Lease| {
        let routes = lease.routes.iter().map(|route| match route.via {
            Some(via) => format!("{} via {via}", route.dst),
            None => route.dst.to_string(),
        });
        [
            ("addresses", list(&lease.addresses)),
            ("prefix length", list(lease.prefix_length)),
            ("prefixes", list(&lease.prefixes)),
            ("server", list(&lease.server)),
            ("DNS servers", list(&lease.dns_servers)),
            ("domain", list(&lease.domain_name)),
            ("search domains", list(&lease.search_domains)),
            ("NTP servers", list(&lease.ntp_servers)),
            ("MTU", list(lease.mtu)),
            ("routes", list(routes)),
        ]
    };
    let both = values(was).into_iter().zip(values(is));
    let differ = both.filter(|((_, was), (_, is))| was != is);
    let sentences: Vec<String> = differ
        .map(|((what, was), (_, is))| format!("{what} {is} instead of {was}"))
        .collect();
    (!sentences.is_empty()).then(|| format!("{:?}: {}", is.family, sentences.join(", ")))
}

fn list(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.is_empty() {
        "none".to_owned()
    } else {
        items.join(", ")
    }
}

//! From what a server gives to what the client has, and for how long.

use std::collections::BTreeSet;

use ipnet::Ipv6Net;

use super::{
    Mode,
    lease::{Binding, Item},
    packet::{Association, Leased, Options, Status},
    parameters::{MOST_ITEMS, Parameters, Resources, is_delegable, is_usable},
    timing::{LEAST_LIFETIME, LEAST_RENEWAL},
};
use crate::dhcp::{BootTime, Moment};

/// A lifetime, or a time of an association, without an end.
const FOREVER: u32 = u32::MAX;

/// What a message gives.
pub(super) struct Given {
    /// What the client takes of it. What has a lifetime of 0 is among it.
    pub addresses: Vec<Leased>,
    /// Likewise.
    pub prefixes: Vec<Leased>,
    /// What is not the claim's.
    pub differing: Resources,
}

impl Given {
    /// What of the options a client of this mode takes.
    pub fn new(options: &Options, mode: &Mode) -> Self {
        let (mut addresses, mut prefixes) = (
            possible(options.addresses.as_ref(), |net| {
                net.prefix_len() == 128 && is_usable(net.addr())
            }),
            possible(options.prefixes.as_ref(), is_delegable),
        );
        let mut differing = Resources::default();
        match mode {
            Mode::Maintain(claimed) => {
                let given = |items: &[Leased]| {
                    let given = items.iter().filter(|leased| leased.valid > 0);
                    given.map(|leased| leased.net).collect::<Vec<_>>()
                };
                let theirs = given(&addresses).into_iter().map(|net| net.addr());
                differing.addresses.extend(theirs);
                differing.prefixes.extend(given(&prefixes));
                differing.addresses = &differing.addresses - &claimed.addresses;
                differing.prefixes = &differing.prefixes - &claimed.prefixes;
                addresses.retain(|leased| claimed.addresses.contains(&leased.net.addr()));
                prefixes.retain(|leased| claimed.prefixes.contains(&leased.net));
            }
            Mode::Configure { prefixes: true } => {}
            Mode::Configure { prefixes: false } => prefixes.clear(),
        }
        Self {
            addresses,
            prefixes,
            differing,
        }
    }

    /// Whether the message says nothing about what the client may have, not even that it is over.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.prefixes.is_empty()
    }

    /// Whether there is anything to have.
    pub fn is_something(&self) -> bool {
        let mut all = self.addresses.iter().chain(&self.prefixes);
        all.any(|leased| leased.valid > 0)
    }
}

/// What of an association a client may believe (RFC 8415 sections 18.2.10.1, 21.4, 21.6, 21.21, 21.22).
fn possible(association: Option<&Association>, usable: impl Fn(Ipv6Net) -> bool) -> Vec<Leased> {
    let mut found: Vec<Leased> = Vec::new();
    let Some(association) = association else {
        return found;
    };
    let (t1, t2) = (association.renewal_time, association.rebinding_time);
    if association.status != Status::Success || t1 > t2 && t2 > 0 {
        return found;
    }
    for leased in &association.leased {
        let leased = Leased {
            net: leased.net.trunc(),
            ..*leased
        };
        let long_enough = leased.valid == 0 || u64::from(leased.valid) * 1_000 >= LEAST_LIFETIME;
        let known = found.iter().any(|other| other.net == leased.net);
        if leased.preferred <= leased.valid
            && long_enough
            && usable(leased.net)
            && !known
            && found.len() < MOST_ITEMS
        {
            found.push(leased);
        }
    }
    found
}

/// What the client has after a reply: what is given, and what it had of which nothing is said. `None`: nothing that lasts.
pub(super) fn bind(
    before: Option<&Binding>,
    given: &Given,
    parameters: Parameters,
    options: &Options,
    asked: BootTime,
    at: Moment,
) -> Option<Binding> {
    let had = before.map(|binding| (binding.addresses.as_slice(), binding.prefixes.as_slice()));
    let (addresses, prefixes) = had.unwrap_or_default();
    let mut binding = Binding {
        parameters,
        addresses: merge(addresses, &given.addresses, asked, at.now),
        prefixes: merge(prefixes, &given.prefixes, asked, at.now),
        renew_at: None,
        rebind_at: None,
    };
    binding.items().next()?;
    let associations = [&options.addresses, &options.prefixes];
    let said = |time: fn(&Association) -> u32| {
        let times = associations
            .iter()
            .filter_map(|association| association.as_ref().map(time));
        times.filter(|time| *time > 0).min()
    };
    let (t1, t2) = (said(|ia| ia.renewal_time), said(|ia| ia.rebinding_time));
    set_times(&mut binding, t1, t2, at);
    Some(binding)
}

/// T1 and T2 of RFC 8415 section 21.4: the server's where they are possible, else half and four fifths of the shortest preferred
/// lifetime; earlier by a random part, so that those that start together do not ask together for ever.
fn set_times(binding: &mut Binding, t1: Option<u32>, t2: Option<u32>, at: Moment) {
    let left = |time: Option<BootTime>| time.map(|time| time.since(at.now));
    let valid = binding
        .items()
        .filter_map(|item| left(item.valid_until))
        .min();
    let preferred = binding
        .items()
        .filter_map(|item| left(item.preferred_until));
    let base = preferred.filter(|left| *left > 0).min().or(valid);
    let by_default = |part: fn(u64) -> u64| base.map(part);
    let time = |secs: Option<u32>, part: fn(u64) -> u64| match secs {
        None => by_default(part),
        Some(FOREVER) => None,
        Some(secs) => Some(u64::from(secs) * 1_000),
    };
    let (mut renew, mut rebind) = (time(t1, |base| base / 2), time(t2, |base| base / 5 * 4));
    let possible = match (renew, rebind, valid) {
        (_, _, None) => true,
        (Some(t1), Some(t2), Some(valid)) => LEAST_RENEWAL <= t1 && t1 <= t2 && t2 < valid,
        // What ends is asked for before.
        (None, _, Some(_)) | (_, None, Some(_)) => false,
    };
    if !possible {
        (renew, rebind) = (by_default(|base| base / 2), by_default(|base| base / 5 * 4));
    }
    let sooner = |span: u64| at.now.after(span - at.part(span / 16));
    let least = at.now.after(LEAST_RENEWAL);
    binding.renew_at = renew.map(|span| sooner(span).max(least));
    binding.rebind_at = rebind.map(|span| sooner(span).max(least));
}

/// Items that are given take the place of those that were there (RFC 8415 section 18.2.10.1), but for those that would be over at once.
fn merge(before: &[Item], given: &[Leased], asked: BootTime, now: BootTime) -> Vec<Item> {
    let until = |secs: u32| (secs != FOREVER).then(|| asked.after(u64::from(secs) * 1_000));
    let lasts = |end: Option<BootTime>| end.is_none_or(|end| end.since(now) >= LEAST_LIFETIME);
    let new: Vec<_> = given
        .iter()
        .map(|leased| Item {
            net: leased.net,
            preferred_until: until(leased.preferred),
            valid_until: until(leased.valid),
        })
        .filter(|item| lasts(item.valid_until))
        .collect();
    let withdrawn = given.iter().filter(|leased| leased.valid == 0);
    let named: BTreeSet<_> = (new.iter().map(|item| item.net))
        .chain(withdrawn.map(|leased| leased.net))
        .collect();
    let kept = before.iter().copied();
    let kept = kept.filter(|item| !named.contains(&item.net) && !item.is_over(now));
    kept.chain(new.iter().copied()).take(MOST_ITEMS).collect()
}

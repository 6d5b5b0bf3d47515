//! When a client of DHCPv4 asks, and how long a lease holds. Spans are milliseconds.

use super::lease::Term;
use crate::dhcp::{BootTime, Moment};

/// First pause before a packet is sent again; each further one is twice as long (RFC 2131 section 4.1).
const FIRST_PAUSE: u64 = 4_000;
/// Doublings until the longest pause, 64 seconds (RFC 2131 section 4.1).
const DOUBLINGS: u32 = 4;
/// Each pause is randomly shorter or longer by up to that (RFC 2131 section 4.1).
const SPREAD: u64 = 1_000;
/// A request is sent so often, which takes 60 seconds, before the client begins anew (RFC 2131 section 3.1.5).
pub(super) const MOST_REQUESTS: u32 = 4;
/// RFC 2131 section 4.4.1: a client waits from one to ten seconds at startup, so that those that start together do not ask together.
pub const SOONEST_START: u64 = 1_000;
/// The longer end of that wait.
pub const LATEST_START: u64 = 10_000;
/// RFC 2131 section 4.4.5: the least pause between two packets while a lease is renewed or rebound.
pub const LEAST_RENEWAL_PAUSE: u64 = 60_000;
/// RFC 2131 section 3.1.5: the least pause after an address was declined.
pub const DECLINE_PAUSE: u64 = 10_000;
/// A probe that was not answered for so long is asked for again. One takes up to 9 seconds (RFC 5227 section 1.1).
pub(super) const PROBE_TIMEOUT: u64 = 15_000;
/// No lease is taken that ends sooner: whoever gives it would be asked all the time. No RFC has such a number.
pub const LEAST_LEASE: u64 = 10_000;
/// RFC 2131 section 3.3: a lease that has no end.
const FOREVER: u32 = u32::MAX;

/// When a client that starts, or that its server forgot, asks.
pub(super) fn start(at: Moment) -> BootTime {
    at.within(SOONEST_START, LATEST_START)
}

/// When a packet that was sent so often is sent again.
pub(super) fn again(sent: u32, at: Moment) -> BootTime {
    let doublings = sent.saturating_sub(1).min(DOUBLINGS);
    let pause = FIRST_PAUSE << doublings;
    at.within(pause - SPREAD, pause + SPREAD)
}

/// When a lease is asked for again: after half of the time until `end`.
pub(super) fn again_before(end: Option<BootTime>, at: Moment) -> BootTime {
    let remaining = end.map_or(0, |end| end.since(at.now));
    at.now.after((remaining / 2).max(LEAST_RENEWAL_PAUSE))
}

/// How long a lease holds that was asked for at `asked`; `None`: it ends too soon. T1 and T2 are the server's where they are possible,
/// else those of RFC 2131 section 4.4.5, and both earlier by a random part, as that section wants it.
pub(super) fn term(
    (lease_time, renewal_time, rebinding_time): (u32, Option<u32>, Option<u32>),
    asked: BootTime,
    at: Moment,
) -> Option<Term> {
    if lease_time == FOREVER {
        return Some(Term::Forever);
    }
    let expires_at = asked.after(u64::from(lease_time) * 1_000);
    let remaining = expires_at.since(at.now);
    if remaining < LEAST_LEASE {
        return None;
    }
    let millis = |secs: Option<u32>| secs.map(|secs| u64::from(secs) * 1_000);
    let (t1, t2) = match (millis(renewal_time), millis(rebinding_time)) {
        (Some(t1), Some(t2)) => (t1, t2),
        (Some(t1), None) => (t1, remaining / 8 * 7),
        (None, Some(t2)) => (remaining / 2, t2),
        (None, None) => (remaining / 2, remaining / 8 * 7),
    };
    let (t1, t2) = if LEAST_LEASE / 2 <= t1 && t1 < t2 && t2 < remaining {
        (t1, t2)
    } else {
        (remaining / 2, remaining / 8 * 7)
    };
    let sooner = |span: u64| at.now.after(span - at.part(span / 16));
    Some(Term::Until {
        renew_at: sooner(t1),
        rebind_at: sooner(t2),
        expires_at,
    })
}

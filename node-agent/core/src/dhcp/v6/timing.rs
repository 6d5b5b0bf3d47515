//! When a client of DHCPv6 asks. Spans are milliseconds.

use crate::dhcp::{BootTime, Moment};

/// How one sort of message is repeated (RFC 8415 section 7.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    /// IRT: the first pause.
    pub first: u64,
    /// MRT: the longest one.
    pub longest: u64,
    /// MRC: how often it is sent; `None`: as often as it takes.
    pub most: Option<u32>,
}

impl Schedule {
    /// `SOL_TIMEOUT`; how long the pauses get may be said by a server.
    pub const fn solicit(longest: u64) -> Self {
        Self::new(1_000, longest, None)
    }
    /// `REQ_TIMEOUT`, `REQ_MAX_RT`, `REQ_MAX_RC`.
    pub const REQUEST: Self = Self::new(1_000, 30_000, Some(10));
    /// `CNF_TIMEOUT`, `CNF_MAX_RT`. Four packets take about the 10 seconds of `CNF_MAX_RD`.
    pub const CONFIRM: Self = Self::new(1_000, 4_000, Some(4));
    /// `REN_TIMEOUT`, `REN_MAX_RT`, which are those of REBIND, too.
    pub const PROLONG: Self = Self::new(10_000, 600_000, None);
    /// `INF_TIMEOUT`; how long the pauses get may be said by a server.
    pub const fn information(longest: u64) -> Self {
        Self::new(1_000, longest, None)
    }

    const fn new(first: u64, longest: u64, most: Option<u32>) -> Self {
        Self {
            first,
            longest,
            most,
        }
    }

    /// The pause after one of `last`; `None`: after the first packet (RFC 8415 section 15). Each is up to a tenth shorter or longer.
    pub fn pause(self, last: Option<u64>, at: Moment) -> u64 {
        let base = last.map_or(self.first, |last| last.saturating_mul(2));
        let of = last.unwrap_or(self.first);
        if base + of / 10 > self.longest && last.is_some() {
            return around(self.longest, self.longest, at);
        }
        around(base, of, at)
    }

    /// The first pause after SOLICIT is never shorter (RFC 8415 section 18.2.1): servers have a full second to advertise.
    pub fn first_pause_of_solicit(self, at: Moment) -> u64 {
        self.first + at.part(self.first / 10)
    }
}

/// `base`, give or take a tenth of `of`.
fn around(base: u64, of: u64, at: Moment) -> u64 {
    (base - of / 10).saturating_add(at.part(of / 5))
}

/// `SOL_MAX_RT` and `INF_MAX_RT` until a server says otherwise.
pub(super) const LIMIT: u64 = 3_600_000;
/// What a server may say of them, in seconds (RFC 8415 sections 21.24, 21.25).
pub(super) const POSSIBLE_LIMITS: std::ops::RangeInclusive<u32> = 60..=86_400;
/// `SOL_MAX_DELAY`, `INF_MAX_DELAY`: a client that starts alone.
pub(super) const MAX_DELAY: u64 = 1_000;
/// A client that starts with others waits for longer than the RFC's second, as long as one of DHCPv4.
pub const SOONEST_START: u64 = 1_000;
/// The longer end of that wait.
pub const LATEST_START: u64 = 10_000;
/// `IRT_DEFAULT`: information is asked for again once a day.
pub(super) const REFRESH: u64 = 86_400_000;
/// `IRT_MINIMUM`.
pub(super) const LEAST_REFRESH: u64 = 600_000;
/// The least pause after an address was declined, as with DHCPv4; RFC 8415 section 14.1 demands one and names none.
pub const DECLINE_PAUSE: u64 = 10_000;
/// A probe that was not answered for so long is asked for again.
pub(super) const PROBE_TIMEOUT: u64 = 15_000;
/// Nothing is taken that ends sooner: whoever gives it would be asked all the time. No RFC has such a number.
pub const LEAST_LIFETIME: u64 = 10_000;
/// Nor is a server asked again sooner, whatever it says.
pub(super) const LEAST_RENEWAL: u64 = 5_000;

/// When a client that starts together with others, or that its server forgot, asks.
pub(super) fn start(at: Moment) -> BootTime {
    at.within(SOONEST_START, LATEST_START)
}

/// When the next attempt begins after so many that failed: as late as with DHCPv4. RFC 8415 section 18.2.10.1 demands a limit.
pub(super) fn after_failures(failures: u32, at: Moment) -> BootTime {
    let pause = 4_000_u64 << failures.saturating_sub(1).min(4);
    at.within(pause - 1_000, pause + 1_000)
}

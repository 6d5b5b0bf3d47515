//! Time and chance, which the machines take as arguments.

use serde::{Deserialize, Serialize};

/// Milliseconds of `CLOCK_BOOTTIME`: it counts while the machine is suspended, and does not follow the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BootTime(pub u64);

impl BootTime {
    /// So many milliseconds later.
    #[must_use]
    pub fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds since an earlier time; 0 if it is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Whether the clock still counts from where it did when a lease was written to the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Boot {
    /// The machine is up since then.
    Same,
    /// It was booted since then: the lease's times mean nothing.
    Other,
}

/// When something happens, and what chance adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Moment {
    /// Now.
    pub now: BootTime,
    /// The id of a transaction that begins now. Whoever does not see the packets must not guess it.
    pub xid: u32,
    /// Uniformly distributed. It spreads the packets of many clients.
    pub jitter: u32,
}

impl Moment {
    /// A time from now on, not sooner than `least` and not later than `most` milliseconds.
    pub(super) fn within(self, least: u64, most: u64) -> BootTime {
        self.now
            .after(least.saturating_add(self.part(most.saturating_sub(least))))
    }

    /// A random part of a span, or all of it.
    pub(super) fn part(self, span: u64) -> u64 {
        let part = ((u128::from(span) + 1) * u128::from(self.jitter)) >> 32;
        u64::try_from(part).unwrap_or(span)
    }
}

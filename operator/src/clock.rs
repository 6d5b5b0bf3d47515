//! The process's clock: the wall clock as it was at the start, moved on by the monotonic one, so that it never jumps.

use jiff::Timestamp;
use operator_core::Time;
use tokio::time::{Duration, Instant};

/// Every part of a process that compares times takes them from the same clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Time,
    at: Instant,
}

impl Clock {
    /// A clock that shows the wall clock's time now.
    pub fn start() -> Self {
        Self {
            started: Time(Timestamp::now().as_millisecond()),
            at: Instant::now(),
        }
    }

    /// What time it is.
    pub fn now(self) -> Time {
        self.started
            .after(i64::try_from(self.at.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// From now until then; at least a millisecond, so that a clock of coarser grain moves on.
    pub fn until(self, then: Time) -> Duration {
        Duration::from_millis(u64::try_from(then.since(self.now())).unwrap_or(0).max(1))
    }
}

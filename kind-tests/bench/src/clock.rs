//! The time that this thread has spent on a processor: what other programs do meanwhile does not count.

use rustix::time::{ClockId, clock_gettime};

/// A point on that clock, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Start(f64);

/// From now on.
pub fn start() -> Start {
    Start(now())
}

impl Start {
    /// Seconds that this thread has computed since.
    pub fn spent(self) -> f64 {
        now() - self.0
    }
}

// Seconds of one process and nanoseconds within one: both are exact in an f64 for years.
#[allow(clippy::cast_precision_loss)]
fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

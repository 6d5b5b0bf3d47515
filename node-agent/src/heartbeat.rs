//! Whether the engine still works: when it last went round, and when it last finished a scan.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// The engine goes round at least every 30 s, when it scans; twice that is too long.
const LONGEST_ROUND: Duration = Duration::from_mins(1);
/// A scan takes milliseconds, and one that fails is tried again after a second.
const LONGEST_SCAN: Duration = Duration::from_mins(2);

/// The engine writes it, whoever judges the agent's health reads it.
#[derive(Debug)]
pub struct Heartbeat {
    /// All times count from here, in milliseconds. The machine's sleep does not count: the clock is the monotonic one.
    started: Instant,
    round: AtomicU64,
    scan: AtomicU64,
}

/// What the engine has not done for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// Gone round.
    Round(Duration),
    /// Finished a scan.
    Scan(Duration),
}

impl Default for Heartbeat {
    /// Both count from now.
    fn default() -> Self {
        Self::since(Instant::now())
    }
}

impl Heartbeat {
    /// Both count from `started`.
    pub fn since(started: Instant) -> Self {
        Self {
            started,
            round: AtomicU64::new(0),
            scan: AtomicU64::new(0),
        }
    }

    /// The engine goes round.
    pub fn round(&self) {
        self.round
            .store(self.elapsed(Instant::now()), Ordering::Relaxed);
    }

    /// The engine finished a scan that succeeded.
    pub fn scanned(&self) {
        self.scan
            .store(self.elapsed(Instant::now()), Ordering::Relaxed);
    }

    /// What is too old at `now`, if anything.
    pub fn check(&self, now: Instant) -> Result<(), Stale> {
        let age = |of: &AtomicU64| {
            let at = of.load(Ordering::Relaxed);
            Duration::from_millis(self.elapsed(now).saturating_sub(at))
        };
        let (round, scan) = (age(&self.round), age(&self.scan));
        if round > LONGEST_ROUND {
            Err(Stale::Round(round))
        } else if scan > LONGEST_SCAN {
            Err(Stale::Scan(scan))
        } else {
            Ok(())
        }
    }

    /// Calls `stale` from a thread of its own once the engine is found stale twice in a row, `period` apart: after a pause of
    /// the whole process the engine is late, too, but not for long. Not a task: the runtime itself may stand still.
    pub fn supervise(
        self: Arc<Self>,
        period: Duration,
        stale: impl FnOnce(Stale) + Send + 'static,
    ) -> io::Result<()> {
        let watch = move || {
            let mut before = Ok(());
            loop {
                thread::sleep(period);
                let now = self.check(Instant::now());
                match (before, now) {
                    (Err(_), Err(why)) => return stale(why),
                    (Ok(()), _) | (Err(_), Ok(())) => before = now,
                }
            }
        };
        thread::Builder::new()
            .name("supervisor".to_owned())
            .spawn(watch)
            .map(drop)
    }

    fn elapsed(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.started).as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Round(age) => write!(f, "the engine has not run for {} s", age.as_secs()),
            Self::Scan(age) => write!(
                f,
                "the node's links were not listed for {} s; the log says why",
                age.as_secs()
            ),
        }
    }
}

impl std::error::Error for Stale {}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn engine_that_stands_still_is_stale_after_a_minute() {
        let now = Instant::now();
        let heartbeat = Heartbeat::since(now);
        assert_eq!(heartbeat.check(now + seconds(60)), Ok(()));
        let stale = heartbeat.check(now + seconds(61)).unwrap_err();
        assert_eq!(stale, Stale::Round(seconds(61)));
        assert_eq!(stale.to_string(), "the engine has not run for 61 s");
    }

    #[test]
    fn engine_that_goes_round_without_scans_is_stale_after_two_minutes() {
        let Some(long_ago) = Instant::now().checked_sub(seconds(130)) else {
            panic!("the machine has just started");
        };
        let heartbeat = Heartbeat::since(long_ago);
        heartbeat.round();
        let now = Instant::now();
        assert!(matches!(heartbeat.check(now), Err(Stale::Scan(_))));
        heartbeat.scanned();
        assert_eq!(heartbeat.check(now), Ok(()));
    }

    #[test]
    fn stale_engine_is_told_by_a_thread_of_its_own() {
        let Some(long_ago) = Instant::now().checked_sub(seconds(130)) else {
            panic!("the machine has just started");
        };
        let heartbeat = Arc::new(Heartbeat::since(long_ago));
        let (sender, told) = std::sync::mpsc::channel();
        let tell = move |stale| sender.send(stale).unwrap_or_default();
        assert!(heartbeat.supervise(Duration::from_millis(1), tell).is_ok());
        let stale = told.recv_timeout(seconds(20));
        assert!(matches!(stale, Ok(Stale::Round(_))));
    }
}

//! How often files are written again that somebody else keeps removing: each write makes the runtime reload.

use std::time::Duration;

use tokio::time::Instant;

/// Writes further apart than this have nothing to do with each other.
const APART: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The writes so far.
#[derive(Debug, Default)]
pub struct Backoff {
    last: Option<Instant>,
    pause: Duration,
}

impl Backoff {
    /// When the next write is allowed, if not yet at `now`.
    pub fn wait(&self, now: Instant) -> Option<Instant> {
        let next = self.last? + self.pause;
        (now < next).then_some(next)
    }

    /// Files were written, or could not be.
    pub fn wrote(&mut self, now: Instant) {
        let again = self
            .last
            .is_some_and(|last| now < last + self.pause + APART);
        self.pause = match (again, self.pause) {
            (false, _) => Duration::ZERO,
            (true, Duration::ZERO) => FIRST_PAUSE,
            (true, pause) => (pause * 2).min(LONGEST_PAUSE),
        };
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn first_two_writes_are_at_once_and_a_fight_becomes_rare() {
        let mut now = Instant::now();
        let (start, mut backoff, mut writes) = (now, Backoff::default(), 0);
        while now < start + Duration::from_hours(1) {
            backoff.wrote(now);
            writes += 1;
            now = backoff.wait(now).unwrap_or(now);
        }
        assert!((15..25).contains(&writes), "{writes} in an hour");
        let calm = now + Duration::from_mins(10);
        backoff.wrote(calm);
        assert_eq!(backoff.wait(calm), None);
    }
}

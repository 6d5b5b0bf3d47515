//! Finding out whether the runtime reads drop-ins: it is made to reload, and seen to open the list with or without them.
//!
//! libcni opens the drop-ins right after the list. The agent may not read the version of the runtime, neither from its
//! socket nor from the Node, and needs no further rights for this.

use std::time::Duration;

use tokio::time::Instant;

use crate::install::{decision::DropIns, watch::Event};

/// A reload waits for the ADDs that run: go-cni loads under its write lock. An ADD of ours takes 20 s at most.
const RELOAD: Duration = Duration::from_mins(1);
/// From the list to the drop-in it is microseconds.
const NEXT_FILE: Duration = Duration::from_secs(1);
/// Somebody else may open the list alone; at this many reloads in a row it was the runtime.
const MISSES: u8 = 2;
/// Pause after a reload that nobody made; doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make the runtime reload.
    Reload,
    /// The runtime was not seen to reload, for now.
    Unseen,
    /// It is known.
    Known(DropIns),
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Asked(Instant),
    ListOpened(Instant),
    Paused(Instant),
}

/// One attempt to find out, as long as it takes.
#[derive(Debug)]
pub struct Probe {
    phase: Phase,
    misses: u8,
    pause: Duration,
}

impl Probe {
    /// The first step is a reload, at once.
    pub fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Paused(now),
            misses: 0,
            pause: FIRST_PAUSE,
        }
    }

    /// Somebody opened a file.
    pub fn saw(&mut self, event: Event, now: Instant) -> Option<DropIns> {
        match (self.phase, event) {
            (Phase::Asked(_) | Phase::Paused(_), Event::ListOpened) => {
                self.phase = Phase::ListOpened(now);
            }
            (Phase::ListOpened(_), Event::DropInOpened) => return Some(DropIns::Read),
            (Phase::Asked(_) | Phase::Paused(_), Event::DropInOpened)
            | (Phase::ListOpened(_), Event::ListOpened)
            | (_, Event::Changed) => {}
        }
        None
    }

    /// What is due at `now`.
    pub fn step(&mut self, now: Instant) -> Option<Step> {
        if now < self.due() {
            return None;
        }
        match self.phase {
            Phase::Paused(_) => {
                self.phase = Phase::Asked(now);
                Some(Step::Reload)
            }
            Phase::Asked(_) => {
                (self.phase, self.misses) = (Phase::Paused(now + self.pause), 0);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Some(Step::Unseen)
            }
            Phase::ListOpened(_) => {
                self.misses += 1;
                self.phase = Phase::Paused(now);
                Some(if self.misses < MISSES {
                    self.step(now)?
                } else {
                    Step::Known(DropIns::Ignored)
                })
            }
        }
    }

    /// When something is due.
    pub fn due(&self) -> Instant {
        match self.phase {
            Phase::Asked(at) => at + RELOAD,
            Phase::ListOpened(at) => at + NEXT_FILE,
            Phase::Paused(until) => until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(probe: &Probe) -> Instant {
        probe.due()
    }

    #[tokio::test]
    async fn runtime_that_opens_list_and_drop_in_reads_drop_ins() {
        let now = Instant::now();
        let mut probe = Probe::new(now);
        assert_eq!(probe.step(now), Some(Step::Reload));
        assert_eq!(
            probe.saw(Event::DropInOpened, now),
            None,
            "not after the list"
        );
        assert_eq!(probe.saw(Event::ListOpened, now), None);
        assert_eq!(probe.saw(Event::DropInOpened, now), Some(DropIns::Read));
    }

    #[tokio::test]
    async fn list_opened_alone_counts_when_it_happens_twice() {
        let now = Instant::now();
        let mut probe = Probe::new(now);
        probe.step(now);
        probe.saw(Event::ListOpened, now);
        assert_eq!(probe.step(now), None, "the drop-in may follow");
        let now = after(&probe);
        assert_eq!(probe.step(now), Some(Step::Reload));
        probe.saw(Event::ListOpened, now);
        assert_eq!(
            probe.step(after(&probe)),
            Some(Step::Known(DropIns::Ignored))
        );
    }

    #[tokio::test]
    async fn reload_that_nobody_makes_is_asked_for_again_less_and_less_often() {
        let mut now = Instant::now();
        let mut probe = Probe::new(now);
        let mut reloads = 0;
        let end = now + Duration::from_hours(24);
        while now < end {
            reloads += usize::from(probe.step(now) == Some(Step::Reload));
            now = after(&probe);
        }
        assert!((20..40).contains(&reloads), "{reloads} a day");
    }
}

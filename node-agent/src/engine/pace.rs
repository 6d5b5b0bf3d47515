//! When the node is scanned, and which devices a scan must not be believed about.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use node_agent_core::mac::Mac;
use tokio::time::Instant;

/// The node is scanned so often even when the kernel says nothing.
const PERIOD: Duration = Duration::from_secs(30);
/// Between two scans that were asked for, and between a move and the next scan: whoever asked for the move is answered meanwhile.
const PAUSE: Duration = Duration::from_millis(20);
/// After [`BURST`] scans with no longer pause than this between them: a pod that sets its link up and down without end must not keep
/// the agent scanning.
const LONG_PAUSE: Duration = Duration::from_millis(200);
const BURST: u32 = 16;
/// While a device is being moved: a scan takes the kernel's networking lock, which the move waits for.
const MOVING_PAUSE: Duration = Duration::from_secs(1);
/// After the end of a scan that failed, which may have taken as long itself.
const RETRY: Duration = Duration::from_secs(1);
/// Longer than any scan takes.
const LONGEST: Duration = Duration::from_hours(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Failed,
    Ended,
}

/// When to scan, and what to believe.
pub(super) struct Pace {
    state: State,
    asked: bool,
    scanned: bool,
    /// When the last scan ended, or began while it runs.
    last: Instant,
    burst: u32,
    moves: u64,
    last_move: Instant,
    moved: BTreeMap<Mac, u64>,
}

impl Pace {
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Ended,
            asked: true,
            scanned: false,
            last: now,
            burst: 0,
            moves: 0,
            last_move: now,
            moved: BTreeMap::new(),
        }
    }

    /// Something may have changed since the last scan.
    pub fn ask(&mut self) {
        self.asked = true;
    }

    /// Whether there was a first scan.
    pub fn has_scanned(&self) -> bool {
        self.scanned
    }

    /// Moves that had ended when the scan that begins now began.
    pub fn moves(&self) -> u64 {
        self.moves
    }

    /// When the next scan is due; `moving`: devices are being moved.
    pub fn due(&self, moving: bool) -> Instant {
        let pause = match (moving, self.burst < BURST) {
            (true, _) => MOVING_PAUSE,
            (false, true) => PAUSE,
            (false, false) => LONG_PAUSE,
        };
        let after_move = (self.last_move + PAUSE).min(self.last + MOVING_PAUSE);
        match (self.state, self.asked) {
            // Its end wakes the engine; the clock has nothing to say.
            (State::Running, _) => self.last + LONGEST,
            (State::Failed, _) => after_move.max(self.last + pause.max(RETRY)),
            (State::Ended, true) => after_move.max(self.last + pause),
            (State::Ended, false) => self.last + PERIOD,
        }
    }

    /// Whether to begin one now.
    pub fn start(&mut self, now: Instant, moving: bool) -> bool {
        if self.state == State::Running || now < self.due(moving) {
            return false;
        }
        let rested = now - self.last > 2 * LONG_PAUSE;
        self.burst = if rested {
            0
        } else {
            self.burst.saturating_add(1)
        };
        (self.state, self.asked, self.last) = (State::Running, false, now);
        true
    }

    /// A scan failed, or was not complete; what asked for it still waits.
    pub fn failed(&mut self, now: Instant) {
        (self.state, self.asked, self.last) = (State::Failed, true, now);
    }

    /// A device was moved.
    pub fn moved(&mut self, mac: Mac, now: Instant) {
        (self.moves, self.last_move) = (self.moves + 1, now);
        self.moved.insert(mac, self.moves);
    }

    /// Closes a scan that began after `moves_before` moves. Returns the devices that it must not be believed about: they were moved
    /// since, or are being moved.
    pub fn finish(
        &mut self,
        now: Instant,
        moves_before: u64,
        busy: &BTreeSet<Mac>,
    ) -> BTreeSet<Mac> {
        (self.state, self.scanned, self.last) = (State::Ended, true, now);
        self.moved.retain(|_, at| *at > moves_before);
        self.moved.keys().chain(busy).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks without pause for `duration` and counts the scans.
    fn scans(pace: &mut Pace, from: Instant, duration: Duration) -> usize {
        let mut count = 0;
        let mut now = from;
        while now < from + duration {
            pace.ask();
            if pace.start(now, false) {
                pace.finish(now, pace.moves(), &BTreeSet::new());
                count += 1;
            }
            now += Duration::from_millis(1);
        }
        count
    }

    #[test]
    fn first_events_are_looked_at_soon_and_endless_ones_seldom() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(scans(&mut pace, now, Duration::from_millis(200)), 9);
        let minute = scans(
            &mut pace,
            now + Duration::from_millis(200),
            Duration::from_mins(1),
        );
        assert!((290..320).contains(&minute), "{minute}");
        let rested = now + Duration::from_mins(2);
        assert_eq!(scans(&mut pace, rested, Duration::from_millis(100)), 5);
    }

    #[test]
    fn scans_keep_out_of_the_way_of_moves_and_are_not_put_off_for_ever() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert!(!pace.start(now + PAUSE, true));
        assert_eq!(pace.due(true), now + MOVING_PAUSE);
        assert!(pace.start(now + MOVING_PAUSE, true));
    }

    #[test]
    fn a_scan_comes_after_the_answer_to_a_move_and_endless_moves_do_not_keep_it_away() {
        let mac: Mac = "02:00:00:00:00:0a".parse().unwrap();
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        let moved = begin + PAUSE;
        pace.moved(mac, moved);
        assert!(!pace.start(moved, false));
        assert_eq!(pace.due(false), moved + PAUSE);
        pace.moved(mac, begin + MOVING_PAUSE);
        assert!(pace.start(begin + MOVING_PAUSE, false));
    }

    #[test]
    fn failed_scan_is_made_again_a_second_after_its_end_whatever_it_took_itself() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin - PAUSE);
        assert!(pace.start(begin, false));
        let end = begin + RETRY;
        pace.failed(end);
        for moving in [false, true] {
            assert_eq!(pace.due(moving), end + RETRY);
        }
        assert!(!pace.start(end + RETRY / 2, false));
        assert!(pace.start(end + RETRY, false));
    }

    #[test]
    fn what_was_moved_since_a_scan_began_is_not_believed() {
        let mac: Mac = "02:00:00:00:00:0a".parse().unwrap();
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let before = pace.moves();
        pace.moved(mac, now);
        assert_eq!(pace.finish(now, before, &BTreeSet::new()), [mac].into());
        let after = pace.moves();
        assert_eq!(pace.finish(now, after, &BTreeSet::new()), [].into());
        assert_eq!(pace.finish(now, after, &[mac].into()), [mac].into());
    }
}

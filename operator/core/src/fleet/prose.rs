//! When a status that differs in prose alone is written: once that lasts, and each claim in its turn.

use std::collections::BTreeMap;

use api::Time;

use crate::cluster::Key;

/// This many are written at once, and one after each pause of so many milliseconds.
const AT_ONCE: i64 = 50;
const PAUSE: i64 = 50;

/// Claims whose status differs in prose alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Prose {
    waiting: BTreeMap<Key, Waiting>,
    /// When all turns that were given are over (the generic cell rate algorithm of ITU-T I.371).
    over: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Waiting {
    since: Time,
    turn: Option<Time>,
}

impl Prose {
    /// When the status of a claim is to be written, or looked at again. Its turn is given once: who waits is not looked at before.
    pub(super) fn due(&mut self, key: &Key, lasts: i64, now: Time) -> Time {
        let first = Waiting {
            since: now,
            turn: None,
        };
        let waiting = self.waiting.entry(key.clone()).or_insert(first);
        let lasted = waiting.since.after(lasts);
        if lasted > now {
            return lasted;
        }
        if let Some(turn) = waiting.turn {
            return turn;
        }
        let turn = now.max(self.over.after(-AT_ONCE * PAUSE));
        self.over = self.over.max(now).after(PAUSE);
        waiting.turn = Some(turn);
        turn
    }

    /// It has been written, or need not be.
    pub(super) fn forget(&mut self, key: &Key) {
        self.waiting.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_has_its_turn_and_keeps_it() {
        let mut prose = Prose::default();
        let keys: Vec<Key> = (0..60).map(|n| Key::new("shop", &format!("{n}"))).collect();
        for key in &keys {
            assert_eq!(prose.due(key, 1_000, Time(0)), Time(1_000));
        }
        let turns: Vec<i64> = keys
            .iter()
            .map(|k| prose.due(k, 1_000, Time(1_000)).0)
            .collect();
        assert!(turns[..50].iter().all(|turn| *turn <= 1_000), "{turns:?}");
        assert_eq!(turns[55..], [1_250, 1_300, 1_350, 1_400, 1_450]);
        assert_eq!(prose.due(&keys[59], 1_000, Time(1_100)), Time(1_450));
        prose.forget(&keys[59]);
        assert_eq!(prose.due(&keys[59], 1_000, Time(1_100)), Time(2_100));
    }
}

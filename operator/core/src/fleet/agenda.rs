//! What has to be looked at: now, because something changed, or at a time.

use std::collections::{BTreeMap, BTreeSet};

use crate::{order::Target, time::Time};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Agenda {
    now: BTreeSet<Target>,
    alarms: BTreeSet<(Time, Target)>,
    times: BTreeMap<Target, Time>,
}

impl Agenda {
    /// To be looked at now.
    pub(super) fn mark(&mut self, target: Target) {
        self.now.insert(target);
    }

    /// To be looked at then, or earlier if that was said before.
    pub(super) fn at(&mut self, target: Target, time: Time) {
        if self
            .times
            .get(&target)
            .is_some_and(|earlier| *earlier <= time)
        {
            return;
        }
        self.silence(&target);
        self.times.insert(target.clone(), time);
        self.alarms.insert((time, target));
    }

    /// Takes everything that is due; what is taken has no alarm any more.
    pub(super) fn due(&mut self, now: Time) -> BTreeSet<Target> {
        while let Some((time, target)) = self.alarms.first().cloned() {
            if time > now {
                break;
            }
            self.silence(&target);
            self.now.insert(target);
        }
        let due = std::mem::take(&mut self.now);
        for target in &due {
            self.silence(target);
        }
        due
    }

    /// Takes that one target if it is due.
    pub(super) fn take(&mut self, target: &Target, now: Time) -> bool {
        let alarmed = self.times.get(target).is_some_and(|time| *time <= now);
        let due = self.now.remove(target) || alarmed;
        if due {
            self.silence(target);
        }
        due
    }

    pub(super) fn first_alarm(&self) -> Option<Time> {
        self.alarms.first().map(|(time, _)| *time)
    }

    fn silence(&mut self, target: &Target) {
        if let Some(time) = self.times.remove(target) {
            self.alarms.remove(&(time, target.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Topic;

    #[test]
    fn the_earliest_alarm_of_a_target_counts() {
        let mut agenda = Agenda::default();
        let enis = Target::Question(Topic::Enis);
        agenda.at(enis.clone(), Time(20));
        agenda.at(enis.clone(), Time(10));
        agenda.at(enis.clone(), Time(30));
        assert_eq!(agenda.first_alarm(), Some(Time(10)));
        assert!(agenda.due(Time(9)).is_empty());
        assert_eq!(agenda.due(Time(10)), BTreeSet::from([enis]));
        assert_eq!(agenda.first_alarm(), None);
    }
}

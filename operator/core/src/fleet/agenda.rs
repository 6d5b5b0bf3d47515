//! What has to be looked at: now, because something changed, or at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use api::Time;

use crate::order::Target;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Agenda {
    /// Claims and pods, which people wait for, before nodes and orphans; each in the order in which it was marked.
    urgent: VecDeque<Target>,
    rest: VecDeque<Target>,
    marked: BTreeSet<Target>,
    alarms: BTreeSet<(Time, Target)>,
    times: BTreeMap<Target, Time>,
}

impl Agenda {
    /// To be looked at now.
    pub(super) fn mark(&mut self, target: Target) {
        if !self.marked.insert(target.clone()) {
            return;
        }
        match target {
            Target::Claim(_) | Target::Pod(_) | Target::Marks(_) | Target::PodRead(_) => {
                self.urgent.push_back(target);
            }
            Target::Node(_)
            | Target::Report(_)
            | Target::Class(_)
            | Target::Orphan(_)
            | Target::Read(_) => {
                self.rest.push_back(target);
            }
        }
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

    /// Whether it is to be looked at now.
    pub(super) fn is_marked(&self, target: &Target) -> bool {
        self.marked.contains(target)
    }

    /// Takes the next target that is due; what is taken has no alarm any more.
    pub(super) fn take(&mut self, now: Time) -> Option<Target> {
        while let Some((time, target)) = self.alarms.first().cloned() {
            if time > now {
                break;
            }
            self.silence(&target);
            self.mark(target);
        }
        let target = self.urgent.pop_front().or_else(|| self.rest.pop_front())?;
        self.marked.remove(&target);
        self.silence(&target);
        Some(target)
    }

    /// When the next target is due; the beginning of time while one is.
    pub(super) fn first(&self) -> Option<Time> {
        if !self.marked.is_empty() {
            return Some(Time(i64::MIN));
        }
        self.alarms.first().map(|(time, _)| *time)
    }

    /// Forgets a target that is gone.
    pub(super) fn forget(&mut self, target: &Target) {
        self.silence(target);
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
    use crate::cluster::Key;

    fn claim(name: &str) -> Target {
        Target::Claim(Key::new("shop", name))
    }

    #[test]
    fn the_earliest_alarm_of_a_target_counts() {
        let mut agenda = Agenda::default();
        for time in [20, 10, 30] {
            agenda.at(claim("a"), Time(time));
        }
        assert_eq!(agenda.first(), Some(Time(10)));
        assert_eq!(agenda.take(Time(9)), None);
        assert_eq!(agenda.take(Time(10)), Some(claim("a")));
        assert_eq!(agenda.first(), None);
    }

    #[test]
    fn what_is_marked_is_taken_once_in_order_and_claims_before_nodes() {
        let mut agenda = Agenda::default();
        agenda.mark(Target::Node("n1".into()));
        for name in ["b", "a", "b"] {
            agenda.mark(claim(name));
        }
        agenda.at(claim("a"), Time(5));
        let taken: Vec<Target> = std::iter::from_fn(|| agenda.take(Time(0))).collect();
        assert_eq!(taken, [claim("b"), claim("a"), Target::Node("n1".into())]);
        assert_eq!(agenda.first(), None);
    }
}

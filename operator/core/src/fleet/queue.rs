//! Effects that wait for the budget of their action: by priority, then in the order in which they became due.

use std::collections::BTreeMap;

use crate::order::{Action, Effect, Target};

/// Those that are not ready are about to be looked at again: there is no hurry to pass many of them over.
const LOOKED_AT: usize = 64;

/// Whose effects go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Priority {
    /// A pod waits, or a slot becomes free.
    Claim,
    /// Nobody waits.
    Idle,
    /// Security groups of an ENI that works as it is.
    Groups,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Queues {
    number: u64,
    waiting: BTreeMap<Action, BTreeMap<(Priority, u64), Target>>,
    places: BTreeMap<Target, Place>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    action: Action,
    at: (Priority, u64),
    effect: Effect,
}

impl Queues {
    /// Puts an effect into its queue; the place is kept while it is decided again.
    pub(super) fn enter(&mut self, target: &Target, effect: Effect, priority: Priority) {
        let action = effect.action();
        if let Some(place) = self.places.get_mut(target)
            && (place.action, place.at.0) == (action, priority)
        {
            place.effect = effect;
            return;
        }
        self.leave(target);
        self.number += 1;
        let at = (priority, self.number);
        self.waiting
            .entry(action)
            .or_default()
            .insert(at, target.clone());
        self.places
            .insert(target.clone(), Place { action, at, effect });
    }

    /// Takes a target out of whatever queue it is in.
    pub(super) fn leave(&mut self, target: &Target) {
        if let Some(place) = self.places.remove(target)
            && let Some(queue) = self.waiting.get_mut(&place.action)
        {
            queue.remove(&place.at);
        }
    }

    /// The first of a queue for which `ready` holds, taken out; only so many are looked at.
    pub(super) fn take(
        &mut self,
        action: Action,
        ready: impl Fn(&Target) -> bool,
    ) -> Option<(Target, Effect)> {
        let queue = self.waiting.get(&action)?;
        let target = queue.values().take(LOOKED_AT).find(|t| ready(t))?.clone();
        if let Some(queue) = self.waiting.get_mut(&action)
            && let Some(place) = self.places.get(&target)
        {
            queue.remove(&place.at);
        }
        let place = self.places.remove(&target)?;
        Some((target, place.effect))
    }

    /// Actions that somebody waits for.
    pub(super) fn actions(&self) -> Vec<Action> {
        self.waiting
            .iter()
            .filter(|(_, queue)| !queue.is_empty())
            .map(|(action, _)| *action)
            .collect()
    }

    /// How many wait for an action.
    pub(super) fn len(&self, action: Action) -> usize {
        self.waiting.get(&action).map_or(0, BTreeMap::len)
    }

    /// The action that a target waits for, and about the how many-th it is: exact but for those that left out of turn.
    pub(super) fn place(&self, target: &Target) -> Option<(Action, u32)> {
        let place = self.places.get(target)?;
        let queue = self.waiting.get(&place.action)?;
        let first = queue.keys().next()?;
        let ahead = if first.0 == place.at.0 {
            (place.at.1 - first.1).min(u64::try_from(queue.len()).unwrap_or(u64::MAX) - 1)
        } else {
            u64::try_from(queue.len()).unwrap_or(u64::MAX) - 1
        };
        Some((place.action, u32::try_from(ahead).unwrap_or(u32::MAX) + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Key;

    fn claim(name: &str) -> Target {
        Target::Claim(Key::new("shop", name))
    }

    fn delete(id: &str) -> Effect {
        Effect::Delete {
            eni: id.parse().unwrap(),
        }
    }

    #[test]
    fn claims_go_before_orphans_and_places_are_kept() {
        let mut queues = Queues::default();
        let action = Action::DeleteNetworkInterface;
        let orphan = Target::Orphan("eni-00000009".parse().unwrap());
        queues.enter(&orphan, delete("eni-00000009"), Priority::Idle);
        queues.enter(&claim("a"), delete("eni-00000001"), Priority::Claim);
        queues.enter(&claim("b"), delete("eni-00000002"), Priority::Claim);
        queues.enter(&claim("a"), delete("eni-00000003"), Priority::Claim);
        assert_eq!(queues.place(&claim("a")), Some((action, 1)));
        assert_eq!(queues.place(&claim("b")), Some((action, 2)));
        let order: Vec<Target> =
            std::iter::from_fn(|| queues.take(action, |_| true).map(|(t, _)| t)).collect();
        assert_eq!(order, [claim("a"), claim("b"), orphan]);
        assert!(queues.actions().is_empty());
    }

    #[test]
    fn who_is_not_ready_does_not_hold_up_the_others() {
        let mut queues = Queues::default();
        queues.enter(&claim("a"), delete("eni-00000001"), Priority::Claim);
        queues.enter(&claim("b"), delete("eni-00000002"), Priority::Claim);
        let taken = queues.take(Action::DeleteNetworkInterface, |t| *t != claim("a"));
        assert_eq!(taken.map(|(t, _)| t), Some(claim("b")));
        queues.leave(&claim("a"));
        assert_eq!(queues.len(Action::DeleteNetworkInterface), 0);
    }
}

//! What was before each change of the last while, so that reads can be stale.

use std::{borrow::Cow, collections::VecDeque};

use serde::{Deserialize, Serialize};

use crate::{Eni, EniId, Instance, InstanceId, Vpc};

/// The changes of the last [`stale_ms`](crate::Settings::stale_ms), oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct History(VecDeque<Entry>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Entry {
    at_ms: u64,
    before: Before,
}

/// A resource as it was before a change; `None` if it was not there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Before {
    Eni(EniId, Box<Option<Eni>>),
    Instance(InstanceId, Option<Instance>),
}

impl Vpc {
    /// Must be called before an interface changes.
    pub(crate) fn remember_eni(&mut self, id: &EniId, at_ms: u64) {
        let eni = || Before::Eni(id.clone(), Box::new(self.enis.get(id).cloned()));
        self.history.push(at_ms, self.settings.stale_ms, eni);
    }

    /// Must be called before an instance changes.
    pub(crate) fn remember_instance(&mut self, id: &InstanceId, at_ms: u64) {
        let instance = || Before::Instance(id.clone(), self.instances.get(id).cloned());
        self.history.push(at_ms, self.settings.stale_ms, instance);
    }

    /// Must be called before each Describe call is answered. Reads are counted only if somebody asks for it: equal worlds
    /// are equal although they were read.
    pub(crate) fn count_read(&mut self) {
        if self.settings.stale_every.is_some() {
            self.reads += 1;
        }
    }

    /// The region as a read at `now_ms` sees it: as it was [`stale_ms`](crate::Settings::stale_ms) ago.
    pub(crate) fn seen(&self, now_ms: u64) -> Cow<'_, Self> {
        let then_ms = now_ms.saturating_sub(self.settings.stale_ms);
        let newer = || {
            self.history
                .0
                .iter()
                .rev()
                .take_while(|entry| entry.at_ms > then_ms)
        };
        let every = self.settings.stale_every.unwrap_or(1).max(1);
        if self.settings.stale_ms == 0
            || !self.reads.is_multiple_of(every)
            || newer().next().is_none()
        {
            return Cow::Borrowed(self);
        }
        let mut past = self.clone();
        for Entry { at_ms: _, before } in newer() {
            match before.clone() {
                Before::Eni(id, eni) => match *eni {
                    Some(eni) => drop(past.enis.insert(id, eni)),
                    None => drop(past.enis.remove(&id)),
                },
                Before::Instance(id, instance) => match instance {
                    Some(instance) => drop(past.instances.insert(id, instance)),
                    None => drop(past.instances.remove(&id)),
                },
            }
        }
        Cow::Owned(past)
    }
}

impl History {
    fn push(&mut self, at_ms: u64, keep_ms: u64, before: impl FnOnce() -> Before) {
        if keep_ms == 0 {
            self.0.clear();
            return;
        }
        // Transitions may fire late, at the time that they were due.
        let at_ms = self.0.back().map_or(at_ms, |last| last.at_ms.max(at_ms));
        while self
            .0
            .front()
            .is_some_and(|first| first.at_ms.saturating_add(keep_ms) < at_ms)
        {
            self.0.pop_front();
        }
        let before = before();
        self.0.push_back(Entry { at_ms, before });
    }
}

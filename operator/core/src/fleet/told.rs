//! What people were told, so that nobody is told the same again and again.

use std::collections::BTreeMap;

use api::Time;

use crate::{order::Target, reason::Reason};

/// When each reason was last said of each target: one that comes and goes is no news each time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Told(BTreeMap<Target, BTreeMap<Reason, Time>>);

impl Told {
    /// When this was last said of the target.
    pub(super) fn at(&self, target: &Target, reason: Reason) -> Option<Time> {
        self.0.get(target)?.get(&reason).copied()
    }

    /// Whether nothing was said of the target.
    pub(super) fn is_silent(&self, target: &Target) -> bool {
        !self.0.contains_key(target)
    }

    /// It is said now.
    pub(super) fn say(&mut self, target: Target, reason: Reason, now: Time) {
        self.0.entry(target).or_default().insert(reason, now);
    }

    /// The target is gone, or all is well with it.
    pub(super) fn forget(&mut self, target: &Target) {
        self.0.remove(target);
    }
}

//! The fleet: everything known, as one value; facts go in, orders come out.

use std::collections::BTreeMap;

use api::{Time, claim::Phase};

use crate::order::{Fact, Order};

/// What is set from outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Value of the tag `eniclaim.io/cluster`; none: the UID of the namespace kube-system.
    pub cluster_id: Option<String>,
    /// Thousandths of AWS's published request rates that this operator may use.
    pub budget_share: u32,
    /// What becomes of ENIs that no claim owns.
    pub sweep: SweepMode,
}

/// What becomes of ENIs that no claim owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SweepMode {
    /// Nothing.
    Off,
    /// They are reported.
    DryRun,
    /// They are deleted.
    On,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cluster_id: None,
            budget_share: 600,
            sweep: SweepMode::On,
        }
    }
}

/// Everything known and everything under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fleet {
    settings: Settings,
}

impl Fleet {
    /// A fleet that knows nothing; nothing is decided before every list and one listing of our ENIs are complete.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Takes in one fact.
    pub fn learn(&mut self, fact: Fact, now: Time) {
        let _ = (fact, now);
    }

    /// What to do now: at most one order for each target.
    pub fn next(&mut self, now: Time) -> Vec<Order> {
        let _ = (now, &self.settings);
        Vec::new()
    }

    /// When to call [`Self::next`] again although no fact came.
    pub fn wake(&self) -> Option<Time> {
        None
    }

    /// Whether everything needed has been read, or the sentence that says what is missing.
    pub fn readiness(&self) -> Result<(), String> {
        Ok(())
    }

    /// How many claims are in each phase.
    pub fn census(&self) -> &BTreeMap<Phase, u32> {
        const NONE: &BTreeMap<Phase, u32> = &BTreeMap::new();
        NONE
    }
}

//! The fleet: everything known, as one value; facts go in, orders come out.

mod agenda;
mod by_class;
mod claims;
mod classes;
mod cloud;
mod events;
mod few;
mod gauges;
mod give;
mod index;
mod instances;
mod learn;
mod learn_claims;
mod learn_neighbours;
mod lookups;
mod marks;
mod named;
mod networks;
mod nodes;
mod outcome;
mod pods;
mod prose;
mod queue;
mod reads;
mod refusal;
mod rollout;
mod seen;
mod shape;
mod shown;
mod slots;
mod subject;
mod sweep;
mod told;
mod watched;
mod work;

use std::collections::BTreeMap;

use api::{Time, claim::Phase, ipnet::IpNet};

use self::{cloud::Cloud, index::Index, watched::Watched, work::Work};
pub use self::{
    gauges::{NodeRoom, SubnetRoom},
    subject::Subject,
};
use crate::{
    order::{Action, Order, Target, Topic},
    reserve::Reserve,
};

/// Targets that are looked at in one call: facts that wait are then learnt before the next.
const AT_ONCE: usize = 4;

/// What is set from outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Value of the tag `eniclaim.io/cluster`; none: the UID of the namespace kube-system.
    pub cluster_id: Option<String>,
    /// Thousandths of AWS's published request rates that this operator may use.
    pub budget_share: u32,
    /// What becomes of ENIs that no claim owns.
    pub sweep: SweepMode,
    /// How many ENIs of each instance are left to others.
    pub reserve: Reserve,
    /// Networks that pods reach by their first interface, beside those of Services that the API server names.
    pub cluster_cidrs: Vec<IpNet>,
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
            reserve: Reserve::Auto,
            cluster_cidrs: Vec::new(),
        }
    }
}

/// Everything known and everything under way: what Kubernetes shows, what EC2 shows, who is where, what is being done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fleet {
    settings: Settings,
    watched: Watched,
    cloud: Cloud,
    index: Index,
    work: Work,
}

impl Fleet {
    /// A fleet that knows nothing; nothing is decided before every list and one listing of our ENIs are complete.
    pub fn new(settings: Settings) -> Self {
        Self {
            work: Work::new(settings.budget_share),
            settings,
            watched: Watched::default(),
            cloud: Cloud::default(),
            index: Index::default(),
        }
    }

    /// What to do now: at most one order for each target, at most a bounded number; [`Self::wake`] says when there is more.
    pub fn next(&mut self, now: Time) -> Vec<Order> {
        let mut orders = Vec::new();
        if !self.watched.is_complete() {
            return orders;
        }
        self.read(now, &mut orders);
        if self.cloud.is_listed && self.work.until(now).is_some() {
            self.give_turns(now);
            self.tell_refused(now, &mut orders);
            for _ in 0..AT_ONCE {
                let Some(target) = self.work.agenda.take(now) else {
                    break;
                };
                self.consider(&target, now, &mut orders);
            }
            self.dispatch(now, &mut orders);
        }
        orders
    }

    /// When to call [`Self::next`] again although no fact came.
    pub fn wake(&self, now: Time) -> Option<Time> {
        if !self.watched.is_complete() {
            return None;
        }
        let reads = self.next_read(now);
        if !self.cloud.is_listed || self.work.until(now).is_none() {
            return reads;
        }
        let queues = self
            .work
            .queues
            .actions()
            .into_iter()
            .filter_map(|action| self.work.call_at(action, now));
        queues.chain(reads).chain(self.work.agenda.first()).min()
    }

    /// Whether everything needed has been read, or the sentence that says what is missing.
    pub fn readiness(&self) -> Result<(), String> {
        let missing = self.watched.missing();
        if !missing.is_empty() {
            return Err(format!(
                "Kubernetes has not listed {} yet; the API server is down, or the operator's RBAC lacks a right",
                missing.join(", ")
            ));
        }
        if self.watched.cluster(None).is_none() {
            return Err("there is no namespace kube-system to name the cluster by".to_owned());
        }
        // What could not be read of security groups their classes say.
        let mut trouble = (self.work.trouble.iter()).filter(|(topic, _)| **topic != Topic::Groups);
        if let Some((_, (_, _, error))) = trouble.next() {
            return Err(format!("EC2 could not be read: {error}"));
        }
        if self.cloud.is_listed {
            Ok(())
        } else {
            Err("the cluster's ENIs have not been read from EC2 yet".to_owned())
        }
    }

    /// How many claims are in each phase.
    pub fn census(&self) -> &BTreeMap<Phase, u32> {
        &self.index.census
    }

    /// How many calls of each action the budget allows now.
    pub fn tokens(&self, now: Time) -> impl Iterator<Item = (Action, i64)> {
        self.work.budget.left(now)
    }

    /// How many ENIs carry our tag and belong to no claim.
    pub fn orphans(&self) -> usize {
        self.cloud.unowned.len()
    }

    /// Whether an order is under way.
    pub fn is_busy(&self) -> bool {
        !self.work.busy.is_empty()
    }

    fn consider(&mut self, target: &Target, now: Time, orders: &mut Vec<Order>) {
        if self.work.busy.contains_key(target) {
            return;
        }
        if let Some((_, until)) = self.work.rests.get(target)
            && *until > now
        {
            return self.work.agenda.at(target.clone(), *until);
        }
        match target {
            Target::Claim(key) => self.consider_claim(key, now, orders),
            Target::Pod(key) => self.consider_pod(key, now, orders),
            Target::Marks(key) => self.consider_marks(key, now, orders),
            Target::Orphan(eni) => self.consider_orphan(eni, now, orders),
            Target::Report(name) => self.consider_report(name, now, orders),
            Target::Node(name) => self.consider_node(name, now, orders),
            Target::Class(name) => self.consider_class(name, now, orders),
            Target::PodRead(_) | Target::Read(_) => {}
        }
    }
}

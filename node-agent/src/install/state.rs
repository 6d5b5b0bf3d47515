//! What the agent says about the plugin on its node.

use crds::{Condition, Time, condition::ConditionStatus, condition::kind};

use crate::install::decision::{By, CONFLIST, CniChain, DROP_IN, DropIns, Reason, Refused, Wanted};

pub use kind::PLUGIN_INSTALLED;

/// Whether pods of this node pass through the plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Unknown while the runtime was not seen reading it.
    pub status: ConditionStatus,
    /// Why.
    pub reason: Reason,
    /// One sentence.
    pub message: String,
}

impl State {
    /// As a condition that began at `now`.
    pub fn condition(&self, now: Time) -> Condition {
        Condition {
            kind: PLUGIN_INSTALLED.into(),
            status: self.status,
            reason: self.reason.as_str().into(),
            message: self.message.as_str().into(),
            last_transition_time: now.whole_second(),
            observed_generation: None,
        }
    }

    /// False is for a person to correct.
    pub(super) fn log(&self) {
        let (reason, note) = (self.reason.as_str(), self.message.as_str());
        match self.status {
            ConditionStatus::True => {
                tracing::info!(
                    reason,
                    note,
                    "pods of this node pass through the CNI plugin"
                );
            }
            ConditionStatus::Unknown => tracing::warn!(
                reason,
                note,
                "it is not known whether pods of this node pass through the CNI plugin"
            ),
            ConditionStatus::False => tracing::error!(
                reason,
                error = note,
                "pods of this node do not pass through the CNI plugin"
            ),
        }
    }

    /// Files are as they are wanted.
    pub(super) fn of(wanted: &Wanted, chain: CniChain, drop_ins: DropIns) -> Self {
        let Wanted {
            network,
            base,
            by,
            files: _,
        } = wanted;
        let (status, reason, message) = match (by, drop_ins) {
            (By::Inline, _) => (
                ConditionStatus::True,
                Reason::Installed,
                format!("{base} of network {network} names the plugin itself"),
            ),
            (By::Conflist, _) => (
                ConditionStatus::True,
                Reason::Installed,
                format!(
                    "{CONFLIST} is a copy of {base} of network {network} with the plugin at its end"
                ),
            ),
            (By::DropIn, DropIns::Read) => (
                ConditionStatus::True,
                Reason::Installed,
                format!("{network}/{DROP_IN} adds the plugin to {base} of network {network}"),
            ),
            (By::DropIn, DropIns::Unknown) => (
                ConditionStatus::Unknown,
                Reason::Unverified,
                format!(
                    "{network}/{DROP_IN} is in place, but the container runtime was not seen reading it; check that \
                     agent.cniConfDir is its folder of CNI configurations, and set agent.cniChain to conflist if it is \
                     older than containerd 2.1"
                ),
            ),
            (By::DropIn, DropIns::Ignored) => (
                ConditionStatus::False,
                Reason::DropInIgnored,
                format!(
                    "the container runtime reads {base} but not {network}/{DROP_IN}; update it to containerd 2.1 or later, \
                     or set agent.cniChain to {}",
                    match chain {
                        CniChain::DropIn => "auto",
                        CniChain::Auto | CniChain::Conflist => "conflist",
                    }
                ),
            ),
        };
        Self {
            status,
            reason,
            message,
        }
    }

    /// Adds what else there is to say.
    pub(super) fn also(&mut self, trouble: Option<&str>) {
        if let Some(trouble) = trouble {
            self.message = format!("{}; {trouble}", self.message);
        }
    }

    pub(super) fn refused(refused: Refused) -> Self {
        let Refused { reason, message } = refused;
        Self {
            status: ConditionStatus::False,
            reason,
            message,
        }
    }

    pub(super) fn failed(error: &impl std::fmt::Display) -> Self {
        Self {
            status: ConditionStatus::False,
            reason: Reason::Failed,
            message: format!("{error}; it is tried again"),
        }
    }

    pub(super) fn contested(what: &str) -> Self {
        Self {
            status: ConditionStatus::False,
            reason: Reason::Contested,
            message: format!(
                "somebody on the node keeps changing or removing {what}; find the program that manages the folder, the agent \
                 writes it again less and less often"
            ),
        }
    }
}

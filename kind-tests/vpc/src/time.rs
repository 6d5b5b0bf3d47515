//! What happens by itself: transitions that are due, fired by a clock or, in a model, in any order.

use serde::{Deserialize, Serialize};

use crate::{AttachmentId, AttachmentState, Eni, EniId, EniState, InstanceId, Vpc};

/// How long EC2 takes for what it does in the background, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delays {
    /// From pending to available.
    pub create_ms: u64,
    /// From attaching to attached.
    pub attach_ms: u64,
    /// From detaching to gone.
    pub detach_ms: u64,
    /// From stopping to stopped.
    pub stop_ms: u64,
    /// From pending to running, for an instance that was stopped.
    pub start_ms: u64,
    /// From shutting-down to terminated.
    pub terminate_ms: u64,
    /// How long a terminated instance is described.
    pub forget_ms: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            create_ms: 1_000,
            attach_ms: 1_500,
            detach_ms: 1_200,
            stop_ms: 5_000,
            start_ms: 5_000,
            terminate_ms: 5_000,
            // "approximately one hour": https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_TerminateInstances.html
            forget_ms: 3_600_000,
        }
    }
}

/// Something that will happen by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transition {
    /// When, in milliseconds.
    pub due_ms: u64,
    /// What.
    pub event: Event,
}

/// What happens by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A pending interface becomes available.
    Available(EniId),
    /// An instance gets its device.
    Attached(AttachmentId),
    /// An attachment is over; its interface becomes available.
    Detached(AttachmentId),
    /// An instance runs again.
    Started(InstanceId),
    /// An instance is stopped.
    Stopped(InstanceId),
    /// An instance is terminated; its interfaces go or become available.
    Terminated(InstanceId),
    /// A terminated instance is described no longer.
    Forgotten(InstanceId),
}

impl Vpc {
    /// All that will happen by itself, the earliest first.
    pub fn pending(&self) -> Vec<Transition> {
        let enis = self.enis.values().filter_map(Eni::transition);
        let instances = self
            .instances
            .values()
            .filter_map(|instance| instance.state.transition(&instance.id));
        let mut all: Vec<Transition> = enis.chain(instances).collect();
        all.sort();
        all
    }

    /// Makes `transition` happen now; nothing happens if it no longer can.
    pub fn fire(&mut self, transition: &Transition) {
        let Transition { due_ms, event } = transition;
        match event {
            Event::Available(_) | Event::Attached(_) | Event::Detached(_) => {
                self.settle_eni(event, *due_ms);
            }
            Event::Started(id)
            | Event::Stopped(id)
            | Event::Terminated(id)
            | Event::Forgotten(id) => {
                let state = self.instance(id).map(|instance| instance.state);
                let next = state.and_then(|state| state.transition(id));
                if next.is_some_and(|next| next.event == *event) {
                    self.settle_instance(id, *due_ms);
                }
            }
        }
    }

    /// The end of what an interface was doing.
    fn settle_eni(&mut self, event: &Event, now_ms: u64) {
        let due = |eni: &&Eni| eni.transition().is_some_and(|t| t.event == *event);
        let Some(id) = self.enis.values().find(due).map(|eni| eni.id.clone()) else {
            return;
        };
        self.remember_eni(&id, now_ms);
        if let Some(eni) = self.enis.get_mut(&id) {
            eni.settle();
        }
    }

    /// Makes everything happen that is due at `now_ms`, and says what did.
    pub fn advance(&mut self, now_ms: u64) -> Vec<Transition> {
        let mut done = Vec::new();
        loop {
            let pending = self.pending().into_iter();
            let due: Vec<Transition> = pending.take_while(|t| t.due_ms <= now_ms).collect();
            if due.is_empty() {
                return done;
            }
            for transition in &due {
                self.fire(transition);
            }
            done.extend(due);
        }
    }
}

impl Eni {
    /// The end of what it was doing.
    fn settle(&mut self) {
        match &mut self.state {
            EniState::Pending { .. } => self.state = EniState::Available,
            EniState::Available => {}
            EniState::InUse(attachment) => match attachment.state {
                AttachmentState::Attaching { .. } => attachment.state = AttachmentState::Attached,
                AttachmentState::Attached => {}
                AttachmentState::Detaching { .. } => self.state = EniState::Available,
            },
        }
    }

    fn transition(&self) -> Option<Transition> {
        match &self.state {
            EniState::Pending { due_ms } => Some(Transition {
                due_ms: *due_ms,
                event: Event::Available(self.id.clone()),
            }),
            EniState::Available => None,
            EniState::InUse(attachment) => match attachment.state {
                AttachmentState::Attaching { due_ms } => Some(Transition {
                    due_ms,
                    event: Event::Attached(attachment.id.clone()),
                }),
                AttachmentState::Attached => None,
                AttachmentState::Detaching { due_ms } => Some(Transition {
                    due_ms,
                    event: Event::Detached(attachment.id.clone()),
                }),
            },
        }
    }
}

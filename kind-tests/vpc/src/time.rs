//! What happens by itself: transitions that are due, fired by a clock or, in a model, in any order.

use crate::{AttachmentId, AttachmentState, Eni, EniId, EniState, Vpc};

/// How long EC2 takes for what it does in the background, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Delays {
    /// From pending to available.
    pub create_ms: u64,
    /// From attaching to attached.
    pub attach_ms: u64,
    /// From detaching to gone.
    pub detach_ms: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            create_ms: 1_000,
            attach_ms: 1_500,
            detach_ms: 1_200,
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
}

impl Vpc {
    /// All that will happen by itself, the earliest first.
    pub fn pending(&self) -> Vec<Transition> {
        let mut all: Vec<Transition> = self.enis.values().filter_map(Eni::transition).collect();
        all.sort();
        all
    }

    /// Makes `transition` happen now; nothing happens if it no longer can.
    pub fn fire(&mut self, transition: &Transition) {
        let due = |eni: &&mut Eni| {
            eni.transition()
                .is_some_and(|t| t.event == transition.event)
        };
        let Some(id) = self.enis.values_mut().find(due).map(|eni| eni.id.clone()) else {
            return;
        };
        self.remember_eni(&id, transition.due_ms);
        let Some(eni) = self.enis.get_mut(&id) else {
            return;
        };
        match (&transition.event, &mut eni.state) {
            (Event::Attached(_), EniState::InUse(attachment)) => {
                attachment.state = AttachmentState::Attached;
            }
            (Event::Available(_) | Event::Detached(_) | Event::Attached(_), state) => {
                *state = EniState::Available;
            }
        }
    }

    /// Makes everything happen that is due at `now_ms`, and says what did.
    pub fn advance(&mut self, now_ms: u64) -> Vec<Transition> {
        let due: Vec<Transition> = self
            .pending()
            .into_iter()
            .filter(|t| t.due_ms <= now_ms)
            .collect();
        for transition in &due {
            self.fire(transition);
        }
        due
    }
}

impl Eni {
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

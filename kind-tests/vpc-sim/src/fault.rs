//! What is ordered to go wrong: how often, and for which calls and messages.

use serde::{Deserialize, Serialize};

mod call;
mod dhcp;

pub(crate) use call::{Fault, Refuse};
pub(crate) use dhcp::{DhcpFault, Sending};

/// One kind of order to fail.
pub(crate) trait Order: Clone {
    /// What it may be for.
    type Event;
    /// What those are.
    const HITS: &'static str;

    fn count(&self) -> &Count;
    fn count_mut(&mut self) -> &mut Count;
    /// What the fault is of, in a sentence.
    fn name(&self) -> String;
    /// Whether it can do what it says, beside its count.
    fn check(&self) -> Result<(), Pointless>;
    fn is_for(&self, event: &Self::Event) -> bool;
}

/// How often an order lets pass and hits what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Count {
    /// By what it is forgotten; given when it is ordered.
    #[serde(default)]
    id: u64,
    /// How many pass first.
    #[serde(default)]
    skip: u32,
    /// How many it then hits; `None` is every one until the fault is forgotten.
    #[serde(default = "once")]
    times: Option<u32>,
    /// How many it has hit.
    #[serde(default)]
    hits: u32,
}

// What serde asks for is the type of the member.
#[allow(clippy::unnecessary_wraps)]
const fn once() -> Option<u32> {
    Some(1)
}

impl Count {
    fn check(self) -> Result<(), Pointless> {
        match self {
            Self { times: Some(0), .. } => Err(Pointless::NoTimes),
            Self { id: 0, hits: 0, .. } => Ok(()),
            _ => Err(Pointless::Told),
        }
    }

    fn is_over(self) -> bool {
        self.times == Some(0)
    }

    /// Whether not all was done that was ordered. An order for every one has done it when it hit one.
    fn is_unspent(self) -> bool {
        match self.times {
            Some(left) => left > 0,
            None => self.hits == 0,
        }
    }
}

/// Why an order could never do what it says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Pointless {
    #[error("{0} has no parameter {1}, so that the fault would hit no call")]
    NoParameter(&'static str, String),
    #[error("the fault does nothing: it needs delayMs, takesMs, refuse or replyLost")]
    NoEffect,
    #[error("the fault hits nothing: times is 0")]
    NoTimes,
    #[error("{0} begins nothing that could take takesMs")]
    TakesNoTime(&'static str),
    #[error("a call that is refused begins nothing that could take takesMs")]
    RefusedTakesNoTime,
    #[error("id and hits are not ordered but told")]
    Told,
    #[error("status {0} refuses nothing")]
    Status(u16),
    #[error("answers is one answer as it is, so that the fault does nothing")]
    AsItIs,
    #[error("{0} is not answered, so that there is nothing to change")]
    NoAnswer(&'static str),
    #[error("{0} needs a message of {1}")]
    OfVersion(&'static str, &'static str),
}

/// The faults that are ordered, in order, and how many there have been.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Faults<F> {
    ordered: Vec<F>,
    count: u64,
}

impl<F> Default for Faults<F> {
    fn default() -> Self {
        Self {
            ordered: Vec::new(),
            count: 0,
        }
    }
}

impl<F: Order> Faults<F> {
    /// The id of the new fault.
    pub(crate) fn order(&mut self, mut fault: F) -> Result<u64, Pointless> {
        fault.count().check()?;
        fault.check()?;
        self.count += 1;
        fault.count_mut().id = self.count;
        self.ordered.push(fault);
        Ok(self.count)
    }

    pub(crate) fn clear(&mut self) {
        self.ordered.clear();
    }

    /// Takes one fault away, spent or not; the others stay.
    pub(crate) fn forget(&mut self, id: u64) -> Option<F> {
        let at = self
            .ordered
            .iter()
            .position(|fault| fault.count().id == id)?;
        Some(self.ordered.remove(at))
    }

    /// The faults that may still hit something, as they stand.
    pub(crate) fn standing(&self) -> impl Iterator<Item = &F> {
        self.ordered.iter().filter(|fault| !fault.count().is_over())
    }

    /// A sentence for each fault that has not done what was ordered: a test that ordered it has not shown what it says.
    pub(crate) fn unspent(&self) -> impl Iterator<Item = String> {
        let unspent = self
            .ordered
            .iter()
            .filter(|fault| fault.count().is_unspent());
        unspent.map(|fault| {
            let Count { times, hits, .. } = fault.count();
            let wanted = times.map_or(1, |left| left + hits);
            format!("{} has hit {hits} of {wanted} {}", fault.name(), F::HITS)
        })
    }

    /// The oldest fault for this event that is not over, unless it lets the event pass.
    pub(crate) fn take(&mut self, event: &F::Event) -> Option<F> {
        let mut standing = self
            .ordered
            .iter_mut()
            .filter(|fault| !fault.count().is_over());
        let fault = standing.find(|fault| fault.is_for(event))?;
        let count = fault.count_mut();
        if count.skip > 0 {
            count.skip -= 1;
            return None;
        }
        count.times = count.times.map(|times| times - 1);
        count.hits += 1;
        Some(fault.clone())
    }
}

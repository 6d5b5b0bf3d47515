//! How the keeper of leases is reached.

use std::{
    collections::BTreeMap,
    sync::mpsc::{Receiver, Sender, channel},
};

use node_agent_core::{
    dhcp::{BootTime, Times},
    mac::Mac,
    plan::Keep,
};
use tokio::sync::mpsc;

use super::client::Family;

/// Something to do.
pub(super) enum Command {
    /// These are the devices in pods, and no others.
    Keep(BTreeMap<Mac, Keep>),
    /// The lease of a device is given back; who waits goes on when that is done.
    Release(Mac, Sender<()>),
    /// A person asks.
    Show(Sender<Vec<Kept>>),
}

/// How to reach the keeper.
#[derive(Debug, Clone)]
pub struct Handle(mpsc::UnboundedSender<Command>);

/// What the keeper hears.
pub struct Commands(pub(super) mpsc::UnboundedReceiver<Command>);

/// A lease as `eniclaim-agent status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The device.
    pub mac: Mac,
    /// The family.
    pub family: Family,
    /// The name of its state in the RFC.
    pub state: &'static str,
    /// When it is prolonged and ends.
    pub times: Option<Times>,
    /// When that was looked at.
    pub now: BootTime,
}

/// A keeper's both ends.
pub fn handle() -> (Handle, Commands) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Handle(sender), Commands(receiver))
}

impl Handle {
    /// The leases of these devices are to be kept, and no others.
    pub fn keep(&self, wanted: BTreeMap<Mac, Keep>) {
        self.send(Command::Keep(wanted));
    }

    /// Gives the leases of a device back; the receiver ends when that is done.
    pub fn release(&self, mac: Mac) -> Receiver<()> {
        let (done, wait) = channel();
        self.send(Command::Release(mac, done));
        wait
    }

    /// The leases that are kept; the answer may take a moment.
    pub fn show(&self) -> Receiver<Vec<Kept>> {
        let (answer, kept) = channel();
        self.send(Command::Show(answer));
        kept
    }

    fn send(&self, command: Command) {
        // Without a keeper, in tests and while the agent ends, nobody hears it.
        drop(self.0.send(command));
    }
}

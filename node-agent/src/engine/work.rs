//! Having orders done: each in the move lane, on a thread that may block, and its outcome back as a fact.

use cni::{
    CniError,
    error::code,
    protocol::{Added, AddedAddress, Reply},
};
use node_agent_core::{
    claim::{Claim, ClaimKey, Interface},
    facts::{AskId, Plug, PlugState, Sandbox, Wish},
};
use tokio::time::Instant;

use crate::{
    engine::{Engine, scan::Scan},
    error::Error,
    journal::Journal,
    kernel::{link::Device, namespace::Namespace},
    metrics::Outcome,
    plug::{Eni, Failed, Node, home, plug},
};

/// After a failed way home the next attempt waits this long, then twice as long, and so on.
const FIRST_RETRY: u64 = 1_000;
const LONGEST_RETRY: u64 = 30_000;

/// Something that was ordered is over.
pub(super) enum Done {
    /// A look at the host.
    Scan(Result<Scan, Error>),
    /// A plug.
    Plug {
        id: AskId,
        sandbox: Sandbox,
        interface: Interface,
        since: Instant,
        outcome: Result<Device, Failed>,
    },
    /// A way home.
    Home {
        sandbox: Sandbox,
        outcome: Result<bool, Error>,
    },
}

impl Engine {
    pub(super) fn start_plug(&mut self, id: AskId, key: &ClaimKey) {
        let (Some(ask), Some(claim)) = (self.facts.asks.get(&id), self.facts.claims.get(key))
        else {
            return;
        };
        let Some(netns) = self
            .callers
            .get(&id)
            .and_then(|caller| caller.netns.clone())
        else {
            return;
        };
        let Some(plug) = line(claim, netns.name()) else {
            return;
        };
        let (sandbox, interface) = (ask.sandbox.clone(), claim.interface.clone());
        // A plug that is there stays in the journal as it is until the steps are done.
        self.facts
            .plugs
            .entry(sandbox.clone())
            .or_insert_with(|| plug.clone());
        self.facts.busy.insert(plug.mac);
        let (node, journal) = (self.parts.node.clone(), self.parts.journal.clone());
        let since = Instant::now();
        self.spawn(move || {
            let outcome = plug_and_note(&node, &journal, &sandbox, plug, &netns, &interface);
            Done::Plug {
                id,
                sandbox,
                interface,
                since,
                outcome,
            }
        });
    }

    pub(super) fn start_home(&mut self, sandbox: Sandbox) {
        let Some(plug) = self.facts.plugs.get_mut(&sandbox) else {
            return;
        };
        plug.state = PlugState::Leaving;
        let plug = plug.clone();
        self.facts.busy.insert(plug.mac);
        let asked = self
            .facts
            .asks
            .iter()
            .find(|(_, ask)| ask.sandbox == sandbox && ask.wish == Wish::Del);
        let netns = asked
            .and_then(|(id, _)| self.callers.get(id))
            .and_then(|caller| caller.netns.clone());
        let (node, journal) = (self.parts.node.clone(), self.parts.journal.clone());
        self.spawn(move || {
            let outcome = home_and_note(&node, &journal, &sandbox, &plug, netns);
            Done::Home { sandbox, outcome }
        });
    }

    fn spawn(&self, work: impl FnOnce() -> Done + Send + 'static) {
        let (lane, done) = (self.lane.clone(), self.done.0.clone());
        tokio::spawn(async move {
            let _lane = lane.lock().await;
            if let Ok(outcome) = tokio::task::spawn_blocking(work).await {
                // The engine is gone when nobody listens.
                drop(done.send(outcome));
            }
        });
    }

    pub(super) fn finish(&mut self, done: Done) {
        match done {
            Done::Scan(scan) => self.finish_scan(scan),
            Done::Plug {
                id,
                sandbox,
                interface,
                since,
                outcome,
            } => {
                self.moved(&sandbox);
                match outcome {
                    Ok(device) => self.plugged(id, &sandbox, &interface, &device, since),
                    Err(failed) => self.not_plugged(id, &sandbox, &failed),
                }
            }
            Done::Home { sandbox, outcome } => {
                self.moved(&sandbox);
                self.went_home(&sandbox, outcome);
            }
        }
    }

    fn moved(&mut self, sandbox: &Sandbox) {
        if let Some(plug) = self.facts.plugs.get(sandbox) {
            self.facts.busy.remove(&plug.mac);
            self.scan.moved(plug.mac);
        }
        // What the kernel told meanwhile about this device is looked at once more.
        self.scan.needed = true;
    }

    fn plugged(
        &mut self,
        id: AskId,
        sandbox: &Sandbox,
        interface: &Interface,
        device: &Device,
        since: Instant,
    ) {
        let Some(plug) = self.facts.plugs.get_mut(sandbox) else {
            return;
        };
        plug.state = PlugState::Plugged;
        self.facts.devices.remove(&plug.mac);
        self.parts.metrics.plug_took(since.elapsed().as_secs_f64());
        if self.send(id, Reply::Added(added(interface, device))) {
            return self.parts.metrics.add(Outcome::Success);
        }
        // The caller hung up: what was done for it is undone.
        tracing::info!(?sandbox, "nobody waits for the interface any more");
        if let Some(plug) = self.facts.plugs.get_mut(sandbox) {
            plug.state = PlugState::Leaving;
        }
    }

    fn not_plugged(&mut self, id: AskId, sandbox: &Sandbox, failed: &Failed) {
        tracing::warn!(?sandbox, error = %failed.error, undo = ?failed.undo, "the device was not plugged");
        self.parts.metrics.add(Outcome::Failure);
        match (
            &failed.undo,
            self.facts
                .plugs
                .get(sandbox)
                .map(|plug| (plug.mac, plug.claim.clone())),
        ) {
            (None, Some((mac, claim))) => {
                self.facts.plugs.remove(sandbox);
                if !matches!(failed.error, Error::NoDevice { .. }) {
                    let now = self.now();
                    self.facts.devices.insert(mac, now);
                }
                let error =
                    CniError::new(code::KERNEL, format!("EniClaim {claim}: {}", failed.error));
                self.send(id, Reply::Failed(error));
            }
            (Some(_), known) => {
                self.retry_later(sandbox);
                let claim =
                    known.map_or_else(String::new, |(_, claim)| format!("EniClaim {claim}: "));
                self.send(
                    id,
                    Reply::Failed(CniError::new(
                        code::KERNEL,
                        format!("{claim}{}", failed.error),
                    )),
                );
            }
            (None, None) => {}
        }
    }

    fn went_home(&mut self, sandbox: &Sandbox, outcome: Result<bool, Error>) {
        match outcome {
            Ok(found) => {
                self.parts.metrics.home(Outcome::Success);
                if let (Some(plug), true) = (self.facts.plugs.remove(sandbox), found) {
                    let now = self.now();
                    self.facts.devices.insert(plug.mac, now);
                }
                tracing::info!(?sandbox, found, "the device is home");
            }
            Err(error) => {
                self.parts.metrics.home(Outcome::Failure);
                tracing::warn!(?sandbox, %error, "the device did not come home");
                self.retry_later(sandbox);
            }
        }
    }

    fn retry_later(&mut self, sandbox: &Sandbox) {
        let now = self.now();
        if let Some(plug) = self.facts.plugs.get_mut(sandbox) {
            plug.state = PlugState::Leaving;
            let pause = FIRST_RETRY
                .checked_shl(plug.failures)
                .unwrap_or(LONGEST_RETRY)
                .min(LONGEST_RETRY);
            plug.failures += 1;
            plug.retry_at = now + pause;
        }
    }
}

/// What the journal says of a plug that begins.
fn line(claim: &Claim, netns: &str) -> Option<Plug> {
    let (eni, attachment) = (claim.eni.clone()?, claim.attachment.clone()?);
    Some(Plug {
        claim: claim.key.clone(),
        attachment: attachment.id,
        mac: eni.mac,
        eni: eni.id,
        pod_uid: claim.pod_uid.clone()?,
        netns: netns.to_owned(),
        state: PlugState::Plugging,
        failures: 0,
        retry_at: 0,
        alive: true,
    })
}

/// The journal first: whatever happens then, the next agent knows where the device may be.
fn plug_and_note(
    node: &Node,
    journal: &Journal,
    sandbox: &Sandbox,
    mut line: Plug,
    netns: &Namespace,
    interface: &Interface,
) -> Result<Device, Failed> {
    let eni = Eni {
        mac: line.mac,
        id: line.eni.clone(),
    };
    let undone = |error| Failed {
        error,
        undo: home(node, Some(netns), &eni).err(),
    };
    journal.write(sandbox, &line).map_err(undone)?;
    let outcome = plug(node, netns, &eni, interface).and_then(|device| {
        line.state = PlugState::Plugged;
        journal
            .write(sandbox, &line)
            .map_err(undone)
            .map(|()| device)
    });
    outcome.map_err(|mut failed| {
        if failed.undo.is_none() {
            failed.undo = journal.remove(sandbox).err();
        }
        failed
    })
}

fn home_and_note(
    node: &Node,
    journal: &Journal,
    sandbox: &Sandbox,
    plug: &Plug,
    netns: Option<Namespace>,
) -> Result<bool, Error> {
    // Written down, so that a crash on the way does not make it look like a plug that is to stay.
    journal.write(sandbox, plug)?;
    let netns = match netns {
        Some(netns) => Some(netns),
        None => Namespace::alive_at(&plug.netns)?,
    };
    let found = home(
        node,
        netns.as_ref(),
        &Eni {
            mac: plug.mac,
            id: plug.eni.clone(),
        },
    )?;
    journal.remove(sandbox)?;
    Ok(found)
}

fn added(interface: &Interface, device: &Device) -> Added {
    let addresses = interface.addresses.iter().map(|address| AddedAddress {
        address: format!("{}/{}", address.ip, address.prefix),
        gateway: address.gateway.to_string(),
    });
    Added {
        name: device.name.clone(),
        mac: device.mac.to_string(),
        mtu: device.mtu,
        pci_id: device.pci.clone(),
        addresses: addresses.collect(),
    }
}

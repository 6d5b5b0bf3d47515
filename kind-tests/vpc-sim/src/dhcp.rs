//! DHCP of both versions on the wires of the VPC: each message is answered by the rules, changed by a fault, and logged.

use std::{convert::Infallible, net::IpAddr, rc::Rc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{task::spawn_local, time::sleep};
use vpc::{EniId, Vpc, dhcp::Message};

use crate::{
    SimError,
    fault::{DhcpFault, Faults, Sending},
    state::{Sim, World, now_ms},
    wires::vpc_end,
};

mod members;
mod packet;
mod socket;
mod v4;
mod v6;

pub(crate) use members::Members;
pub(crate) use packet::Told;

use packet::Asked;
use socket::{Datagram, Socket};

/// What there is of DHCP beside the rules and their settings.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Dhcp {
    /// All messages of clients that came in by a wire and could be read, oldest first.
    pub(crate) heard: Vec<Heard>,
    /// What shall go wrong.
    pub(crate) faults: Faults<DhcpFault>,
}

/// A client's message as the log shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Heard {
    /// Its place in the log, from 0.
    pub(crate) index: usize,
    /// When it came, in milliseconds since the epoch.
    pub(crate) time_ms: u64,
    /// Whose wire it came by.
    pub(crate) eni: EniId,
    pub(crate) message: Message,
    pub(crate) xid: u32,
    /// Where it came from, and where it was sent: whether it was broadcast.
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    /// `chaddr`, or the client's DUID.
    pub(crate) client: Option<String>,
    /// The server that it names.
    pub(crate) server_id: Option<String>,
    /// Addresses and prefixes that it has or asks for.
    pub(crate) addresses: Vec<String>,
    /// What is sent in return, as it was changed by a fault.
    pub(crate) answers: Vec<String>,
}

/// The sockets of the servers.
pub(crate) struct Sockets {
    v4: Socket,
    v6: Socket,
}

impl Sockets {
    /// Opens them in the namespace that this thread is in.
    pub(crate) fn open() -> Result<Self, SimError> {
        Ok(Self {
            v4: Socket::v4()?,
            v6: Socket::v6()?,
        })
    }

    /// Who makes the wires be heard by these sockets.
    pub(crate) fn members(&self) -> Result<Members, SimError> {
        Ok(Members::new(self.v6.duplicate()?))
    }

    /// Answers until the process ends.
    pub(crate) fn serve(self, world: &World) {
        for socket in [self.v4, self.v6] {
            spawn_local(serve(world.clone(), Rc::new(socket)));
        }
    }
}

async fn serve(world: World, socket: Rc<Socket>) -> Infallible {
    /// How long a socket that fails is left alone.
    const REST: Duration = Duration::from_millis(100);
    loop {
        match socket.receive().await {
            Ok(datagram) => hear(&world, &socket, &datagram),
            Err(error) => {
                tracing::warn!(%error, "a DHCP message cannot be received");
                sleep(REST).await;
            }
        }
    }
}

fn hear(world: &World, socket: &Rc<Socket>, datagram: &Datagram) {
    let wire = socket.wire(datagram.interface);
    let eni = wire.and_then(|wire| world.look(|sim| owner(&sim.vpc, &wire)));
    let Some((eni, asked)) = eni.zip(Asked::read(datagram)) else {
        tracing::info!(from = %datagram.from, "a datagram is no DHCP message of an ENI");
        return;
    };
    let sent = world.note(|sim| answer(sim, &eni, &asked, datagram));
    world.keep();
    for sending in sent {
        spawn_local(send(
            socket.clone(),
            datagram.interface,
            datagram.from,
            sending,
        ));
    }
}

/// The interface whose wire ends there.
fn owner(vpc: &Vpc, wire: &str) -> Option<EniId> {
    let found = vpc.enis().find(|eni| vpc_end(&eni.id) == wire);
    found.map(|eni| eni.id.clone())
}

/// What is sent to the interface, and the log of it.
fn answer(sim: &mut Sim, eni: &EniId, asked: &Asked, datagram: &Datagram) -> Vec<Sending> {
    let event = (eni.clone(), asked.message());
    let sent = asked.told(&sim.vpc, eni).map(|told| {
        let fault = sim.dhcp.faults.take(&event);
        let plain = |told| Sending {
            told,
            delay: Duration::ZERO,
            truncate_to: None,
        };
        fault.map_or_else(|| vec![plain(told.clone())], |fault| fault.changed(&told))
    });
    let sent = sent.unwrap_or_default();
    let answers: Vec<String> = sent
        .iter()
        .map(|sending| sending.told.name().to_owned())
        .collect();
    let (eni, message) = event;
    tracing::info!(%eni, message = message.name(), ?answers, "DHCP");
    sim.dhcp.heard.push(Heard {
        index: sim.dhcp.heard.len(),
        time_ms: now_ms(),
        eni,
        message,
        xid: asked.xid(),
        from: datagram.from,
        to: datagram.to,
        client: asked.client(),
        server_id: asked.server_id(),
        addresses: asked.addresses(),
        answers,
    });
    sent
}

async fn send(socket: Rc<Socket>, interface: u32, from: IpAddr, sending: Sending) {
    let Sending {
        told,
        delay,
        truncate_to,
    } = sending;
    // Those that do not wait leave in their order.
    if !delay.is_zero() {
        sleep(delay).await;
    }
    let outcome = told.bytes().and_then(|mut bytes| {
        bytes.truncate(truncate_to.unwrap_or(usize::MAX));
        let (source, to) = told.way(from);
        socket.send(interface, source, to, &bytes)
    });
    if let Err(error) = outcome {
        let error = error.chain();
        tracing::warn!(error, "a DHCP message cannot be sent");
    }
}

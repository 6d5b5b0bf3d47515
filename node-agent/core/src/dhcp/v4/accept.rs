//! Which packets a client believes, in which state.

use std::net::Ipv4Addr;

use super::{
    Client, Mode,
    lease::{Binding, Exchange, Lease, Offer, State},
    packet::{MessageType, Packet},
    parameters::{Parameters, is_host, is_usable},
    timing::{LEAST_LEASE, term},
};
use crate::dhcp::{Ignored, Moment};

/// What a packet means that is believed.
pub(super) enum Answer {
    /// An offer to take.
    Offer(Offer),
    /// An offer that is not for the claim's address.
    Differs(Offer),
    /// A lease.
    Ack(Binding),
    /// A refusal.
    Nak,
}

/// Who may answer a request.
#[derive(Clone, Copy)]
enum From {
    /// This server.
    One(Ipv4Addr),
    /// Any.
    Any,
}

/// What a packet means to a client with this lease.
pub(super) fn judge(
    client: &Client,
    lease: &Lease,
    packet: &Packet,
    at: Moment,
) -> Result<Answer, Ignored> {
    match &lease.state {
        State::Selecting(exchange) => {
            let server = sender(client, exchange, packet, &[MessageType::Offer], From::Any)?;
            offer(client, packet, server)
        }
        State::Requesting(exchange, Offer { address, server }) => {
            reply(client, exchange, packet, *address, From::One(*server), at)
        }
        State::Rebooting(exchange, binding) => {
            let held = binding.as_ref().map(|binding| binding.parameters.address);
            let address = held.or(lease.remembered).ok_or(Ignored::Unexpected)?;
            reply(client, exchange, packet, address, From::Any, at)
        }
        State::Renewing(exchange, binding) => {
            let Parameters {
                address, server, ..
            } = binding.parameters;
            reply(client, exchange, packet, address, From::One(server), at)
        }
        State::Rebinding(exchange, binding) => {
            let address = binding.parameters.address;
            reply(client, exchange, packet, address, From::Any, at)
        }
        State::Init { .. } | State::Probing { .. } | State::Bound(_) | State::Released => {
            Err(Ignored::Unexpected)
        }
    }
}

fn offer(client: &Client, packet: &Packet, server: Ipv4Addr) -> Result<Answer, Ignored> {
    let lease_time = packet.options.lease_time.ok_or(Ignored::Incomplete)?;
    if u64::from(lease_time) * 1_000 < LEAST_LEASE {
        return Err(Ignored::TooShort);
    }
    let address = address(packet, server)?;
    let offer = Offer { address, server };
    match client.mode {
        Mode::Maintain(claimed) if claimed != address => Ok(Answer::Differs(offer)),
        Mode::Maintain(_) | Mode::Configure => Ok(Answer::Offer(offer)),
    }
}

fn reply(
    client: &Client,
    exchange: &Exchange,
    packet: &Packet,
    asked_for: Ipv4Addr,
    from: From,
    at: Moment,
) -> Result<Answer, Ignored> {
    let types = [MessageType::Ack, MessageType::Nak];
    let server = sender(client, exchange, packet, &types, from)?;
    if packet.message_type == MessageType::Nak {
        return Ok(Answer::Nak);
    }
    if address(packet, server)? != asked_for {
        return Err(Ignored::OtherAddress);
    }
    let options = &packet.options;
    let lease_time = options.lease_time.ok_or(Ignored::Incomplete)?;
    let times = (lease_time, options.renewal_time, options.rebinding_time);
    Ok(Answer::Ack(Binding {
        term: term(times, exchange.begun, at).ok_or(Ignored::TooShort)?,
        parameters: Parameters::new(asked_for, server, options),
    }))
}

/// The server that answers this client with one of these types.
fn sender(
    client: &Client,
    exchange: &Exchange,
    packet: &Packet,
    types: &[MessageType],
    from: From,
) -> Result<Ipv4Addr, Ignored> {
    // A server that repeats the client identifier repeats the client's (RFC 6842).
    let id = packet.options.client_id.as_ref();
    let ours = (packet.xid, packet.chaddr) == (exchange.xid, client.mac)
        && id.is_none_or(|id| *id == client.id());
    if !ours {
        return Err(Ignored::NotOurs);
    }
    if !types.contains(&packet.message_type) {
        return Err(Ignored::Unexpected);
    }
    let server = packet.options.server.ok_or(Ignored::Incomplete)?;
    match from {
        From::One(asked) if asked != server => Err(Ignored::OtherServer),
        From::One(_) | From::Any if is_host(server) => Ok(server),
        From::One(_) | From::Any => Err(Ignored::Impossible),
    }
}

/// The address that the server gives. It is not its own.
fn address(packet: &Packet, server: Ipv4Addr) -> Result<Ipv4Addr, Ignored> {
    let address = packet.yiaddr;
    if is_usable(address) && address != server {
        Ok(address)
    } else {
        Err(Ignored::Impossible)
    }
}

//! Which packets a client believes, in which state.

use super::{
    Client,
    association::{Given, bind},
    lease::{Advertiser, Binding, Exchange, Lease, State},
    packet::{Association, MessageType, Options, Packet, Status},
    parameters::{Duid, Parameters, Resources},
};
use crate::dhcp::{Ignored, Moment};

/// What a packet means that is believed.
pub(super) enum Answer {
    /// A server that has something to give.
    Advertise(Advertiser),
    /// A server that has nothing to give; what it says about pauses counts all the same.
    Nothing,
    /// What a server would give is not the claim's.
    Differs(Resources),
    /// Leases, and what of them is not the claim's.
    Leases(Binding, Resources),
    /// The leases are right for this link.
    Confirmed,
    /// The server does not know of them, or they are not right for this link.
    Refused,
    /// Information only.
    Information(Parameters, Option<u32>),
}

/// Who may answer.
#[derive(Clone, Copy)]
enum From<'a> {
    One(&'a Duid),
    Any,
}

/// What a packet means to a client with this lease.
pub(super) fn judge(
    client: &Client,
    lease: &Lease,
    packet: &Packet,
    at: Moment,
) -> Result<Answer, Ignored> {
    let from = |exchange: &Exchange, message_type, from| {
        sender(client, exchange, packet, message_type, from)
    };
    let options = &packet.options;
    let given = Given::new(options, &client.mode);
    match &lease.state {
        State::Soliciting(exchange, _) => {
            let server = from(exchange, MessageType::Advertise, From::Any)?;
            Ok(advertisement(options, given, server))
        }
        State::Requesting(exchange, asked) => {
            let server = from(exchange, MessageType::Reply, From::One(asked))?;
            reply(given, (exchange, None), options, server, at)
        }
        State::Renewing(exchange, binding) => {
            let asked = From::One(&binding.parameters.server);
            let server = from(exchange, MessageType::Reply, asked)?;
            reply(given, (exchange, Some(binding)), options, server, at)
        }
        State::Rebinding(exchange, binding) => {
            let server = from(exchange, MessageType::Reply, From::Any)?;
            reply(given, (exchange, Some(binding)), options, server, at)
        }
        State::Confirming(exchange, binding) => {
            let server = from(exchange, MessageType::Reply, From::Any)?;
            if !binding.prefixes.is_empty() {
                return reply(given, (exchange, Some(binding)), options, server, at);
            }
            Ok(match options.status {
                Status::NotOnLink => Answer::Refused,
                Status::Success
                | Status::NothingAvailable
                | Status::NoBinding
                | Status::Failure => Answer::Confirmed,
            })
        }
        State::Informing(exchange, _) => {
            let server = from(exchange, MessageType::Reply, From::Any)?;
            let parameters = Parameters::new(server, options);
            Ok(Answer::Information(parameters, options.refresh_time))
        }
        State::Init { .. }
        | State::Probing { .. }
        | State::Bound(_)
        | State::Informed { .. }
        | State::Released => Err(Ignored::Unexpected),
    }
}

/// RFC 8415 section 18.2.9: a server that has nothing to give is not one.
fn advertisement(options: &Options, given: Given, server: Duid) -> Answer {
    if given.is_something() && options.status == Status::Success {
        Answer::Advertise(Advertiser {
            server,
            preference: options.preference,
        })
    } else if given.differing.is_empty() {
        Answer::Nothing
    } else {
        Answer::Differs(given.differing)
    }
}

/// RFC 8415 section 18.2.10.1.
fn reply(
    given: Given,
    (exchange, before): (&Exchange, Option<&Binding>),
    options: &Options,
    server: Duid,
    at: Moment,
) -> Result<Answer, Ignored> {
    let associations = [&options.addresses, &options.prefixes];
    let of_associations = associations.into_iter().flatten();
    let mut statuses = of_associations
        .map(|Association { status, .. }| *status)
        .chain([options.status]);
    let refuses = |status| matches!(status, Status::NoBinding | Status::NotOnLink);
    if statuses.any(refuses) {
        // Of a lease of another server it knows nothing, and that one may still hold.
        let stranger = before.is_some_and(|binding| binding.parameters.server != server);
        return if stranger {
            Err(Ignored::OtherServer)
        } else {
            Ok(Answer::Refused)
        };
    }
    let says_something = given.is_something() || !given.is_empty() && before.is_some();
    if options.status != Status::Success || !says_something {
        return match before {
            None if given.differing.is_empty() => Ok(Answer::Refused),
            None => Ok(Answer::Differs(given.differing)),
            Some(_) => Err(Ignored::Incomplete),
        };
    }
    let parameters = Parameters::new(server, options);
    let binding = bind(before, &given, parameters, options, exchange.begun, at);
    match (binding, given.is_something()) {
        (Some(binding), _) => Ok(Answer::Leases(binding, given.differing)),
        (None, true) => Err(Ignored::TooShort),
        // It took back everything.
        (None, false) => Ok(Answer::Refused),
    }
}

/// The server that answers this client with this type (RFC 8415 section 16).
fn sender(
    client: &Client,
    exchange: &Exchange,
    packet: &Packet,
    message_type: MessageType,
    from: From<'_>,
) -> Result<Duid, Ignored> {
    let Options {
        client_id,
        server_id,
        ..
    } = &packet.options;
    let ours = client_id.as_ref() == Some(&client.duid());
    if packet.xid != exchange.xid || !ours {
        return Err(Ignored::NotOurs);
    }
    if packet.message_type != message_type {
        return Err(Ignored::Unexpected);
    }
    let server = server_id.as_ref().ok_or(Ignored::Incomplete)?;
    match from {
        From::One(asked) if asked != server => Err(Ignored::OtherServer),
        From::One(_) | From::Any if server.is_possible() => Ok(server.clone()),
        From::One(_) | From::Any => Err(Ignored::Impossible),
    }
}

//! DHCPv6 from bytes and to bytes.

use std::net::Ipv6Addr;

use dhcproto::{
    Decodable, Decoder, Encodable,
    v6::{
        DhcpOption, DhcpOptions, IAAddr, IANA, IAPD, IAPrefix, MessageType, OptionCode, Status,
        StatusCode,
    },
};
use vpc::{
    Cidr6,
    dhcp::v6::{self, Answer, Asked, Association, Granted, Lease, Message, Told},
};

use crate::SimError;

/// `None`: it is no message of a client.
pub(super) fn read(bytes: &[u8], unicast: bool) -> Option<Asked> {
    let read = dhcproto::v6::Message::decode(&mut Decoder::new(bytes)).ok()?;
    let options = read.opts();
    Some(Asked {
        message: message(read.msg_type())?,
        xid: read.xid_num(),
        client: match options.get(OptionCode::ClientId) {
            Some(DhcpOption::ClientId(duid)) => Some(duid.clone()),
            _ => None,
        },
        server: match options.get(OptionCode::ServerId) {
            Some(DhcpOption::ServerId(duid)) => Some(duid.clone()),
            _ => None,
        },
        rapid_commit: options.get(OptionCode::RapidCommit).is_some(),
        unicast,
        addresses: options.iter().filter_map(addresses).collect(),
        prefixes: options.iter().filter_map(prefixes).collect(),
    })
}

fn message(kind: MessageType) -> Option<Message> {
    match kind {
        MessageType::Solicit => Some(Message::Solicit),
        MessageType::Request => Some(Message::Request),
        MessageType::Confirm => Some(Message::Confirm),
        MessageType::Renew => Some(Message::Renew),
        MessageType::Rebind => Some(Message::Rebind),
        MessageType::Release => Some(Message::Release),
        MessageType::Decline => Some(Message::Decline),
        MessageType::InformationRequest => Some(Message::InformationRequest),
        _ => None,
    }
}

fn addresses(option: &DhcpOption) -> Option<Association<Ipv6Addr>> {
    let DhcpOption::IANA(association) = option else {
        return None;
    };
    let held = |option: &DhcpOption| match option {
        DhcpOption::IAAddr(held) => Some(held.addr),
        _ => None,
    };
    Some(Association {
        id: association.id,
        holds: association.opts.iter().filter_map(held).collect(),
    })
}

fn prefixes(option: &DhcpOption) -> Option<Association<Cidr6>> {
    let DhcpOption::IAPD(association) = option else {
        return None;
    };
    let held = |option: &DhcpOption| match option {
        DhcpOption::IAPrefix(held) => Some(Cidr6::new(held.prefix_ip, held.prefix_len)),
        _ => None,
    };
    Some(Association {
        id: association.id,
        holds: association.opts.iter().filter_map(held).collect(),
    })
}

pub(super) fn written(told: &Told) -> Result<Vec<u8>, SimError> {
    let Told {
        answer,
        xid,
        client,
        server,
        status,
        addresses,
        prefixes,
        domain_name_servers,
    } = told;
    let kind = match answer {
        Answer::Advertise => MessageType::Advertise,
        Answer::Reply => MessageType::Reply,
    };
    let mut message = dhcproto::v6::Message::new(kind);
    message.set_xid_num(*xid);
    let options = message.opts_mut();
    options.insert(DhcpOption::ServerId(server.clone()));
    if let Some(client) = client {
        options.insert(DhcpOption::ClientId(client.clone()));
    }
    if let Some(status) = status {
        options.insert(reason(*status));
    }
    for Granted {
        id,
        renew_seconds,
        rebind_seconds,
        holds,
        status,
    } in addresses
    {
        options.insert(DhcpOption::IANA(IANA {
            id: *id,
            t1: *renew_seconds,
            t2: *rebind_seconds,
            opts: inside(holds.iter().map(address), *status),
        }));
    }
    for Granted {
        id,
        renew_seconds,
        rebind_seconds,
        holds,
        status,
    } in prefixes
    {
        options.insert(DhcpOption::IAPD(IAPD {
            id: *id,
            t1: *renew_seconds,
            t2: *rebind_seconds,
            opts: inside(holds.iter().map(prefix), *status),
        }));
    }
    if !domain_name_servers.is_empty() {
        options.insert(DhcpOption::DomainNameServers(domain_name_servers.clone()));
    }
    Ok(message.to_vec()?)
}

fn inside(holds: impl Iterator<Item = DhcpOption>, status: Option<v6::Status>) -> DhcpOptions {
    holds.chain(status.map(reason)).collect()
}

fn address(lease: &Lease<Ipv6Addr>) -> DhcpOption {
    DhcpOption::IAAddr(IAAddr {
        addr: lease.of,
        preferred_life: lease.preferred_seconds,
        valid_life: lease.valid_seconds,
        opts: DhcpOptions::new(),
    })
}

fn prefix(lease: &Lease<Cidr6>) -> DhcpOption {
    DhcpOption::IAPrefix(IAPrefix {
        preferred_lifetime: lease.preferred_seconds,
        valid_lifetime: lease.valid_seconds,
        prefix_len: lease.of.prefix(),
        prefix_ip: lease.of.base(),
        opts: DhcpOptions::new(),
    })
}

fn reason(status: v6::Status) -> DhcpOption {
    let status = match status {
        v6::Status::Success => Status::Success,
        v6::Status::UnspecFail => Status::UnspecFail,
        v6::Status::NoAddrsAvail => Status::NoAddrsAvail,
        v6::Status::NoBinding => Status::NoBinding,
        v6::Status::NotOnLink => Status::NotOnLink,
        v6::Status::NoPrefixAvail => Status::NoPrefixAvail,
    };
    DhcpOption::StatusCode(StatusCode {
        status,
        msg: String::new(),
    })
}

//! DHCPv4 from bytes and to bytes.

use std::net::Ipv4Addr;

use dhcproto::{
    Decodable, Decoder, Encodable,
    v4::{DhcpOption, Flags, HType, MAGIC, MIN_PACKET_SIZE, MessageType, Opcode, OptionCode},
};
use vpc::{
    Mac,
    dhcp::v4::{Answer, Asked, Message, Network, Told},
};

use crate::SimError;

/// Where the magic cookie begins, RFC 2131.
const COOKIE: usize = 236;

/// `None`: it is no message of a client on Ethernet.
pub(super) fn read(bytes: &[u8]) -> Option<Asked> {
    if !bytes.get(COOKIE..)?.starts_with(&MAGIC) {
        return None;
    }
    let read = dhcproto::v4::Message::decode(&mut Decoder::new(bytes)).ok()?;
    // With another length than it has room for, dhcproto's `chaddr` panics.
    if (read.opcode(), read.htype(), read.hlen()) != (Opcode::BootRequest, HType::Eth, 6) {
        return None;
    }
    let options = read.opts();
    Some(Asked {
        message: message(options.msg_type()?)?,
        xid: read.xid(),
        chaddr: Mac(read.chaddr().try_into().ok()?),
        client: some(read.ciaddr()),
        requested: match options.get(OptionCode::RequestedIpAddress) {
            Some(DhcpOption::RequestedIpAddress(address)) => some(*address),
            _ => None,
        },
        server: match options.get(OptionCode::ServerIdentifier) {
            Some(DhcpOption::ServerIdentifier(address)) => some(*address),
            _ => None,
        },
        broadcast: read.flags().broadcast(),
        relayed: some(read.giaddr()).is_some(),
    })
}

fn some(address: Ipv4Addr) -> Option<Ipv4Addr> {
    (!address.is_unspecified()).then_some(address)
}

fn message(kind: MessageType) -> Option<Message> {
    match kind {
        MessageType::Discover => Some(Message::Discover),
        MessageType::Request => Some(Message::Request),
        MessageType::Decline => Some(Message::Decline),
        MessageType::Release => Some(Message::Release),
        MessageType::Inform => Some(Message::Inform),
        _ => None,
    }
}

pub(super) fn written(told: &Told) -> Result<Vec<u8>, SimError> {
    let Told {
        answer,
        xid,
        chaddr,
        client,
        broadcast,
        address,
        lease_seconds,
        server,
        network,
        from: _,
        to: _,
    } = told;
    let or_none = |address: &Option<Ipv4Addr>| address.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let mut message = dhcproto::v4::Message::new_with_id(
        *xid,
        or_none(client),
        or_none(address),
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::UNSPECIFIED,
        &chaddr.0,
    );
    message.set_opcode(Opcode::BootReply);
    if *broadcast {
        message.set_flags(Flags::default().set_broadcast());
    }
    let kind = match answer {
        Answer::Offer => MessageType::Offer,
        Answer::Ack => MessageType::Ack,
        Answer::Nak => MessageType::Nak,
    };
    let mut options = vec![
        DhcpOption::MessageType(kind),
        DhcpOption::ServerIdentifier(*server),
    ];
    options.extend(lease_seconds.map(DhcpOption::AddressLeaseTime));
    options.extend(network.iter().flat_map(about));
    message.set_opts(options.into_iter().collect());
    let mut bytes = message.to_vec()?;
    // BOOTP's size, below which some clients and relays drop a message (RFC 1542, section 2.1).
    bytes.resize(bytes.len().max(MIN_PACKET_SIZE), 0);
    Ok(bytes)
}

fn about(network: &Network) -> Vec<DhcpOption> {
    let Network {
        subnet,
        domain_name_servers,
        domain_name,
        ntp_servers,
        mtu,
        host_name,
    } = network;
    let mut options = vec![
        DhcpOption::SubnetMask(subnet.mask()),
        DhcpOption::Router(vec![subnet.gateway()]),
        DhcpOption::BroadcastAddr(subnet.broadcast()),
        DhcpOption::InterfaceMtu(*mtu),
        DhcpOption::Hostname(host_name.clone()),
    ];
    // An option without a value is none.
    if !domain_name_servers.is_empty() {
        options.push(DhcpOption::DomainNameServer(domain_name_servers.clone()));
    }
    if !domain_name.is_empty() {
        options.push(DhcpOption::DomainName(domain_name.clone()));
    }
    if !ntp_servers.is_empty() {
        options.push(DhcpOption::NtpServers(ntp_servers.clone()));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discover(change: impl FnOnce(&mut Vec<u8>)) -> Option<Asked> {
        let mut bytes = vec![0; COOKIE];
        bytes[..3].copy_from_slice(&[1, 1, 6]);
        bytes[28..34].copy_from_slice(&[6, 0, 0, 0, 0, 1]);
        bytes.extend(MAGIC);
        bytes.extend([53, 1, 1, 255]);
        change(&mut bytes);
        read(&bytes)
    }

    #[test]
    fn message_of_a_client_is_read_and_anything_else_is_not() {
        let asked = discover(|_| ()).unwrap();
        assert_eq!(asked.message, Message::Discover);
        assert_eq!(asked.chaddr, Mac([6, 0, 0, 0, 0, 1]));
        assert!(
            discover(|bytes| bytes[2] = 200).is_none(),
            "length of chaddr"
        );
        assert!(discover(|bytes| bytes[0] = 2).is_none(), "a reply");
        assert!(discover(|bytes| bytes[1] = 32).is_none(), "InfiniBand");
        assert!(discover(|bytes| bytes[COOKIE] = 0).is_none(), "the cookie");
        assert!(
            discover(|bytes| bytes[COOKIE + 6] = 2).is_none(),
            "an offer"
        );
        assert!(discover(|bytes| bytes.truncate(COOKIE + 4)).is_none());
        assert!(discover(|bytes| bytes.truncate(100)).is_none());
    }
}

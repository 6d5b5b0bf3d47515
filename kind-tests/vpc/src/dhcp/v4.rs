//! DHCPv4 (RFC 2131) as the router of a subnet answers it.

use std::net::Ipv4Addr;

use crate::{Cidr, Eni, EniId, Mac, Vpc, world};

/// What every network carries. <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/network_mtu.html>
const MTU: u16 = 9001;

/// What a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// Who has an address?
    Discover,
    /// May I have, or keep, this one?
    Request,
    /// This one is somebody else's.
    Decline,
    /// I am done.
    Release,
    /// What else should I know?
    Inform,
}

/// What the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// An address that may be requested.
    Offer,
    /// It is leased.
    Ack,
    /// It is not.
    Nak,
}

/// A client's message. Addresses that are 0.0.0.0 in it are `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Its kind.
    pub message: Message,
    /// Of the exchange.
    pub xid: u32,
    /// The hardware address that the message names.
    pub chaddr: Mac,
    /// `ciaddr`: the address that the client has.
    pub client: Option<Ipv4Addr>,
    /// Option 50: the address that it would like.
    pub requested: Option<Ipv4Addr>,
    /// Option 54: the server that it chose.
    pub server: Option<Ipv4Addr>,
    /// Whether it can only be reached by broadcast.
    pub broadcast: bool,
    /// Whether a relay names itself, `giaddr`.
    pub relayed: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Told {
    /// Its kind.
    pub answer: Answer,
    /// That of the question.
    pub xid: u32,
    /// That of the question.
    pub chaddr: Mac,
    /// That of the question.
    pub client: Option<Ipv4Addr>,
    /// That of the question.
    pub broadcast: bool,
    /// `yiaddr`: the address that is leased.
    pub address: Option<Ipv4Addr>,
    /// For how long.
    pub lease_seconds: Option<u32>,
    /// Option 54.
    pub server: Ipv4Addr,
    /// What else the client should know; nothing goes with a refusal.
    pub network: Option<Network>,
    /// The router's address, from which it is sent.
    pub from: Ipv4Addr,
    /// Where it is sent.
    pub to: Ipv4Addr,
}

/// What an interface should know about its network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Network {
    /// The interface's subnet.
    pub subnet: Cidr,
    /// Option 6.
    pub domain_name_servers: Vec<Ipv4Addr>,
    /// Option 15.
    pub domain_name: String,
    /// Option 42.
    pub ntp_servers: Vec<Ipv4Addr>,
    /// Option 26.
    pub mtu: u16,
    /// Option 12.
    pub host_name: String,
}

impl Message {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Discover,
        Self::Request,
        Self::Decline,
        Self::Release,
        Self::Inform,
    ];

    /// The name in RFC 2131.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discover => "DHCPDISCOVER",
            Self::Request => "DHCPREQUEST",
            Self::Decline => "DHCPDECLINE",
            Self::Release => "DHCPRELEASE",
            Self::Inform => "DHCPINFORM",
        }
    }

    /// Whether a client waits for an answer.
    pub const fn is_answered(self) -> bool {
        match self {
            Self::Discover | Self::Request | Self::Inform => true,
            Self::Decline | Self::Release => false,
        }
    }
}

impl Answer {
    /// The name in RFC 2131.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offer => "DHCPOFFER",
            Self::Ack => "DHCPACK",
            Self::Nak => "DHCPNAK",
        }
    }
}

impl Vpc {
    /// What the interface `eni` is answered, from whose wire the message comes: its primary address, whatever it asked for.
    /// Whoever names another interface, a relay or another server is not answered. That a request for another address is
    /// refused, and not ignored, is unverified.
    pub fn dhcpv4(&self, eni: &EniId, asked: &Asked) -> Option<Told> {
        let eni = self.eni(eni)?;
        eni.plugged_into()?;
        let subnet = self.subnet(&eni.subnet)?.cidr?;
        let router = subnet.gateway();
        let own = self.settings.dhcp.addresses.get(&eni.id).copied();
        let own = own.or(eni.address)?;
        let elsewhere = asked.server.is_some_and(|server| server != router);
        if !self.settings.dhcp.answers || asked.relayed || asked.chaddr != eni.mac || elsewhere {
            return None;
        }
        let answer = match asked.message {
            Message::Discover => Answer::Offer,
            Message::Request if asked.requested.or(asked.client)? == own => Answer::Ack,
            Message::Request => Answer::Nak,
            Message::Inform => Answer::Ack,
            Message::Decline | Message::Release => return None,
        };
        let leases = answer != Answer::Nak && asked.message != Message::Inform;
        let address = leases.then_some(own);
        Some(Told {
            answer,
            xid: asked.xid,
            chaddr: asked.chaddr,
            client: asked.client.filter(|_| answer != Answer::Nak),
            broadcast: asked.broadcast,
            address,
            lease_seconds: leases.then_some(self.settings.dhcp.lease_seconds),
            server: router,
            network: (answer != Answer::Nak).then(|| self.network(eni, subnet, own)),
            from: router,
            to: destination(eni, asked, answer, address),
        })
    }

    fn network(&self, eni: &Eni, subnet: Cidr, own: Ipv4Addr) -> Network {
        let settings = &self.settings.dhcp;
        let provided = || world::network(&eni.vpc).map(Cidr::resolver);
        let servers = settings.domain_name_servers.clone();
        let [a, b, c, d] = own.octets();
        Network {
            subnet,
            domain_name_servers: servers.unwrap_or_else(|| provided().into_iter().collect()),
            domain_name: settings.domain_name.clone(),
            ntp_servers: settings.ntp_servers.clone(),
            mtu: MTU,
            host_name: format!("ip-{a}-{b}-{c}-{d}"),
        }
    }
}

/// RFC 2131, section 4.1: a refusal is broadcast, who has an address is answered there, and others where they say that they
/// can be reached. An address that is not the interface's leads nowhere, so that broadcast is left.
fn destination(eni: &Eni, asked: &Asked, answer: Answer, address: Option<Ipv4Addr>) -> Ipv4Addr {
    let has = |address: &Ipv4Addr| eni.ipv4().any(|own| own == *address);
    let there = match (answer, asked.client) {
        (Answer::Nak, _) => None,
        (Answer::Offer | Answer::Ack, Some(client)) => Some(client),
        (Answer::Offer | Answer::Ack, None) => address.filter(|_| !asked.broadcast),
    };
    there.filter(has).unwrap_or(Ipv4Addr::BROADCAST)
}

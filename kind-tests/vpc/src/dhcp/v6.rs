//! DHCPv6 (RFC 8415) as the router of a subnet answers it.

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use crate::{Cidr6, Eni, EniId, Subnet, Vpc};

/// The resolver of every network. <https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html>
const RESOLVER: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253);

/// What a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// Who has addresses?
    Solicit,
    /// May I have these?
    Request,
    /// Are these right on this link?
    Confirm,
    /// May I keep these, of the server that gave them?
    Renew,
    /// The same, of any server.
    Rebind,
    /// I am done.
    Release,
    /// These are somebody else's.
    Decline,
    /// What else should I know?
    InformationRequest,
}

/// What the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// What may be requested.
    Advertise,
    /// What is so.
    Reply,
}

/// Why something is not given, or that all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// All is well.
    Success,
    /// It cannot be said.
    UnspecFail,
    /// The interface has no address, or no other one.
    NoAddrsAvail,
    /// The interface does not have this.
    NoBinding,
    /// An address is of another subnet.
    NotOnLink,
    /// The interface has no prefix, or no other one.
    NoPrefixAvail,
}

/// An identity association: what a client keeps together under a number, addresses or prefixes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Association<T> {
    /// Its number, chosen by the client.
    pub id: u32,
    /// What it holds.
    pub holds: Vec<T>,
}

/// A client's message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Its kind.
    pub message: Message,
    /// Of the exchange, 24 bits.
    pub xid: u32,
    /// The client's DUID. It says nothing about the interface: hosts have one for all of theirs.
    pub client: Option<Vec<u8>>,
    /// The server's DUID.
    pub server: Option<Vec<u8>>,
    /// Whether it would take a lease without the second half of the exchange.
    pub rapid_commit: bool,
    /// Whether it came to the router's own address instead of the group of servers.
    pub unicast: bool,
    /// `IA_NA`.
    pub addresses: Vec<Association<Ipv6Addr>>,
    /// `IA_PD`.
    pub prefixes: Vec<Association<Cidr6>>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Told {
    /// Its kind.
    pub answer: Answer,
    /// That of the question.
    pub xid: u32,
    /// That of the question.
    pub client: Option<Vec<u8>>,
    /// The server's DUID.
    pub server: Vec<u8>,
    /// For all of the message.
    pub status: Option<Status>,
    /// `IA_NA`.
    pub addresses: Vec<Granted<Ipv6Addr>>,
    /// `IA_PD`.
    pub prefixes: Vec<Granted<Cidr6>>,
    /// Option 23.
    pub domain_name_servers: Vec<Ipv6Addr>,
}

/// What an identity association gets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Granted<T> {
    /// Its number.
    pub id: u32,
    /// T1: when to ask this server again.
    pub renew_seconds: u32,
    /// T2: when to ask any server.
    pub rebind_seconds: u32,
    /// What it holds from now on.
    pub holds: Vec<Lease<T>>,
    /// Why it holds nothing.
    pub status: Option<Status>,
}

/// An address or prefix for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease<T> {
    /// Which.
    pub of: T,
    /// How long it may be used for new connections.
    pub preferred_seconds: u32,
    /// How long it may be used at all. 0: not any more.
    pub valid_seconds: u32,
}

impl Message {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Solicit,
        Self::Request,
        Self::Confirm,
        Self::Renew,
        Self::Rebind,
        Self::Release,
        Self::Decline,
        Self::InformationRequest,
    ];

    /// The name in RFC 8415.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Solicit => "SOLICIT",
            Self::Request => "REQUEST",
            Self::Confirm => "CONFIRM",
            Self::Renew => "RENEW",
            Self::Rebind => "REBIND",
            Self::Release => "RELEASE",
            Self::Decline => "DECLINE",
            Self::InformationRequest => "INFORMATION-REQUEST",
        }
    }

    /// Whether the client has already what it asks for.
    const fn keeps(self) -> bool {
        match self {
            Self::Renew | Self::Rebind => true,
            Self::Solicit
            | Self::Request
            | Self::Confirm
            | Self::Release
            | Self::Decline
            | Self::InformationRequest => false,
        }
    }

    /// Whether it names a server: `None` is as it likes. RFC 8415, section 16.
    const fn names_server(self) -> Option<bool> {
        match self {
            Self::Solicit | Self::Confirm | Self::Rebind => Some(false),
            Self::Request | Self::Renew | Self::Release | Self::Decline => Some(true),
            Self::InformationRequest => None,
        }
    }
}

impl Answer {
    /// The name in RFC 8415.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Advertise => "ADVERTISE",
            Self::Reply => "REPLY",
        }
    }
}

impl Vpc {
    /// What the interface `eni` is answered, from whose wire the message comes: its first address and all its prefixes, in
    /// the first association of each kind. Which of several addresses it is, and how prefixes are spread, is unverified.
    ///
    /// Not answered are an interface without either (<https://github.com/bottlerocket-os/bottlerocket/issues/1351>), a
    /// client that would take a rapid commit (<https://github.com/coreos/bugs/issues/1828>), and what RFC 8415, section 16,
    /// tells to discard.
    pub fn dhcpv6(&self, eni: &EniId, asked: &Asked) -> Option<Told> {
        let eni = self.eni(eni)?;
        eni.plugged_into()?;
        let subnet = self.subnet(&eni.subnet)?;
        let server = duid(subnet.ipv6?);
        let named = asked.server.as_ref().map(|named| *named == server);
        let misnamed = named == Some(false)
            || asked
                .message
                .names_server()
                .is_some_and(|names| names != named.is_some());
        let nameless = asked.client.is_none() && asked.message != Message::InformationRequest;
        if !self.settings.dhcp.answers
            || asked.unicast
            || asked.rapid_commit
            || misnamed
            || nameless
        {
            return None;
        }
        let told = Told {
            answer: Answer::Reply,
            xid: asked.xid,
            client: asked.client.clone(),
            server,
            status: None,
            addresses: Vec::new(),
            prefixes: Vec::new(),
            domain_name_servers: resolvers(subnet),
        };
        match asked.message {
            Message::Solicit => Some(Told {
                answer: Answer::Advertise,
                ..self.granted(eni, asked, told)?
            }),
            Message::Request | Message::Renew | Message::Rebind => self.granted(eni, asked, told),
            Message::Confirm => Some(Told {
                status: Some(on_link(subnet.ipv6?, asked)?),
                ..told
            }),
            Message::Release | Message::Decline => Some(Told {
                status: Some(Status::Success),
                ..told
            }),
            Message::InformationRequest => Some(told),
        }
    }

    fn granted(&self, eni: &Eni, asked: &Asked, told: Told) -> Option<Told> {
        let others = &eni.others;
        let own: Vec<Ipv6Addr> = others.ipv6.first().copied().into_iter().collect();
        let asks = !asked.addresses.is_empty() || !asked.prefixes.is_empty();
        let has = !own.is_empty() || !others.ipv6_prefixes.is_empty();
        let none = |status| {
            if asked.message.keeps() {
                Status::NoBinding
            } else {
                status
            }
        };
        (asks && has).then(|| Told {
            addresses: self.grants(asked, &asked.addresses, &own, none(Status::NoAddrsAvail)),
            prefixes: self.grants(
                asked,
                &asked.prefixes,
                &others.ipv6_prefixes,
                none(Status::NoPrefixAvail),
            ),
            ..told
        })
    }

    /// The first association gets all. What a client keeps that is not the interface's is valid no more.
    fn grants<T: Copy + PartialEq>(
        &self,
        asked: &Asked,
        associations: &[Association<T>],
        own: &[T],
        none: Status,
    ) -> Vec<Granted<T>> {
        let settings = &self.settings.dhcp;
        let preferred = settings.preferred_seconds;
        let lease = |of: &T| Lease {
            of: *of,
            preferred_seconds: preferred,
            valid_seconds: settings.valid_seconds,
        };
        let over = |of: &T| Lease {
            of: *of,
            preferred_seconds: 0,
            valid_seconds: 0,
        };
        let keeps = asked.message.keeps();
        let grant = |(n, association): (usize, &Association<T>)| {
            let given = own.iter().filter(|_| n == 0);
            let foreign = |of: &&T| keeps && (n > 0 || !own.contains(of));
            let lost = association.holds.iter().filter(foreign);
            let is_empty = n > 0 || own.is_empty();
            Granted {
                id: association.id,
                renew_seconds: if is_empty { 0 } else { preferred / 2 },
                rebind_seconds: if is_empty { 0 } else { preferred / 5 * 4 },
                holds: given.map(lease).chain(lost.map(over)).collect(),
                status: is_empty.then_some(none),
            }
        };
        associations.iter().enumerate().map(grant).collect()
    }
}

/// Where there is IPv4, DHCPv4 tells the resolver, and DHCPv6 the addresses alone.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/DHCPOptionSetConcepts.html>
fn resolvers(subnet: &Subnet) -> Vec<Ipv6Addr> {
    if subnet.cidr.is_some() {
        Vec::new()
    } else {
        vec![RESOLVER]
    }
}

/// Of a message without addresses there is nothing to say; RFC 8415, section 18.3.3.
fn on_link(range: Cidr6, asked: &Asked) -> Option<Status> {
    let mut addresses = asked
        .addresses
        .iter()
        .flat_map(|held| &held.holds)
        .peekable();
    addresses.peek()?;
    let all = addresses.all(|address| range.contains(*address));
    Some(if all {
        Status::Success
    } else {
        Status::NotOnLink
    })
}

/// DUID-LL of the subnet's router. EC2's holds the MAC from which the router's link-local address is made; here the router
/// is `fe80:ec2::1` and has another MAC on each wire.
fn duid(subnet: Cidr6) -> Vec<u8> {
    let [_, _, _, number, ..] = subnet.base().segments();
    let [high, low] = number.to_be_bytes();
    vec![0, 3, 0, 1, 0x06, 0xec, 0x2f, 0x00, high, low]
}

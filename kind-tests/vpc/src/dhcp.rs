//! DHCP in a network: what is answered to which interface, as pure functions of the region and one message.
//!
//! No lease is kept: an address is its interface's whatever was asked, so nothing that came before matters to an answer.
//! Values are those of leases that were seen, <https://github.com/amazonlinux/amazon-ec2-net-utils> (`tests/params-*.sh`);
//! what those do not show is in `docs/simulator.md`.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::EniId;

pub mod v4;
pub mod v6;

/// How DHCP behaves, and what the network's option set says. The default, also of each member in JSON, is what AWS begins with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DhcpSettings {
    /// Whether anybody is answered.
    pub answers: bool,
    /// How long a lease of an IPv4 address is.
    pub lease_seconds: u32,
    /// How long an IPv6 address or prefix is preferred, `ipv6-address-preferred-lease-time` of the option set.
    pub preferred_seconds: u32,
    /// How long it is valid.
    pub valid_seconds: u32,
    /// `domain-name-servers` of the option set; `None` is `AmazonProvidedDNS`.
    pub domain_name_servers: Option<Vec<Ipv4Addr>>,
    /// `domain-name` of the option set; empty: none is told.
    pub domain_name: String,
    /// `ntp-servers` of the option set.
    pub ntp_servers: Vec<Ipv4Addr>,
    /// What the server takes for an interface's primary address instead of what it is.
    pub addresses: BTreeMap<EniId, Ipv4Addr>,
}

impl Default for DhcpSettings {
    fn default() -> Self {
        Self {
            answers: true,
            lease_seconds: 3600,
            preferred_seconds: 140,
            valid_seconds: 450,
            domain_name_servers: None,
            domain_name: "ec2.internal".to_owned(),
            ntp_servers: Vec::new(),
            addresses: BTreeMap::new(),
        }
    }
}

/// What a client sends, of either version, by the name that its RFC gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Message {
    /// Of RFC 2131.
    V4(v4::Message),
    /// Of RFC 8415.
    V6(v6::Message),
}

/// A text that names no message of a client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no DHCP client sends {0:?}; messages are named as in DHCPDISCOVER and INFORMATION-REQUEST"
)]
pub struct NoMessage(String);

impl Message {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4(message) => message.name(),
            Self::V6(message) => message.name(),
        }
    }

    /// The message of this name.
    pub fn named(name: &str) -> Result<Self, NoMessage> {
        let v4 = v4::Message::ALL.iter().copied().map(Self::V4);
        let mut all = v4.chain(v6::Message::ALL.iter().copied().map(Self::V6));
        let found = all.find(|message| message.name() == name);
        found.ok_or_else(|| NoMessage(name.to_owned()))
    }
}

impl From<Message> for String {
    fn from(message: Message) -> Self {
        message.name().to_owned()
    }
}

impl TryFrom<String> for Message {
    type Error = NoMessage;
    fn try_from(name: String) -> Result<Self, NoMessage> {
        Self::named(&name)
    }
}

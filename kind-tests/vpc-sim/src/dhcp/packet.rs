//! A message and its answer, of either version.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use vpc::{
    EniId, Vpc,
    dhcp::{self, Message},
};

use super::{socket::Datagram, v4, v6};
use crate::SimError;

/// The router on each wire.
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0xec2, 0, 0, 0, 0, 0, 1);

/// Where clients listen.
const CLIENT_V4: u16 = 68;
const CLIENT_V6: u16 = 546;

/// What a client sends.
pub(super) enum Asked {
    V4(dhcp::v4::Asked),
    V6(dhcp::v6::Asked),
}

/// What it is told.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    V4(dhcp::v4::Told),
    V6(dhcp::v6::Told),
}

impl Asked {
    /// `None`: it is no message of a client.
    pub(super) fn read(datagram: &Datagram) -> Option<Self> {
        match datagram.to {
            IpAddr::V4(_) => v4::read(&datagram.bytes).map(Self::V4),
            IpAddr::V6(to) => v6::read(&datagram.bytes, !to.is_multicast()).map(Self::V6),
        }
    }

    /// What the rules say.
    pub(super) fn told(&self, vpc: &Vpc, eni: &EniId) -> Option<Told> {
        match self {
            Self::V4(asked) => vpc.dhcpv4(eni, asked).map(Told::V4),
            Self::V6(asked) => vpc.dhcpv6(eni, asked).map(Told::V6),
        }
    }

    pub(super) fn message(&self) -> Message {
        match self {
            Self::V4(asked) => Message::V4(asked.message),
            Self::V6(asked) => Message::V6(asked.message),
        }
    }

    pub(super) fn xid(&self) -> u32 {
        match self {
            Self::V4(asked) => asked.xid,
            Self::V6(asked) => asked.xid,
        }
    }

    pub(super) fn client(&self) -> Option<String> {
        match self {
            Self::V4(asked) => Some(asked.chaddr.to_string()),
            Self::V6(asked) => asked.client.as_deref().map(hex),
        }
    }

    pub(super) fn server_id(&self) -> Option<String> {
        match self {
            Self::V4(asked) => asked.server.map(|server| server.to_string()),
            Self::V6(asked) => asked.server.as_deref().map(hex),
        }
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        match self {
            Self::V4(asked) => {
                let named = asked.client.into_iter().chain(asked.requested);
                named.map(|address| address.to_string()).collect()
            }
            Self::V6(asked) => {
                let addresses = asked.addresses.iter().flat_map(|held| &held.holds);
                let prefixes = asked.prefixes.iter().flat_map(|held| &held.holds);
                let addresses = addresses.map(ToString::to_string);
                addresses.chain(prefixes.map(ToString::to_string)).collect()
            }
        }
    }
}

impl Told {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::V4(told) => told.answer.name(),
            Self::V6(told) => told.answer.name(),
        }
    }

    pub(super) fn bytes(&self) -> Result<Vec<u8>, SimError> {
        match self {
            Self::V4(told) => v4::written(told),
            Self::V6(told) => v6::written(told),
        }
    }

    /// From where it is sent to where, if the question came from `client`.
    pub(super) fn way(&self, client: IpAddr) -> (IpAddr, SocketAddr) {
        match self {
            Self::V4(told) => (told.from.into(), (told.to, CLIENT_V4).into()),
            Self::V6(_) => (ROUTER.into(), (client, CLIENT_V6).into()),
        }
    }
}

/// `00030001…`
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

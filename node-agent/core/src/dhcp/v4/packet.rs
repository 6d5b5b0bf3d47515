//! A DHCPv4 message as data: what RFC 2131 and 2132 say that a client sends and reads.

use std::net::Ipv4Addr;

use super::parameters::Route;
use crate::mac::Mac;

/// A message. Fields that are not here are zero where a client sends them (RFC 2131 table 5), and of no interest where it reads them.
/// A codec passes on answers (`op` 2) to Ethernet clients (`htype` 1, `hlen` 6) only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Option 53.
    pub message_type: MessageType,
    /// The id of the transaction.
    pub xid: u32,
    /// Seconds since the client began to ask.
    pub secs: u16,
    /// Answers are to be broadcast, because the client has no address yet.
    pub broadcast: bool,
    /// The address that the client has and can be reached at; 0.0.0.0: none.
    pub ciaddr: Ipv4Addr,
    /// The address that the server gives; 0.0.0.0: none.
    pub yiaddr: Ipv4Addr,
    /// The client's MAC address.
    pub chaddr: Mac,
    /// Its options.
    pub options: Options,
}

/// The types of message that a client sends or reads (RFC 2132 section 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// 1: who has an address for me?
    Discover,
    /// 2: a server has.
    Offer,
    /// 3: this one, please, or still this one.
    Request,
    /// 4: somebody else uses it.
    Decline,
    /// 5: it is yours.
    Ack,
    /// 6: it is not, or no longer.
    Nak,
    /// 7: it is given back.
    Release,
}

/// Options by their number in RFC 2132. An option that is absent, or that a codec cannot read, is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// 1.
    pub subnet_mask: Option<Ipv4Addr>,
    /// 3, the best first.
    pub routers: Vec<Ipv4Addr>,
    /// 6, the best first.
    pub dns: Vec<Ipv4Addr>,
    /// 12; only sent: a pod has its name from Kubernetes.
    pub host_name: Option<String>,
    /// 15.
    pub domain: Option<String>,
    /// 26, in bytes.
    pub mtu: Option<u16>,
    /// 42, the best first.
    pub ntp: Vec<Ipv4Addr>,
    /// 50.
    pub requested_address: Option<Ipv4Addr>,
    /// 51, in seconds; `u32::MAX`: for ever.
    pub lease_time: Option<u32>,
    /// 54.
    pub server: Option<Ipv4Addr>,
    /// 55: the options that the client asks for.
    pub parameter_list: Vec<u8>,
    /// 58: T1, in seconds.
    pub renewal_time: Option<u32>,
    /// 59: T2, in seconds.
    pub rebinding_time: Option<u32>,
    /// 61.
    pub client_id: Option<Vec<u8>>,
    /// 119 (RFC 3397), decompressed.
    pub search: Vec<String>,
    /// 121 (RFC 3442); none and empty are not the same: where the option is present, the routers are ignored.
    pub routes: Option<Vec<Route>>,
}

impl MessageType {
    /// As RFC 2131 section 3.1 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discover => "DHCPDISCOVER",
            Self::Offer => "DHCPOFFER",
            Self::Request => "DHCPREQUEST",
            Self::Decline => "DHCPDECLINE",
            Self::Ack => "DHCPACK",
            Self::Nak => "DHCPNAK",
            Self::Release => "DHCPRELEASE",
        }
    }
}

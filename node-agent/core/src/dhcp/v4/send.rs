//! What a client sends: RFC 2131 table 5.

use std::net::Ipv4Addr;

use super::{
    Client, Mode,
    lease::{Binding, Exchange, Offer},
    packet::{MessageType, Options, Packet},
};

/// Subnet mask, routers, DNS, domain, MTU, NTP, T1, T2, search list, classless routes: RFC 3442 wants the routes before the routers.
const ASKED_FOR: [u8; 10] = [1, 121, 3, 6, 15, 26, 42, 58, 59, 119];

impl Client {
    /// DHCPDISCOVER.
    pub(super) fn discover(&self, exchange: &Exchange, remembered: Option<Ipv4Addr>) -> Packet {
        let requested_address = match self.mode {
            Mode::Maintain(address) => Some(address),
            Mode::Configure => remembered,
        };
        Packet {
            broadcast: true,
            options: Options {
                requested_address,
                ..self.asking()
            },
            ..self.packet(MessageType::Discover, exchange.xid, exchange.secs)
        }
    }

    /// DHCPREQUEST for what was offered.
    pub(super) fn request(&self, exchange: &Exchange, offer: Offer) -> Packet {
        Packet {
            broadcast: true,
            options: Options {
                requested_address: Some(offer.address),
                server: Some(offer.server),
                ..self.asking()
            },
            ..self.packet(MessageType::Request, exchange.xid, exchange.secs)
        }
    }

    /// DHCPREQUEST whether an address is still its own.
    pub(super) fn reboot(&self, exchange: &Exchange, address: Ipv4Addr) -> Packet {
        Packet {
            broadcast: true,
            options: Options {
                requested_address: Some(address),
                ..self.asking()
            },
            ..self.packet(MessageType::Request, exchange.xid, exchange.secs)
        }
    }

    /// DHCPREQUEST for more time. The client has the address and can be reached at it.
    pub(super) fn prolong(&self, exchange: &Exchange, address: Ipv4Addr) -> Packet {
        Packet {
            ciaddr: address,
            options: self.asking(),
            ..self.packet(MessageType::Request, exchange.xid, exchange.secs)
        }
    }

    /// DHCPDECLINE.
    pub(super) fn decline(&self, xid: u32, binding: &Binding) -> Packet {
        Packet {
            options: Options {
                requested_address: Some(binding.parameters.address),
                server: Some(binding.parameters.server),
                client_id: Some(self.id()),
                ..Options::default()
            },
            ..self.packet(MessageType::Decline, xid, 0)
        }
    }

    /// DHCPRELEASE.
    pub(super) fn release(&self, xid: u32, binding: &Binding) -> Packet {
        Packet {
            ciaddr: binding.parameters.address,
            options: Options {
                server: Some(binding.parameters.server),
                client_id: Some(self.id()),
                ..Options::default()
            },
            ..self.packet(MessageType::Release, xid, 0)
        }
    }

    /// Option 61: the hardware type of Ethernet and the MAC address (RFC 2132 section 9.14). Without it the address of a pod that moves
    /// to another node would depend on what that node's client made up.
    pub fn id(&self) -> Vec<u8> {
        [&[1], self.mac.bytes().as_slice()].concat()
    }

    fn asking(&self) -> Options {
        Options {
            host_name: self.host_name.clone(),
            parameter_list: ASKED_FOR.to_vec(),
            client_id: Some(self.id()),
            ..Options::default()
        }
    }

    fn packet(&self, message_type: MessageType, xid: u32, secs: u16) -> Packet {
        Packet {
            message_type,
            xid,
            secs,
            broadcast: false,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            chaddr: self.mac,
            options: Options::default(),
        }
    }
}

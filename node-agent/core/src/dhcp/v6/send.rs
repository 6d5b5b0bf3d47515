//! What a client sends: RFC 8415 section 18.2.

use std::{collections::BTreeSet, net::Ipv6Addr};

use ipnet::Ipv6Net;

use super::{
    Client, Mode,
    lease::{Binding, Exchange},
    packet::{Association, Leased, MessageType, Options, Packet},
    parameters::{Duid, Resources},
};
use crate::dhcp::Moment;

/// DNS servers, search list, NTP, `SOL_MAX_RT`, and with INFORMATION-REQUEST the refresh time and `INF_MAX_RT` (RFC 8415 section 21.7).
const ASKED_FOR: [u16; 4] = [23, 24, 56, 82];
const ASKED_FOR_IN_INFORMATION: [u16; 5] = [23, 24, 32, 56, 83];

impl Client {
    /// SOLICIT.
    pub(super) fn solicit(
        &self,
        exchange: &Exchange,
        remembered: &Resources,
        at: Moment,
    ) -> Packet {
        let hint = match &self.mode {
            Mode::Maintain(claimed) => claimed,
            Mode::Configure { .. } => remembered,
        };
        self.asking(MessageType::Solicit, exchange, hint, at)
    }

    /// REQUEST for what a server advertised.
    pub(super) fn request(
        &self,
        exchange: &Exchange,
        server: &Duid,
        remembered: &Resources,
        at: Moment,
    ) -> Packet {
        let mut packet = self.solicit(exchange, remembered, at);
        packet.message_type = MessageType::Request;
        packet.options.server_id = Some(server.clone());
        packet
    }

    /// RENEW with a server, REBIND without one. What the claim has and no server gave yet is asked for, too (section 18.2.4).
    pub(super) fn prolong(
        &self,
        exchange: &Exchange,
        binding: &Binding,
        server: Option<&Duid>,
        at: Moment,
    ) -> Packet {
        let message_type = match server {
            Some(_) => MessageType::Renew,
            None => MessageType::Rebind,
        };
        let mut wanted = binding.resources(at.now);
        if let Mode::Maintain(claimed) = &self.mode {
            wanted.addresses.extend(&claimed.addresses);
            wanted.prefixes.extend(&claimed.prefixes);
        }
        let mut packet = self.asking(message_type, exchange, &wanted, at);
        packet.options.server_id = server.cloned();
        packet
    }

    /// CONFIRM, or REBIND where there are prefixes, of which CONFIRM says nothing (section 18.2.12).
    pub(super) fn confirm(&self, exchange: &Exchange, binding: &Binding, at: Moment) -> Packet {
        if !binding.prefixes.is_empty() {
            return self.prolong(exchange, binding, None, at);
        }
        let addresses = binding.resources(at.now).addresses;
        let options = Options {
            addresses: Some(self.association(hosts(&addresses))),
            elapsed: Some(elapsed(exchange, at)),
            ..self.options()
        };
        packet(MessageType::Confirm, exchange.xid, options)
    }

    /// RELEASE of everything.
    pub(super) fn release(&self, binding: &Binding, at: Moment) -> Packet {
        let Resources {
            addresses,
            prefixes,
        } = binding.resources(at.now);
        let options = Options {
            server_id: Some(binding.parameters.server.clone()),
            addresses: (!addresses.is_empty()).then(|| self.association(hosts(&addresses))),
            prefixes: (!prefixes.is_empty()).then(|| self.association(prefixes)),
            elapsed: Some(0),
            ..self.options()
        };
        packet(MessageType::Release, at.xid, options)
    }

    /// DECLINE of an address.
    pub(super) fn decline(&self, binding: &Binding, address: Ipv6Addr, at: Moment) -> Packet {
        let options = Options {
            server_id: Some(binding.parameters.server.clone()),
            addresses: Some(self.association([address.into()])),
            elapsed: Some(0),
            ..self.options()
        };
        packet(MessageType::Decline, at.xid, options)
    }

    /// INFORMATION-REQUEST.
    pub(super) fn ask_for_information(&self, exchange: &Exchange, at: Moment) -> Packet {
        let options = Options {
            option_request: ASKED_FOR_IN_INFORMATION.to_vec(),
            elapsed: Some(elapsed(exchange, at)),
            ..self.options()
        };
        packet(MessageType::InformationRequest, exchange.xid, options)
    }

    /// DUID-LL (RFC 8415 section 11.4): type 3, the hardware type of Ethernet and the MAC address.
    pub fn duid(&self) -> Duid {
        Duid([&[0, 3, 0, 1], self.mac.bytes().as_slice()].concat())
    }

    /// The id of both associations: the last four bytes of the MAC address. Ids of addresses and of prefixes do not meet.
    pub fn iaid(&self) -> u32 {
        let [_, _, id @ ..] = self.mac.bytes();
        u32::from_be_bytes(id)
    }

    fn asking(
        &self,
        message_type: MessageType,
        exchange: &Exchange,
        hint: &Resources,
        at: Moment,
    ) -> Packet {
        let (addresses, prefixes) = match &self.mode {
            Mode::Maintain(claimed) => {
                (!claimed.addresses.is_empty(), !claimed.prefixes.is_empty())
            }
            Mode::Configure { prefixes } => (true, *prefixes),
        };
        let options = Options {
            addresses: addresses.then(|| self.association(hosts(&hint.addresses))),
            prefixes: prefixes.then(|| self.association(hint.prefixes.iter().copied())),
            option_request: ASKED_FOR.to_vec(),
            elapsed: Some(elapsed(exchange, at)),
            ..self.options()
        };
        packet(message_type, exchange.xid, options)
    }

    fn options(&self) -> Options {
        Options {
            client_id: Some(self.duid()),
            ..Options::default()
        }
    }

    /// T1, T2 and lifetimes of 0: as the server likes (section 21.4).
    fn association(&self, nets: impl IntoIterator<Item = Ipv6Net>) -> Association {
        let leased = nets.into_iter().map(|net| Leased {
            net,
            preferred: 0,
            valid: 0,
        });
        Association {
            iaid: self.iaid(),
            leased: leased.collect(),
            ..Association::default()
        }
    }
}

fn packet(message_type: MessageType, xid: u32, options: Options) -> Packet {
    Packet {
        message_type,
        xid: xid & 0xff_ffff,
        options,
    }
}

fn hosts(addresses: &BTreeSet<Ipv6Addr>) -> Vec<Ipv6Net> {
    addresses.iter().copied().map(Ipv6Net::from).collect()
}

/// Option 8: 0 in the first packet of a transaction (section 21.9).
fn elapsed(exchange: &Exchange, at: Moment) -> u16 {
    u16::try_from(at.now.since(exchange.begun) / 10).unwrap_or(u16::MAX)
}

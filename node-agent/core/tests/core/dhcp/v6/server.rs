//! A small server: one address and one prefix for the client, and a book.

use std::{collections::BTreeMap, net::Ipv6Addr};

use ipnet::Ipv6Net;
use node_agent_core::dhcp::v6::{Association, Duid, MessageType, Packet, Status};

use super::session::{ADDRESS, association, prefix, reply, server};

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Server {
    /// Its identifier.
    pub id: Duid,
    /// The address that the client gets.
    pub address: Ipv6Addr,
}

/// Until when servers say that the client has something, in milliseconds.
pub type Books = BTreeMap<Ipv6Net, u64>;

impl Server {
    pub fn first() -> Self {
        Self {
            id: server(),
            address: ADDRESS,
        }
    }

    /// What it answers at `now`, and writes into the books.
    pub fn answer(&self, packet: &Packet, books: &mut Books, now: u64) -> Option<Packet> {
        let asked = &packet.options;
        if asked.server_id.as_ref().is_some_and(|id| *id != self.id) {
            return None;
        }
        let message_type = match packet.message_type {
            MessageType::Solicit => MessageType::Advertise,
            MessageType::Request
            | MessageType::Confirm
            | MessageType::Renew
            | MessageType::Rebind
            | MessageType::InformationRequest => MessageType::Reply,
            MessageType::Release | MessageType::Decline => {
                let gone = [&asked.addresses, &asked.prefixes].into_iter().flatten();
                for leased in gone.flat_map(|association| &association.leased) {
                    books.remove(&leased.net);
                }
                return None;
            }
            MessageType::Advertise | MessageType::Reply => panic!("a client sent {packet:?}"),
        };
        let mut answer = reply(message_type, packet.xid);
        answer.options.server_id = Some(self.id.clone());
        let answers =
            |asked: &Option<Association>, net: Ipv6Net| asked.as_ref().map(|_| association(&[net]));
        answer.options.addresses = answers(&asked.addresses, self.address.into());
        answer.options.prefixes = answers(&asked.prefixes, prefix());
        match packet.message_type {
            MessageType::Confirm => answer.options.addresses = None,
            // Of addresses of another server this one knows nothing.
            MessageType::Renew | MessageType::Rebind
                if asked.addresses.as_ref().is_some_and(|association| {
                    let mut leased = association.leased.iter();
                    leased.any(|leased| leased.net.addr() != self.address)
                }) =>
            {
                answer.options.addresses = Some(Association {
                    status: Status::NoBinding,
                    ..Association::default()
                });
            }
            MessageType::Request | MessageType::Renew | MessageType::Rebind => {
                let given = [&answer.options.addresses, &answer.options.prefixes];
                for association in given.into_iter().flatten() {
                    for leased in &association.leased {
                        books.insert(leased.net, now + u64::from(leased.valid) * 1_000);
                    }
                }
            }
            _ => {}
        }
        Some(answer)
    }
}

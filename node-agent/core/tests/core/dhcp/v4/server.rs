//! A small server: one address for the client, and a book.

use std::{collections::BTreeMap, net::Ipv4Addr};

use node_agent_core::dhcp::v4::{MessageType, Packet};

use super::session::{HOUR, reply};

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Server {
    /// Its own address.
    pub id: Ipv4Addr,
    /// The address that the client gets.
    pub address: Ipv4Addr,
}

/// Until when servers say that the client has an address, in milliseconds.
pub type Books = BTreeMap<Ipv4Addr, u64>;

impl Server {
    /// What it answers at `now`, and writes into the books.
    pub fn answer(self, packet: &Packet, books: &mut Books, now: u64) -> Option<Packet> {
        let options = &packet.options;
        let asked_for = options.requested_address.unwrap_or(packet.ciaddr);
        let for_another = options.server.is_some_and(|server| server != self.id);
        let message_type = match packet.message_type {
            MessageType::Discover => MessageType::Offer,
            MessageType::Request if for_another => return None,
            MessageType::Request if asked_for == self.address => {
                let until = books.entry(self.address).or_default();
                *until = (*until).max(now + u64::from(HOUR) * 1_000);
                MessageType::Ack
            }
            MessageType::Request => MessageType::Nak,
            MessageType::Decline | MessageType::Release => {
                if !for_another {
                    books.remove(&asked_for);
                }
                return None;
            }
            MessageType::Offer | MessageType::Ack | MessageType::Nak => {
                panic!("a client sent {packet:?}")
            }
        };
        let mut answer = reply(message_type, packet.xid);
        answer.options.server = Some(self.id);
        if message_type != MessageType::Nak {
            answer.yiaddr = self.address;
        }
        Some(answer)
    }
}

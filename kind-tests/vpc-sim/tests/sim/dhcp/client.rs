//! A client of which a test says each message.

use std::{
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

use dhcproto::{
    Decodable, Decoder, Encodable,
    v4::{DhcpOption, Flags, Message, MessageType, OptionCode},
};
use nix::sys::socket::{setsockopt, sockopt::BindToDevice};

use crate::machine::within;

/// How long an answer is waited for.
const DEADLINE: Duration = Duration::from_secs(10);

/// A socket of the client's port on a device that may have no address.
pub struct Client(UdpSocket);

impl Client {
    pub fn new(netns: &str, device: &'static str) -> Self {
        let socket = within(netns, move || {
            // Without a source to compare, answers to all would be dropped by a strict filter.
            for scope in ["all", device] {
                let filter = format!("/proc/sys/net/ipv4/conf/{scope}/rp_filter");
                std::fs::write(filter, "0").unwrap();
            }
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68)).unwrap();
            setsockopt(&socket, BindToDevice, &device.into()).unwrap();
            socket
        });
        socket.set_broadcast(true).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self(socket)
    }

    /// Sends to all.
    pub fn say(&self, message: &Message) {
        self.say_to(message, Ipv4Addr::BROADCAST);
    }

    pub fn say_to(&self, message: &Message, to: Ipv4Addr) {
        self.0
            .send_to(&message.to_vec().unwrap(), (to, 67))
            .unwrap();
    }

    /// What comes next, and from where.
    pub fn hear_bytes(&self) -> (Vec<u8>, Ipv4Addr) {
        let mut bytes = [0; 1500];
        let (length, from) = self.0.recv_from(&mut bytes).expect("an answer");
        match from {
            std::net::SocketAddr::V4(from) => (bytes[..length].to_vec(), *from.ip()),
            from @ std::net::SocketAddr::V6(_) => panic!("{from}"),
        }
    }

    /// The message that comes next.
    pub fn hear(&self) -> Message {
        Message::decode(&mut Decoder::new(&self.hear_bytes().0)).unwrap()
    }
}

/// A message that asks for its answer by broadcast.
pub fn a_message(kind: MessageType, mac: &str, xid: u32) -> Message {
    let octets = mac.split(':').map(|text| u8::from_str_radix(text, 16));
    let octets: Vec<u8> = octets.map(Result::unwrap).collect();
    let none = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(xid, none, none, none, none, &octets);
    message.set_flags(Flags::default().set_broadcast());
    message.opts_mut().insert(DhcpOption::MessageType(kind));
    message
}

/// The request that follows an offer of this address.
pub fn a_request(mac: &str, xid: u32, address: &str) -> Message {
    let mut request = a_message(MessageType::Request, mac, xid);
    let options = request.opts_mut();
    options.insert(DhcpOption::RequestedIpAddress(address.parse().unwrap()));
    options.insert(DhcpOption::ServerIdentifier(super::ROUTER.parse().unwrap()));
    request
}

/// Kind, transaction and address of an answer.
pub fn gist(answer: &Message) -> (MessageType, u32, String) {
    let kind = answer.opts().msg_type().unwrap();
    (kind, answer.xid(), answer.yiaddr().to_string())
}

pub fn option(answer: &Message, code: OptionCode) -> Option<DhcpOption> {
    answer.opts().get(code).cloned()
}

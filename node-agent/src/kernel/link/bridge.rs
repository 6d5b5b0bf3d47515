//! Bridges of the node, and the pairs of interfaces that are their ports.

use std::{
    io,
    net::IpAddr,
    os::fd::{AsRawFd, BorrowedFd},
};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
    link::{
        InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute,
        LinkInfo,
    },
};
use node_agent_core::mac::Mac;
use rustix::io::Errno;

use crate::kernel::{
    link::{
        device::{self, Device, read},
        link, set_link, set_up, skip_statistics,
    },
    netlink::{Message, Netlink, Request, errno},
    routing::{decode, seen_address},
};

/// The group of links that our bridges are in, so that one rule stands for all of them.
pub const GROUP: u32 = 23_600;

/// A link that was looked for by its name.
#[derive(Debug)]
pub struct Named {
    /// The link.
    pub device: Device,
    /// Whether it is a bridge.
    pub is_bridge: bool,
    /// The bridge that it is a port of.
    pub bridge: Option<u32>,
}

/// The end of a pair that is not in this namespace.
#[derive(Debug, Clone)]
pub struct FarEnd {
    /// Name of the end that is.
    pub here: String,
    /// Its index there.
    index: u32,
    /// The id of its namespace.
    namespace: i32,
}

/// What a new port looks like.
#[derive(Debug, Clone, Copy)]
pub struct NewPort<'a> {
    /// Name of the end here.
    pub here: &'a str,
    /// Name of the end in the pod.
    pub there: &'a str,
    /// MAC address of that.
    pub mac: Mac,
    /// Both have this MTU, in bytes.
    pub mtu: u32,
}

impl Netlink {
    /// The link of this name, if there is one.
    pub fn named(&mut self, name: &str) -> io::Result<Option<Named>> {
        let named = self.link(link(0, vec![LinkAttribute::IfName(name.to_owned())]))?;
        let named = named.and_then(|link| {
            Some(Named {
                is_bridge: link.kind.as_deref() == Some("bridge"),
                bridge: link.controller,
                device: link.device?,
            })
        });
        Ok(named)
    }

    /// Makes a bridge with this MAC address, which stays, while one that the kernel chooses follows the ports.
    pub fn create_bridge(&mut self, name: &str, mac: Mac) -> io::Result<()> {
        let bridge = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Address(mac.bytes().to_vec()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
        self.request(create(bridge))
    }

    /// Makes a pair: one end here, and down, the other one in the pod.
    pub fn create_port(&mut self, port: NewPort<'_>, pod: BorrowedFd<'_>) -> io::Result<()> {
        let NewPort {
            here,
            there,
            mac,
            mtu,
        } = port;
        let far = vec![
            LinkAttribute::IfName(there.to_owned()),
            LinkAttribute::Address(mac.bytes().to_vec()),
            LinkAttribute::Mtu(mtu),
            LinkAttribute::NetNsFd(pod.as_raw_fd()),
        ];
        let far = InfoVeth::Peer(link(0, far));
        let near = vec![
            LinkAttribute::IfName(here.to_owned()),
            LinkAttribute::Mtu(mtu),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(far)),
            ]),
        ];
        self.request(create(near))
    }

    /// Deletes a link; its other end goes along. One that is gone already is no error.
    pub fn delete_named(&mut self, name: &str) -> io::Result<()> {
        let named = link(0, vec![LinkAttribute::IfName(name.to_owned())]);
        match self.request((RouteNetlinkMessage::DelLink(named), 0)) {
            Err(error) if errno(&error) == Some(Errno::NODEV) => Ok(()),
            outcome => outcome,
        }
    }

    /// The far ends of the ports of a bridge whose other end is in another namespace.
    pub fn far_ends(&mut self, bridge: u32) -> io::Result<Vec<FarEnd>> {
        let ports = link(
            0,
            vec![LinkAttribute::Controller(bridge), skip_statistics()],
        );
        let all = RouteNetlinkMessage::GetLink(ports);
        self.dump(&all, |ends: &mut Vec<FarEnd>, message: &Message<'_>| {
            let port = read(message.payload())?;
            let lower = port.lower.filter(|_| port.controller == Some(bridge));
            let here = port.device.as_ref().map(|device| device.name.clone());
            ends.extend(lower.and_then(|lower: device::Lower| {
                Some(FarEnd {
                    here: here?,
                    index: lower.index,
                    namespace: lower.elsewhere?,
                })
            }));
            Ok(())
        })
    }

    /// Whether a bridge has ports.
    pub fn has_ports(&mut self, bridge: u32) -> io::Result<bool> {
        let ports = link(
            0,
            vec![LinkAttribute::Controller(bridge), skip_statistics()],
        );
        let all = RouteNetlinkMessage::GetLink(ports);
        let found = self.dump(&all, |found: &mut u32, message: &Message<'_>| {
            if read(message.payload())?.controller == Some(bridge) {
                *found += 1;
            }
            Ok(())
        });
        Ok(found? > 0)
    }

    /// The addresses of an end in another namespace. None if that has just ended.
    pub fn addresses_of(&mut self, end: &FarEnd) -> io::Result<Vec<IpAddr>> {
        let mut message = AddressMessage::default();
        message.header.index = end.index;
        message
            .attributes
            .push(AddressAttribute::TargetNetNsId(end.namespace));
        let all = RouteNetlinkMessage::GetAddress(message);
        let found = self.dump(&all, |found: &mut Vec<IpAddr>, message| {
            let seen = decode(message).and_then(|message| seen_address(&message));
            let seen = seen.filter(|(index, ..)| *index == end.index);
            found.extend(seen.map(|(_, address, _)| address.addr()));
            Ok(())
        });
        match found {
            Err(error) if errno(&error) == Some(Errno::INVAL) => Ok(Vec::new()),
            found => found,
        }
    }
}

/// What makes a bridge ours, whoever made it: up, in our group, with this MTU, and with the MAC address that it has for good. One
/// that was set stays, and so does an MTU (`br_set_mac_address`, `br_change_mtu` in `net/bridge/br_device.c`).
pub fn settle(bridge: &Device, mtu: u32) -> Vec<Request> {
    let mut attributes = vec![LinkAttribute::Mtu(mtu), LinkAttribute::Group(GROUP)];
    if let Some(mac) = bridge.address {
        attributes.push(LinkAttribute::Address(mac.bytes().to_vec()));
    }
    let settled = bridge.group == GROUP && bridge.mtu == mtu;
    let set = (!settled).then(|| set_link(bridge.index, attributes));
    let up = (!bridge.is_up()).then(|| set_up(bridge.index, true));
    set.into_iter().chain(up).collect()
}

/// Makes a link a port of a bridge that exchanges frames with the node alone.
pub fn enslave(port: u32, bridge: u32) -> [Request; 2] {
    let isolated = InfoPortData::BridgePort(vec![InfoBridgePort::Isolated(true)]);
    let isolated = LinkAttribute::LinkInfo(vec![
        LinkInfo::PortKind(InfoPortKind::Bridge),
        LinkInfo::PortData(isolated),
    ]);
    [
        set_link(port, vec![LinkAttribute::Controller(bridge)]),
        // Settings of ports are taken by this request alone (`rtnl_changelink` in `net/core/rtnetlink.c`).
        (RouteNetlinkMessage::NewLink(link(port, vec![isolated])), 0),
    ]
}

fn create(attributes: Vec<LinkAttribute>) -> Request {
    let message = RouteNetlinkMessage::NewLink(link(0, attributes));
    (message, NLM_F_CREATE | NLM_F_EXCL)
}

//! Links: find the device of an ENI, move it, name it.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{
        LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp,
        Prop, XdpAttached,
    },
};
use node_agent_core::mac::Mac;

use crate::{error::Error, kernel::netlink::Netlink};

/// A link that may be the device of an ENI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its index in the namespace where it was seen; another namespace may give another.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its permanent MAC address, or its address where it has none.
    pub mac: Mac,
    /// Whether it is administratively up.
    pub up: bool,
    /// Its MTU.
    pub mtu: u32,
    /// Further names.
    pub alternative_names: Vec<String>,
    /// Text that somebody put on it.
    pub alias: Option<String>,
    /// Whether an XDP program is attached to it.
    pub xdp: bool,
    /// Its address on the PCI bus.
    pub pci: Option<String>,
}

/// Which links can be the device of an ENI.
#[derive(Debug, Clone, Default)]
pub struct Drivers {
    /// Kinds of virtual links that count as hardware, in tests.
    pub for_tests: Vec<String>,
}

impl Drivers {
    /// Drivers of hardware have no rtnetlink kind, what software makes (veth, tun, vlan, macvlan ...) has one. A pod may make
    /// such a link with any MAC address.
    fn accept(&self, kind: Option<&str>) -> bool {
        kind.is_none_or(|kind| self.for_tests.iter().any(|accepted| accepted == kind))
    }
}

impl Netlink {
    /// All links that may be the device of an ENI.
    pub fn devices(&mut self, drivers: &Drivers) -> io::Result<Vec<Device>> {
        let mut message = LinkMessage::default();
        message
            .attributes
            .push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let links = self.dump(&RouteNetlinkMessage::GetLink(message))?;
        Ok(links
            .into_iter()
            .filter_map(|link| device(link, drivers))
            .collect())
    }

    /// The device with this MAC address, if it is here.
    pub fn device(&mut self, mac: Mac, drivers: &Drivers) -> Result<Option<Device>, Error> {
        let mut found = self
            .devices(drivers)
            .map_err(Error::netlink("list the links"))?;
        found.retain(|device| device.mac == mac);
        match found.len() {
            0 | 1 => Ok(found.pop()),
            count => Err(Error::Ambiguous { mac, count }),
        }
    }

    /// Whether any link here has this name.
    pub fn has_link(&mut self, name: &str) -> io::Result<bool> {
        let links = self.dump(&RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
        let wanted = |attribute: &LinkAttribute| match attribute {
            LinkAttribute::IfName(taken) => taken == name,
            LinkAttribute::PropList(props) => props
                .iter()
                .any(|p| matches!(p, Prop::AltIfName(taken) if taken == name)),
            _ => false,
        };
        Ok(links.iter().any(|link| matches!(link, RouteNetlinkMessage::NewLink(link) if link.attributes.iter().any(wanted))))
    }

    /// Moves a link into another namespace under another name, in one request. It arrives down and without addresses.
    pub fn move_link(&mut self, index: u32, target: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        let attributes = vec![
            LinkAttribute::NetNsFd(target.as_raw_fd()),
            LinkAttribute::IfName(name.to_owned()),
        ];
        self.set_link(index, attributes)
    }

    /// Renames a link; it may be up.
    pub fn rename_link(&mut self, index: u32, name: &str) -> io::Result<()> {
        self.set_link(index, vec![LinkAttribute::IfName(name.to_owned())])
    }

    /// Sets a link up or down.
    pub fn set_up(&mut self, index: u32, up: bool) -> io::Result<()> {
        let mut message = link(index, Vec::new());
        message.header.change_mask = LinkFlags::Up;
        message.header.flags = if up {
            LinkFlags::Up
        } else {
            LinkFlags::empty()
        };
        self.request(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Takes the alias off a link.
    pub fn clear_alias(&mut self, index: u32) -> io::Result<()> {
        // An attribute of the empty string's two bytes would set an alias; length 0 removes it (`dev_set_alias`).
        let nothing = netlink_packet_core::DefaultNla::new(IFLA_IFALIAS, Vec::new());
        self.set_link(index, vec![LinkAttribute::Other(nothing)])
    }

    /// Takes the XDP program off a link.
    pub fn detach_xdp(&mut self, index: u32) -> io::Result<()> {
        self.set_link(index, vec![LinkAttribute::Xdp(vec![LinkXdp::Fd(-1)])])
    }

    /// Gives a link a further name.
    pub fn add_alternative_name(&mut self, index: u32, name: &str) -> io::Result<()> {
        let message = RouteNetlinkMessage::NewLinkProp(alternative(index, name));
        self.request(
            message,
            NLM_F_CREATE | NLM_F_EXCL | netlink_packet_core::NLM_F_APPEND,
        )
    }

    /// Takes a further name off a link.
    pub fn remove_alternative_name(&mut self, index: u32, name: &str) -> io::Result<()> {
        self.request(
            RouteNetlinkMessage::DelLinkProp(alternative(index, name)),
            0,
        )
    }

    fn set_link(&mut self, index: u32, attributes: Vec<LinkAttribute>) -> io::Result<()> {
        self.request(RouteNetlinkMessage::SetLink(link(index, attributes)), 0)
    }
}

const IFLA_IFALIAS: u16 = 20;

fn link(index: u32, attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = attributes;
    message
}

fn alternative(index: u32, name: &str) -> LinkMessage {
    link(
        index,
        vec![LinkAttribute::PropList(vec![Prop::AltIfName(
            name.to_owned(),
        )])],
    )
}

fn device(message: RouteNetlinkMessage, drivers: &Drivers) -> Option<Device> {
    let RouteNetlinkMessage::NewLink(link) = message else {
        return None;
    };
    if link.header.link_layer_type != LinkLayerType::Ether {
        return None;
    }
    let (mut name, mut kind, mut address, mut permanent) = (None, None, None, None);
    let (mut pci, mut bus, mut alias, mut mtu, mut xdp, mut alternative_names) =
        (None, None, None, 0, false, Vec::new());
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text),
            LinkAttribute::IfAlias(text) => alias = Some(text),
            LinkAttribute::Mtu(bytes) => mtu = bytes,
            LinkAttribute::Address(bytes) => address = Mac::try_from(bytes.as_slice()).ok(),
            // A pod with NET_ADMIN can change the address, and not this one.
            LinkAttribute::PermAddress(bytes) => permanent = Mac::try_from(bytes.as_slice()).ok(),
            LinkAttribute::ParentDevName(text) => pci = Some(text),
            LinkAttribute::ParentDevBusName(text) => bus = Some(text),
            LinkAttribute::LinkInfo(infos) => kind = infos.iter().find_map(kind_of),
            LinkAttribute::Xdp(states) => {
                xdp = states
                    .iter()
                    .any(|s| matches!(s, LinkXdp::Attached(a) if *a != XdpAttached::None));
            }
            LinkAttribute::PropList(props) => {
                alternative_names.extend(props.into_iter().filter_map(|prop| match prop {
                    Prop::AltIfName(name) => Some(name),
                    _ => None,
                }));
            }
            _ => {}
        }
    }
    if !drivers.accept(kind.as_deref()) {
        return None;
    }
    Some(Device {
        index: link.header.index,
        name: name?,
        mac: permanent.or(address)?,
        up: link.header.flags.contains(LinkFlags::Up),
        mtu,
        alternative_names,
        alias,
        xdp,
        pci: pci.filter(|_| bus.as_deref() == Some("pci")),
    })
}

fn kind_of(info: &LinkInfo) -> Option<String> {
    match info {
        LinkInfo::Kind(kind) => Some(kind.to_string()),
        _ => None,
    }
}

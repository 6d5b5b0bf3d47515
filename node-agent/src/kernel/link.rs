//! Links: find the device of an ENI, move it, name it, set it.

pub mod bridge;
mod device;
mod elsewhere;

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use netlink_packet_core::{DefaultNla, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkMessage, LinkMode, LinkXdp},
    nsid::{NsidAttribute, NsidMessage},
};
use node_agent_core::mac::Mac;
use rustix::io::Errno;

pub use crate::kernel::link::device::Device;
use crate::{
    error::Error,
    kernel::{
        link::device::{IFLA_ALT_IFNAME, IFLA_IFALIAS, IFLA_PROP_LIST, Link, read},
        netlink::{Message, Netlink, Request, errno},
    },
};

/// Which links can be the device of an ENI.
#[derive(Debug, Clone, Default)]
pub struct Drivers {
    /// Kinds of virtual links that count as hardware, in tests.
    pub for_tests: Vec<String>,
}

impl Drivers {
    /// Drivers of hardware have no rtnetlink kind, what software makes (veth, tun, vlan, macvlan ...) has one. A pod may make
    /// such a link with any MAC address.
    fn accept(&self, link: Link) -> Option<Device> {
        let accepted = |kind: &str| self.for_tests.iter().any(|accepted| accepted == kind);
        let is_hardware = link.kind.as_deref().is_none_or(accepted);
        link.device.filter(|_| is_hardware)
    }
}

/// The devices in a namespace.
#[derive(Debug)]
pub struct Devices {
    /// Those that were seen.
    pub all: Vec<Device>,
    /// Whether a device that was not seen is not there.
    pub complete: bool,
}

/// Flags that a user may set on a link (`__dev_change_flags` in `net/core/dev.c`).
const SETTABLE: LinkFlags = LinkFlags::Up
    .union(LinkFlags::Promisc)
    .union(LinkFlags::Allmulti)
    .union(LinkFlags::Noarp)
    .union(LinkFlags::Multicast)
    .union(LinkFlags::Debug)
    .union(LinkFlags::Notrailers)
    .union(LinkFlags::Dynamic)
    .union(LinkFlags::Portsel)
    .union(LinkFlags::Automedia);

/// What an Ethernet driver starts with: `ether_setup` in `net/ethernet/eth.c`, `DEFAULT_TX_QUEUE_LEN`.
pub const BOOT_MTU: u32 = 1500;
const BOOT_QUEUE_LENGTH: u32 = 1000;
const BOOT_FLAGS: LinkFlags = LinkFlags::Multicast;

/// `XDP_FLAGS_SKB_MODE`, `XDP_FLAGS_DRV_MODE` and `XDP_FLAGS_HW_MODE` (`include/uapi/linux/if_link.h`). A request without a mode
/// leaves a program of the generic mode on a device whose driver can do XDP itself, and is no error (`dev_xdp_mode` in
/// `net/core/dev.c`).
const XDP_MODES: [u32; 3] = [1 << 1, 1 << 2, 1 << 3];

impl Device {
    /// What sets the device back to what its driver started with, but for the MTU; `None` if it is so already.
    /// In the kernel's order the address comes first and the flags last; the device must be down.
    pub fn reset(&self, mtu: u32) -> Option<Request> {
        let mut attributes = Vec::new();
        if self.address != Some(self.mac) {
            attributes.push(LinkAttribute::Address(self.mac.bytes().to_vec()));
        }
        if self.mtu != mtu {
            attributes.push(LinkAttribute::Mtu(mtu));
        }
        if self.queue_length != BOOT_QUEUE_LENGTH {
            attributes.push(LinkAttribute::TxQueueLen(BOOT_QUEUE_LENGTH));
        }
        if self.group != 0 {
            attributes.push(LinkAttribute::Group(0));
        }
        if self.dormant {
            attributes.push(LinkAttribute::Mode(LinkMode::Default));
        }
        let flags = LinkFlags::from_bits_retain(self.flags) & SETTABLE;
        if attributes.is_empty() && flags == BOOT_FLAGS {
            return None;
        }
        let mut message = link(self.index, attributes);
        message.header.change_mask = SETTABLE;
        message.header.flags = BOOT_FLAGS;
        Some((RouteNetlinkMessage::SetLink(message), 0))
    }
}

impl Netlink {
    /// All links that may be the device of an ENI. Whoever makes links all the time keeps every list from being whole: then all that
    /// the tries saw is here, and whatever is missing may be there.
    pub fn devices(&mut self, drivers: &Drivers) -> io::Result<Devices> {
        let mut seen = BTreeMap::new();
        let fold = |last: &mut Vec<Device>, message: &Message<'_>| {
            if let Some(device) = drivers.accept(read(message.payload())?) {
                seen.insert(device.index, device.clone());
                last.push(device);
            }
            Ok(())
        };
        let (last, complete) = self.dump_tries(&all_links(), fold, |_| false)?;
        let all = if complete {
            last
        } else {
            seen.into_values().collect()
        };
        Ok(Devices { all, complete })
    }

    /// The device with this MAC address, if it is here. With an index where it was last seen no list is needed.
    pub fn device(
        &mut self,
        mac: Mac,
        drivers: &Drivers,
        last: Option<u32>,
    ) -> Result<Option<Device>, Error> {
        if let Some(index) = last {
            let seen = self
                .link(link(index, Vec::new()))
                .map_err(Error::netlink("look at a link"))?;
            let device = seen.and_then(|link| drivers.accept(link));
            if let Some(device) = device.filter(|device| device.mac == mac) {
                return Ok(Some(device));
            }
        }
        // A pod that makes links all the time keeps every list from being whole; a device that was found is there.
        let mut found = self
            .dump_until(&all_links(), matching(mac, drivers), |found| {
                !found.is_empty()
            })
            .map_err(Error::netlink("list the links"))?;
        match found.len() {
            0 | 1 => Ok(found.pop()),
            count => Err(Error::Ambiguous { mac, count }),
        }
    }

    /// The device with this MAC address, if it is the link of this name.
    pub fn device_named(
        &mut self,
        name: &str,
        mac: Mac,
        drivers: &Drivers,
    ) -> io::Result<Option<Device>> {
        let named = self.link(link(0, vec![LinkAttribute::IfName(name.to_owned())]))?;
        let device = named.and_then(|link| drivers.accept(link));
        Ok(device.filter(|device| device.mac == mac))
    }

    /// Names of all links by their index, without those that are no UTF-8.
    pub fn names(&mut self) -> io::Result<BTreeMap<u32, String>> {
        self.dump(&all_links(), |names: &mut BTreeMap<_, _>, message| {
            names.extend(device::name(message.payload()));
            Ok(())
        })
    }

    /// Whether any link here has this name, as its first or as a further one.
    pub fn has_link(&mut self, name: &str) -> io::Result<bool> {
        Ok(self.index(name)?.is_some())
    }

    /// The name of the link that has this index here.
    pub fn name_of(&mut self, index: u32) -> io::Result<Option<String>> {
        let device = self
            .link(link(index, Vec::new()))?
            .and_then(|link| link.device);
        Ok(device.map(|device| device.name))
    }

    /// The index of the link that has this name here.
    pub fn index(&mut self, name: &str) -> io::Result<Option<u32>> {
        let named = link(0, vec![LinkAttribute::IfName(name.to_owned())]);
        Ok(self.link(named)?.map(|link| link.index))
    }

    fn link(&mut self, mut message: LinkMessage) -> io::Result<Option<Link>> {
        message.attributes.push(skip_statistics());
        match self.get(RouteNetlinkMessage::GetLink(message)) {
            Ok(payload) => read(&payload).map(Some),
            Err(error) if errno(&error) == Some(Errno::NODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Indices of the links that stand on the link `index` (macvlan, vlan ...), which is in this namespace or in another one
    /// that has the id `elsewhere` here.
    fn uppers(&mut self, index: u32, elsewhere: Option<i32>) -> io::Result<Vec<u32>> {
        let fold = |uppers: &mut Vec<u32>, message: &Message<'_>| {
            let link = read(message.payload())?;
            // Indices of two namespaces may be the same.
            let itself = elsewhere.is_none() && link.index == index;
            let stands_on = |lower: device::Lower| {
                lower.index == index && lower.elsewhere == elsewhere && !itself
            };
            // The two ends of a pair name each other, and neither stands on the other.
            let pair = link.kind.as_deref().is_some_and(|kind| kind == "veth");
            if link.lower.is_some_and(stands_on) && !pair {
                uppers.push(link.index);
            }
            Ok(())
        };
        self.dump_until(&all_links(), fold, |uppers| !uppers.is_empty())
    }

    /// Deletes the links here that stand on the link `index` of another namespace.
    pub fn delete_uppers_elsewhere(&mut self, index: u32, other: BorrowedFd<'_>) -> Vec<Error> {
        match self.namespace_id(other) {
            Ok(Some(id)) => self.delete_uppers_of(index, Some(id)),
            // Without an id no link here can stand on one there.
            Ok(None) => Vec::new(),
            Err(error) => vec![Error::netlink("ask for a namespace's id")(error)],
        }
    }

    fn namespace_id(&mut self, other: BorrowedFd<'_>) -> io::Result<Option<i32>> {
        let fd = u32::try_from(other.as_raw_fd()).map_err(io::Error::other)?;
        let mut message = NsidMessage::default();
        message.attributes.push(NsidAttribute::Fd(fd));
        let answer = self.get(RouteNetlinkMessage::GetNsId(message))?;
        let id = device::namespace_id(&answer);
        Ok(id.filter(|id| *id >= 0))
    }

    fn delete_link(&mut self, index: u32) -> io::Result<()> {
        self.request((RouteNetlinkMessage::DelLink(link(index, Vec::new())), 0))
    }

    /// Moves a link into another namespace under another name, in one request. It arrives down and without addresses.
    pub fn move_link(&mut self, index: u32, target: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        let attributes = vec![
            LinkAttribute::NetNsFd(target.as_raw_fd()),
            LinkAttribute::IfName(name.to_owned()),
        ];
        self.request(set_link(index, attributes))
    }

    /// Gives a link a further name.
    pub fn add_alternative_name(&mut self, index: u32, name: &str) -> io::Result<()> {
        let message = RouteNetlinkMessage::NewLinkProp(alternative(index, name.as_bytes()));
        self.request((message, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND))
    }

    /// Takes off a link what somebody put on it: further names but `keep`, alias, XDP program. Each as far as the kernel lets.
    pub fn strip(&mut self, device: &Device, keep: &str) -> Vec<Error> {
        let mut left = Vec::new();
        let foreign = |name: &&Vec<u8>| name.as_slice() != keep.as_bytes();
        for name in device.alternative_names.iter().filter(foreign) {
            let message = RouteNetlinkMessage::DelLinkProp(alternative(device.index, name));
            let outcome = self.request((message, 0));
            left.extend(
                outcome
                    .map_err(Error::netlink("remove a second name"))
                    .err(),
            );
        }
        if device.alias {
            // An attribute of the empty string's two bytes would set an alias; length 0 removes it (`dev_set_alias`).
            let nothing = DefaultNla::new(IFLA_IFALIAS, Vec::new());
            let request = set_link(device.index, vec![LinkAttribute::Other(nothing)]);
            let outcome = self.request(request);
            left.extend(outcome.map_err(Error::netlink("remove the alias")).err());
        }
        if device.xdp {
            for mode in XDP_MODES {
                let detach = vec![LinkXdp::Fd(-1), LinkXdp::Flags(mode)];
                let detach = vec![LinkAttribute::Xdp(detach)];
                let outcome = self.request(set_link(device.index, detach));
                left.extend(
                    outcome
                        .map_err(Error::netlink("detach the XDP program"))
                        .err(),
                );
            }
        }
        left
    }

    /// Deletes the links here that stand on the link `index`, which would go on sending by it when it is elsewhere.
    pub fn delete_uppers(&mut self, index: u32) -> Vec<Error> {
        self.delete_uppers_of(index, None)
    }

    /// Those on top of a deleted link go along.
    fn delete_uppers_of(&mut self, index: u32, elsewhere: Option<i32>) -> Vec<Error> {
        let uppers = match self.uppers(index, elsewhere) {
            Ok(uppers) => uppers,
            Err(error) => return vec![Error::netlink("list the links")(error)],
        };
        let mut left = Vec::new();
        for upper in uppers {
            match self.delete_link(upper) {
                Err(error) if errno(&error) != Some(Errno::NODEV) => {
                    left.push(Error::netlink("delete a link that stands on the device")(
                        error,
                    ));
                }
                Ok(()) | Err(_) => {}
            }
        }
        left
    }
}

/// Keeps the devices with this MAC address of a list.
fn matching(
    mac: Mac,
    drivers: &Drivers,
) -> impl FnMut(&mut Vec<Device>, &Message<'_>) -> io::Result<()> {
    move |found, message| {
        let device = drivers.accept(read(message.payload())?);
        found.extend(device.filter(|device| device.mac == mac));
        Ok(())
    }
}

/// Renames a link. Before Linux 6.2 it must be down.
pub fn rename(index: u32, name: &str) -> Request {
    set_link(index, vec![LinkAttribute::IfName(name.to_owned())])
}

/// Sets the MTU of a link.
pub fn set_mtu(index: u32, mtu: u32) -> Request {
    set_link(index, vec![LinkAttribute::Mtu(mtu)])
}

/// Sets a link up or down.
pub fn set_up(index: u32, up: bool) -> Request {
    let mut message = link(index, Vec::new());
    message.header.change_mask = LinkFlags::Up;
    message.header.flags = if up {
        LinkFlags::Up
    } else {
        LinkFlags::empty()
    };
    (RouteNetlinkMessage::SetLink(message), 0)
}

fn set_link(index: u32, attributes: Vec<LinkAttribute>) -> Request {
    (RouteNetlinkMessage::SetLink(link(index, attributes)), 0)
}

fn link(index: u32, attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = attributes;
    message
}

fn all_links() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetLink(link(0, vec![skip_statistics()]))
}

fn skip_statistics() -> LinkAttribute {
    LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])
}

/// Further names may be any bytes, which the message type for them cannot say.
fn alternative(index: u32, name: &[u8]) -> LinkMessage {
    const NLA_F_NESTED: u16 = 1 << 15;
    let value = [name, b"\0"].concat();
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut nest = [length.to_ne_bytes(), IFLA_ALT_IFNAME.to_ne_bytes()].concat();
    nest.extend(value);
    let names = DefaultNla::new(IFLA_PROP_LIST | NLA_F_NESTED, nest);
    link(index, vec![LinkAttribute::Other(names)])
}

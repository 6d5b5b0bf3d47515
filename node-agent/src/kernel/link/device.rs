//! A link as the kernel describes it, read from the few attributes that are needed, as bytes.
//!
//! A pod may give a link an alias and names that are no UTF-8, and any attribute that a decoder of all of them does not
//! expect: that must not hide a device.

use std::io;

use netlink_packet_core::{NlaBuffer, NlasIterator};
use node_agent_core::mac::Mac;

/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;
/// Length of `struct ifinfomsg`.
const HEADER: usize = 16;

/// `include/uapi/linux/if.h`.
const IFF_UP: u32 = 1;

/// `include/uapi/linux/if_link.h`.
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
const IFLA_LINKMODE: u16 = 17;
const IFLA_LINKINFO: u16 = 18;
pub(super) const IFLA_IFALIAS: u16 = 20;
const IFLA_GROUP: u16 = 27;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_MIN_MTU: u16 = 50;
const IFLA_MAX_MTU: u16 = 51;
pub(super) const IFLA_PROP_LIST: u16 = 52;
pub(super) const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_PERM_ADDRESS: u16 = 54;
const IFLA_PARENT_DEV_NAME: u16 = 56;
const IFLA_PARENT_DEV_BUS_NAME: u16 = 57;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_XDP_ATTACHED: u16 = 2;

/// A link that may be the device of an ENI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its index in the namespace where it was seen; another namespace may give another.
    pub index: u32,
    /// Its name; what is no UTF-8 in it is replaced, so it is for showing only.
    pub name: String,
    /// Its permanent MAC address, or its address where it has none.
    pub mac: Mac,
    /// The MAC address that it uses, which a pod may change.
    pub address: Option<Mac>,
    /// `IFF_*` flags.
    pub flags: u32,
    /// Its MTU.
    pub mtu: u32,
    /// The least MTU that it can have.
    pub least_mtu: u32,
    /// The greatest MTU that it can have.
    pub most_mtu: u32,
    /// Length of its transmit queue, in packets.
    pub queue_length: u32,
    /// Its group, 0 unless somebody set it.
    pub group: u32,
    /// Whether it never becomes operational by itself.
    pub dormant: bool,
    /// Further names, as bytes.
    pub alternative_names: Vec<Vec<u8>>,
    /// Whether somebody put a text on it.
    pub alias: bool,
    /// Whether an XDP program is attached to it.
    pub xdp: bool,
    /// Its address on the PCI bus.
    pub pci: Option<String>,
    /// The path in sysfs of the hardware behind it, which is the same in every namespace. `None` without hardware, and before
    /// Linux 5.14.
    pub sysfs: Option<String>,
}

impl Device {
    /// Whether it is administratively up.
    pub fn is_up(&self) -> bool {
        self.flags & IFF_UP != 0
    }
}

/// A link of any kind.
#[derive(Debug)]
pub(super) struct Link {
    /// Its index.
    pub index: u32,
    /// Its kind, if software makes it.
    pub kind: Option<String>,
    /// The link that it stands on.
    pub lower: Option<Lower>,
    /// The bridge that it is a port of.
    pub controller: Option<u32>,
    /// The device, if it has a MAC address.
    pub device: Option<Device>,
}

/// The link that another one stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lower {
    /// Its index in its namespace.
    pub index: u32,
    /// The id of its namespace in the one that was looked at, if it is another.
    pub elsewhere: Option<i32>,
}

/// Attributes of a link.
#[derive(Default)]
struct Attributes {
    kind: Option<String>,
    lower: Option<u32>,
    controller: Option<u32>,
    elsewhere: Option<i32>,
    name: Option<String>,
    address: Option<Mac>,
    permanent: Option<Mac>,
    mtu: u32,
    least_mtu: u32,
    most_mtu: u32,
    queue_length: u32,
    group: u32,
    dormant: bool,
    alternative_names: Vec<Vec<u8>>,
    alias: bool,
    xdp: bool,
    parent: Option<String>,
    bus: Option<String>,
}

/// Reads a link from the payload of its message. What cannot be read is an error: a device may be behind it.
pub(super) fn read(payload: &[u8]) -> io::Result<Link> {
    let short = || io::Error::other("a link's message is too short");
    let layer = u16::from_ne_bytes(chunk(payload, 2).ok_or_else(short)?);
    let index = u32::from_ne_bytes(chunk(payload, 4).ok_or_else(short)?);
    let flags = u32::from_ne_bytes(chunk(payload, 8).ok_or_else(short)?);
    let mut found = Attributes::default();
    for attribute in NlasIterator::new(payload.get(HEADER..).ok_or_else(short)?) {
        let attribute = attribute
            .map_err(|error| io::Error::other(format!("link {index} cannot be read: {error}")))?;
        found.take(&attribute);
    }
    let lower = found.lower.map(|index| Lower {
        index,
        elsewhere: found.elsewhere,
    });
    Ok(Link {
        index,
        kind: found.kind.clone(),
        lower,
        controller: found.controller,
        device: (layer == ETHERNET)
            .then(|| found.device(index, flags))
            .flatten(),
    })
}

/// Index and name of a link, unless the name is no UTF-8.
pub(super) fn name(payload: &[u8]) -> Option<(u32, String)> {
    let index = u32::from_ne_bytes(chunk(payload, 4)?);
    let name = NlasIterator::new(payload.get(HEADER..)?)
        .filter_map(Result::ok)
        .find(|attribute: &NlaBuffer<&[u8]>| attribute.kind() == IFLA_IFNAME)?;
    let name = std::str::from_utf8(trimmed(name.value())).ok()?;
    Some((index, name.to_owned()))
}

/// The id in an answer to `RTM_GETNSID`; negative: it has none.
pub(super) fn namespace_id(payload: &[u8]) -> Option<i32> {
    const RTGENMSG: usize = 4;
    const NETNSA_NSID: u16 = 1;
    inner(payload.get(RTGENMSG..)?, NETNSA_NSID)
        .map(signed)
        .next()
}

impl Attributes {
    fn take(&mut self, attribute: &NlaBuffer<&[u8]>) {
        let value = attribute.value();
        match attribute.kind() {
            IFLA_IFNAME => self.name = Some(text(value)),
            IFLA_ADDRESS => self.address = Mac::try_from(value).ok(),
            IFLA_PERM_ADDRESS => self.permanent = Mac::try_from(value).ok(),
            IFLA_MTU => self.mtu = number(value),
            IFLA_MIN_MTU => self.least_mtu = number(value),
            IFLA_MAX_MTU => self.most_mtu = number(value),
            IFLA_TXQLEN => self.queue_length = number(value),
            IFLA_GROUP => self.group = number(value),
            IFLA_LINKMODE => self.dormant = value.first() != Some(&0),
            IFLA_LINK => self.lower = Some(number(value)),
            IFLA_MASTER => self.controller = Some(number(value)),
            IFLA_LINK_NETNSID => self.elsewhere = Some(signed(value)),
            IFLA_LINKINFO => self.kind = inner(value, IFLA_INFO_KIND).map(text).next(),
            IFLA_IFALIAS => self.alias = true,
            IFLA_XDP => {
                let attached = inner(value, IFLA_XDP_ATTACHED).next();
                self.xdp = attached.is_some_and(|state| state.first() != Some(&0));
            }
            IFLA_PROP_LIST => {
                let names = inner(value, IFLA_ALT_IFNAME).map(|name| trimmed(name).to_vec());
                self.alternative_names.extend(names);
            }
            IFLA_PARENT_DEV_NAME => self.parent = Some(text(value)),
            IFLA_PARENT_DEV_BUS_NAME => self.bus = Some(text(value)),
            _ => {}
        }
    }

    fn device(self, index: u32, flags: u32) -> Option<Device> {
        let (bus, parent) = (self.bus, self.parent);
        let sysfs = bus
            .as_ref()
            .zip(parent.as_ref())
            .map(|(bus, parent)| format!("/sys/bus/{bus}/devices/{parent}"));
        Some(Device {
            index,
            name: self.name.unwrap_or_default(),
            // A pod with NET_ADMIN can change the address, and not the permanent one.
            mac: self.permanent.or(self.address)?,
            address: self.address,
            flags,
            mtu: self.mtu,
            least_mtu: self.least_mtu,
            // 0: the driver sets no limit.
            most_mtu: if self.most_mtu == 0 {
                u32::MAX
            } else {
                self.most_mtu
            },
            queue_length: self.queue_length,
            group: self.group,
            dormant: self.dormant,
            alternative_names: self.alternative_names,
            alias: self.alias,
            xdp: self.xdp,
            pci: parent.filter(|_| bus.as_deref() == Some("pci")),
            sysfs,
        })
    }
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn number(value: &[u8]) -> u32 {
    value
        .first_chunk()
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn signed(value: &[u8]) -> i32 {
    value
        .first_chunk()
        .map_or(0, |bytes| i32::from_ne_bytes(*bytes))
}

fn trimmed(value: &[u8]) -> &[u8] {
    value.strip_suffix(b"\0").unwrap_or(value)
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(trimmed(value)).into_owned()
}

/// Values of the attributes `kind` inside a nest.
fn inner(nest: &[u8], kind: u16) -> impl Iterator<Item = &[u8]> {
    NlasIterator::new(nest)
        .filter_map(Result::ok)
        .filter(move |attribute: &NlaBuffer<&[u8]>| attribute.kind() == kind)
        .map(NlaBuffer::into_inner)
        .filter_map(|whole| {
            let length = usize::from(u16::from_ne_bytes(*whole.first_chunk()?));
            whole.get(4..length)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn link(attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[2..4].copy_from_slice(&ETHERNET.to_ne_bytes());
        bytes[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        bytes.extend(attributes.concat());
        bytes
    }

    #[test]
    fn permanent_address_counts_whatever_address_a_pod_gave_the_device() {
        let device = read(&link(&[
            attribute(IFLA_IFNAME, b"eni0\0"),
            attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]),
            attribute(IFLA_PERM_ADDRESS, &[2, 0, 0, 0, 0, 2]),
        ]))
        .unwrap()
        .device
        .unwrap();
        assert_eq!(device.mac, Mac::from([2, 0, 0, 0, 0, 2]));
        assert_eq!(device.address, Some(Mac::from([2, 0, 0, 0, 0, 1])));
    }

    #[test]
    fn hardware_has_a_place_in_sysfs_and_software_has_none() {
        let address = attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]);
        let parent = [
            attribute(IFLA_PARENT_DEV_NAME, b"0000:00:06.0\0"),
            attribute(IFLA_PARENT_DEV_BUS_NAME, b"pci\0"),
        ];
        let hardware = link(&[&[address.clone()][..], &parent].concat());
        let device = read(&hardware).unwrap().device.unwrap();
        assert_eq!(device.pci.as_deref(), Some("0000:00:06.0"));
        let path = "/sys/bus/pci/devices/0000:00:06.0";
        assert_eq!(device.sysfs.as_deref(), Some(path));
        let software = read(&link(&[address])).unwrap().device.unwrap();
        assert_eq!((software.pci, software.sysfs), (None, None));
    }

    #[test]
    fn bytes_that_are_no_text_hide_nothing() {
        let device = read(&link(&[
            attribute(IFLA_IFNAME, b"\xff\xfe\0"),
            attribute(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]),
            attribute(IFLA_IFALIAS, b"\xff\xfe\0"),
            attribute(IFLA_PROP_LIST, &attribute(IFLA_ALT_IFNAME, b"\xff\xfe\0")),
        ]))
        .unwrap()
        .device
        .unwrap();
        assert_eq!(
            (device.index, device.mac),
            (7, Mac::from([2, 0, 0, 0, 0, 1]))
        );
        assert!(device.alias);
        assert_eq!(device.alternative_names, [b"\xff\xfe".to_vec()]);
    }

    #[test]
    fn link_that_cannot_be_read_is_an_error() {
        let mut broken = link(&[attribute(IFLA_IFNAME, b"eni0\0")]);
        broken[HEADER] = 200;
        read(&broken).unwrap_err();
        read(&broken[..HEADER - 1]).unwrap_err();
    }
}

//! What is around an ENI: the pod's other interfaces, and the node's own addresses.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use netlink_packet_core::NlasIterator;
use netlink_packet_route::{
    RouteNetlinkMessage,
    address::AddressMessage,
    route::{RouteAttribute, RouteMessage},
};
use node_agent_core::{
    layout::Surroundings,
    picture::{Action, Family, PodSlot, Rule, Selector},
};
use rustix::io::Errno;

use crate::{
    error::Error,
    kernel::{
        netlink::{Netlink, errno},
        routing::{MOST, af, decode, seen_address},
        view::Inspector,
    },
};

/// The loopback interface of every namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;
/// Of networks that nobody has (RFC 5737, RFC 3849): they are looked up for the way that the default route leads.
const FAR: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

impl Inspector {
    /// The pod's interfaces beside the ENI at `slot`, the link `itself`, and beside its other ENIs; the addresses of the node's link
    /// by which its default route goes.
    pub fn surroundings(
        &self,
        pod: &mut Netlink,
        host: &mut Netlink,
        slot: PodSlot,
        itself: Option<u32>,
    ) -> Result<Surroundings, Error> {
        // Addresses before rules: of every ENI the rules come first, so none is taken for an earlier interface.
        let addresses = pod
            .all_addresses()
            .map_err(Error::netlink("list the addresses"))?;
        let names = pod.names().map_err(Error::netlink("list the links"))?;
        let mut others = BTreeSet::new();
        for family in self.features.families() {
            let rules = pod.rules_that(*family, |rule| !rule.is_of(slot));
            others.extend(rules.map_err(Error::netlink("list the rules"))?);
        }
        let mut surroundings = Surroundings::default();
        for (index, ip) in addresses {
            let name = names.get(&index).filter(|_| Some(index) != itself);
            let Some(name) = name.filter(|name| !is_eni(&others, name, ip)) else {
                continue;
            };
            surroundings.earlier.insert(name.clone());
            surroundings.addresses.insert(ip);
        }
        for family in self.features.families() {
            let node = host.own_addresses(*family);
            let node = node.map_err(Error::netlink("look for the node's address"))?;
            surroundings.node.extend(node);
        }
        Ok(surroundings)
    }
}

/// Whether the rules of the pod's other ENIs say that the link or the address is one of theirs.
fn is_eni(others: &BTreeSet<Rule>, name: &str, ip: IpAddr) -> bool {
    others
        .iter()
        .any(|rule| match (&rule.selector, rule.action) {
            (Selector::From(network), Action::Table(_)) => network.contains(&ip),
            (Selector::Out(link), Action::Table(_)) => link == name,
            _ => false,
        })
}

impl Netlink {
    /// Every address that is good beyond its link, with the index of that link.
    fn all_addresses(&mut self) -> io::Result<BTreeSet<(u32, IpAddr)>> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        self.dump(&request, |found: &mut BTreeSet<_>, message| {
            let seen = decode(message).and_then(|message| seen_address(&message));
            let seen = seen.filter(|(link, ..)| *link != LOOPBACK);
            found.extend(seen.map(|(link, address, _)| (link, address.addr())));
            if found.len() > MOST {
                return Err(io::Error::other(format!(
                    "the pod has more than {MOST} addresses"
                )));
            }
            Ok(())
        })
    }

    /// The addresses of the link by which this namespace reaches the rest of the world; none without a default route.
    pub fn own_addresses(&mut self, family: Family) -> io::Result<BTreeSet<IpAddr>> {
        let far = FAR.into_iter().find(|ip| Family::of(*ip) == family);
        let Some(index) = far.map(|ip| self.way_to(ip)).transpose()?.flatten() else {
            return Ok(BTreeSet::new());
        };
        let of_link = self.addresses(index)?.all;
        let of_family = |ip: &IpAddr| Family::of(*ip) == family;
        Ok(of_link.iter().map(IpNet::addr).filter(of_family).collect())
    }

    /// The link by which an address is reached.
    fn way_to(&mut self, ip: IpAddr) -> io::Result<Option<u32>> {
        const RTMSG: usize = 12;
        const RTA_OIF: u16 = 4;
        let mut message = RouteMessage::default();
        message.header.address_family = af(Family::of(ip));
        message.header.destination_prefix_length = IpNet::from(ip).prefix_len();
        message
            .attributes
            .push(RouteAttribute::Destination(ip.into()));
        let answer = match self.get(RouteNetlinkMessage::GetRoute(message)) {
            Err(error) if is_unreachable(&error) => return Ok(None),
            answer => answer?,
        };
        let attributes = NlasIterator::new(answer.get(RTMSG..).unwrap_or_default());
        let link = attributes
            .filter_map(Result::ok)
            .find(|attribute| attribute.kind() == RTA_OIF);
        let index = link.and_then(|link| link.value().first_chunk().copied());
        Ok(index.map(u32::from_ne_bytes))
    }
}

fn is_unreachable(error: &io::Error) -> bool {
    let unreachable = [
        Errno::NETUNREACH,
        Errno::HOSTUNREACH,
        Errno::ACCESS,
        Errno::INVAL,
    ];
    errno(error).is_some_and(|errno| unreachable.contains(&errno))
}

//! Addresses, rules and routes: between the core's nouns and netlink's messages.

use std::{collections::BTreeSet, io, net::IpAddr};

use ipnet::IpNet;
use netlink_packet_core::{
    NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope},
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol,
        RouteScope, RouteType,
    },
    rule::{RuleAction, RuleAttribute, RuleMessage},
};
use node_agent_core::{
    layout::MAIN,
    picture::{Action, Family, PROTOCOL, PodSlot, Route, Rule, Selector, Way},
    port::host,
};
use rustix::io::Errno;

use crate::kernel::netlink::{Message, Netlink, Request, errno};

/// As many as no pod has of ours: a pod with `NET_ADMIN` can add any number under our protocol number, and reading them
/// must not cost the agent's memory.
pub(super) const MOST: usize = 4096;

/// Of the loopback interface of every namespace.
const LOOPBACK_NAME: &str = "lo";

/// Addresses of a link.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// All of them, without those that the kernel makes for the link alone.
    pub all: BTreeSet<IpNet>,
    /// Those that duplicate address detection has not let through.
    pub unready: Vec<IpNet>,
}

impl Netlink {
    /// Addresses of a link.
    pub fn addresses(&mut self, index: u32) -> io::Result<Addresses> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        let request = RouteNetlinkMessage::GetAddress(message);
        self.dump(&request, |found: &mut Addresses, message| {
            let seen = decode(message).and_then(|message| seen_address(&message));
            if let Some((_, address, ready)) = seen.filter(|(link, ..)| *link == index) {
                insert(&mut found.all, address)?;
                found.unready.extend((!ready).then_some(address));
            }
            Ok(())
        })
    }

    /// Our rules of a family, those of the ENI at `slot` and those that the pod's ENIs share.
    pub fn rules(&mut self, family: Family, slot: PodSlot) -> io::Result<BTreeSet<Rule>> {
        self.rules_that(family, |rule| rule.is_of(slot))
    }

    /// Those of our rules of a family that are wanted.
    pub(super) fn rules_that(
        &mut self,
        family: Family,
        wanted: impl Fn(&Rule) -> bool,
    ) -> io::Result<BTreeSet<Rule>> {
        let mut message = RuleMessage::default();
        message.header.family = af(family);
        let request = RouteNetlinkMessage::GetRule(message);
        self.dump(&request, |found, message| {
            match decode(message).and_then(|message| seen_rule(&message)) {
                Some(rule) if wanted(&rule) => insert(found, rule),
                Some(_) | None => Ok(()),
            }
        })
    }

    /// The rule for what this node itself sends, if it is there, and the routes that it leads to.
    pub fn to_pods(&mut self, family: Family) -> io::Result<(bool, BTreeSet<Route>)> {
        let wanted = host::rule(family);
        let rules = self.rules_that(family, |rule| *rule == wanted)?;
        let routes = self.routes_in(family, host::TABLE, None)?;
        Ok((!rules.is_empty(), routes))
    }

    /// Where the routes of a family in table main lead that are not for everything, whoever made them, each with its link.
    pub fn networks(&mut self, family: Family) -> io::Result<BTreeSet<(IpNet, Option<u32>)>> {
        let mut message = RouteMessage::default();
        message.header.address_family = af(family);
        message.attributes.push(RouteAttribute::Table(MAIN));
        let request = RouteNetlinkMessage::GetRoute(message);
        self.dump(&request, |found, message| {
            let seen = decode(message).and_then(|message| network(family, &message));
            match seen {
                Some(network) => insert(found, network),
                None => Ok(()),
            }
        })
    }

    /// Our routes of a family in the table of the ENI at `slot`.
    pub fn routes(&mut self, family: Family, slot: PodSlot) -> io::Result<BTreeSet<Route>> {
        self.routes_in(family, slot.table(), None)
    }

    /// Our routes of a family in table main that go by the link `index`.
    pub fn main_routes(&mut self, family: Family, index: u32) -> io::Result<BTreeSet<Route>> {
        self.routes_in(family, MAIN, Some(index))
    }

    fn routes_in(
        &mut self,
        family: Family,
        table: u32,
        link: Option<u32>,
    ) -> io::Result<BTreeSet<Route>> {
        let mut message = RouteMessage::default();
        message.header.address_family = af(family);
        message.header.protocol = protocol();
        message.attributes.push(RouteAttribute::Table(table));
        message.attributes.extend(link.map(RouteAttribute::Oif));
        let request = RouteNetlinkMessage::GetRoute(message);
        let found = self.dump(&request, |found, message| {
            match decode(message).and_then(|message| seen_route(&message)) {
                Some((route, by)) if route.table == table && (link.is_none() || by == link) => {
                    insert(found, route)
                }
                Some(_) | None => Ok(()),
            }
        });
        match found {
            // Nothing was ever put into the table.
            Err(error) if errno(&error) == Some(Errno::NOENT) => Ok(BTreeSet::new()),
            found => found,
        }
    }
}

/// Adds an address without a route for its prefix and without waiting for duplicates: EC2 gives it to nobody else.
pub fn add_address(index: u32, address: IpNet) -> Request {
    let mut flags = AddressFlags::Noprefixroute;
    if address.addr().is_ipv6() {
        flags |= AddressFlags::Nodad;
    }
    let message = address_message(index, address, flags);
    (
        RouteNetlinkMessage::NewAddress(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Adds an address to a bridge of the node, with the route to its subnet.
pub fn add_gateway(index: u32, address: IpNet) -> Request {
    let flags = match address {
        IpNet::V4(_) => AddressFlags::empty(),
        IpNet::V6(_) => AddressFlags::Nodad,
    };
    let message = address_message(index, address, flags);
    (
        RouteNetlinkMessage::NewAddress(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

/// Deletes an address.
pub fn delete_address(index: u32, address: IpNet) -> Request {
    let message = address_message(index, address, AddressFlags::empty());
    (RouteNetlinkMessage::DelAddress(message), 0)
}

/// Adds a rule of ours. The kernel would take it twice if it were not for EXCL.
pub fn add_rule(rule: &Rule) -> Request {
    let message = RouteNetlinkMessage::NewRule(rule_message(rule));
    (message, NLM_F_CREATE | NLM_F_EXCL)
}

/// Deletes a rule of ours.
pub fn delete_rule(rule: &Rule) -> Request {
    (RouteNetlinkMessage::DelRule(rule_message(rule)), 0)
}

/// Adds a route of ours; `index` is the link of the ENI.
pub fn add_route(route: &Route, index: Option<u32>) -> Request {
    let message = RouteNetlinkMessage::NewRoute(route_message(route, index));
    (message, NLM_F_CREATE | NLM_F_EXCL)
}

/// Adds a route of ours, or puts it in the place of the one for the same destination.
pub fn replace_route(route: &Route, index: u32) -> Request {
    let message = RouteNetlinkMessage::NewRoute(route_message(route, Some(index)));
    (message, NLM_F_CREATE | NLM_F_REPLACE)
}

/// Deletes a route of ours.
pub fn delete_route(route: &Route) -> Request {
    (RouteNetlinkMessage::DelRoute(route_message(route, None)), 0)
}

/// What does not decode was not made by us.
pub(super) fn decode(message: &Message<'_>) -> Option<RouteNetlinkMessage> {
    match NetlinkMessage::deserialize(message.clone().into_inner())
        .ok()?
        .payload
    {
        NetlinkPayload::InnerMessage(message) => Some(message),
        _ => None,
    }
}

fn insert<T: Ord>(found: &mut BTreeSet<T>, thing: T) -> io::Result<()> {
    found.insert(thing);
    if found.len() > MOST {
        return Err(io::Error::other(format!(
            "the pod has more than {MOST} of ours, which it must have added itself"
        )));
    }
    Ok(())
}

pub(super) fn af(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

fn address_message(index: u32, address: IpNet, flags: AddressFlags) -> AddressMessage {
    let ip = address.addr();
    let mut message = AddressMessage::default();
    message.header.family = af(Family::of(ip));
    message.header.prefix_len = address.prefix_len();
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Local(ip),
        AddressAttribute::Address(ip),
        AddressAttribute::Flags(flags),
    ];
    message
}

/// The link, the address if it is good beyond it, and whether it can be used.
pub(super) fn seen_address(message: &RouteNetlinkMessage) -> Option<(u32, IpNet, bool)> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    if message.header.scope == AddressScope::Link {
        return None;
    }
    let local = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    });
    // IPv6 has no IFA_LOCAL.
    let address = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Address(ip) => Some(*ip),
        _ => None,
    });
    let unready = AddressFlags::Tentative | AddressFlags::Dadfailed;
    let flags = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Flags(flags) => Some(*flags),
        _ => None,
    });
    let address = IpNet::new(local.or(address)?, message.header.prefix_len).ok()?;
    let ready = flags.is_none_or(|flags| !flags.intersects(unready));
    Some((message.header.index, address, ready))
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = af(rule.family);
    message.attributes = vec![
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Protocol(protocol()),
    ];
    match &rule.selector {
        Selector::Everything => {}
        Selector::To(network) => {
            message.header.dst_len = network.prefix_len();
            message
                .attributes
                .push(RuleAttribute::Destination(network.addr()));
        }
        Selector::From(network) => {
            message.header.src_len = network.prefix_len();
            message
                .attributes
                .push(RuleAttribute::Source(network.addr()));
        }
        Selector::Out(name) => message
            .attributes
            .push(RuleAttribute::Oifname(name.clone())),
        // What a host sends is looked up as if it came by its loopback interface (`ip_route_output_key_hash` in `net/ipv4/route.c`).
        Selector::LocallyGenerated => message
            .attributes
            .push(RuleAttribute::Iifname(LOOPBACK_NAME.to_owned())),
    }
    match rule.action {
        Action::Blackhole => message.header.action = RuleAction::Blackhole,
        Action::Table(table) => {
            message.header.action = RuleAction::ToTable;
            message.attributes.push(RuleAttribute::Table(table));
        }
        Action::Main { ignoring } => {
            message.header.action = RuleAction::ToTable;
            let ignoring = ignoring.map(|prefix| RuleAttribute::SuppressPrefixLen(prefix.into()));
            message.attributes.push(RuleAttribute::Table(MAIN));
            message.attributes.extend(ignoring);
        }
    }
    message
}

fn seen_rule(message: &RouteNetlinkMessage) -> Option<Rule> {
    let RouteNetlinkMessage::NewRule(message) = message else {
        return None;
    };
    if !message
        .attributes
        .contains(&RuleAttribute::Protocol(protocol()))
    {
        return None;
    }
    let family = match message.header.family {
        AddressFamily::Inet => Family::V4,
        AddressFamily::Inet6 => Family::V6,
        _ => return None,
    };
    let (mut priority, mut table, mut ignoring) = (0, None, None);
    let mut selector = Selector::Everything;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(value) => priority = *value,
            RuleAttribute::Table(value) => table = Some(*value),
            // The kernel says -1 where nothing is ignored.
            RuleAttribute::SuppressPrefixLen(value) => ignoring = u8::try_from(*value).ok(),
            RuleAttribute::Destination(ip) => {
                selector = Selector::To(IpNet::new(*ip, message.header.dst_len).ok()?);
            }
            RuleAttribute::Source(ip) => {
                selector = Selector::From(IpNet::new(*ip, message.header.src_len).ok()?);
            }
            RuleAttribute::Oifname(name) => selector = Selector::Out(name.clone()),
            RuleAttribute::Iifname(name) if name == LOOPBACK_NAME => {
                selector = Selector::LocallyGenerated;
            }
            _ => {}
        }
    }
    let action = match message.header.action {
        RuleAction::Blackhole => Action::Blackhole,
        RuleAction::ToTable if table? == MAIN => Action::Main { ignoring },
        RuleAction::ToTable => Action::Table(table?),
        _ => return None,
    };
    Some(Rule {
        priority,
        family,
        selector,
        action,
    })
}

fn route_message(route: &Route, index: Option<u32>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = af(Family::of(route.to.addr()));
    message.header.destination_prefix_length = route.to.prefix_len();
    message.header.protocol = protocol();
    message.header.table = RouteHeader::RT_TABLE_UNSPEC;
    message.header.kind = RouteType::Unicast;
    message.header.scope = RouteScope::Universe;
    message.attributes = vec![
        RouteAttribute::Table(route.table),
        RouteAttribute::Priority(route.metric),
    ];
    if route.to.prefix_len() > 0 {
        message
            .attributes
            .push(RouteAttribute::Destination(route.to.addr().into()));
    }
    let from = |source: Option<IpAddr>| {
        let source = source.map(|source| RouteAttribute::PrefSource(source.into()));
        source.into_iter().chain(index.map(RouteAttribute::Oif))
    };
    match route.way {
        Way::OnLink { source } => {
            // In IPv6 the kernel knows no scopes of routes.
            if source.is_ipv4() {
                message.header.scope = RouteScope::Link;
            }
            message.attributes.extend(from(Some(source)));
        }
        Way::Gateway { via, source } => {
            message.header.flags = RouteFlags::Onlink;
            message.attributes.push(RouteAttribute::Gateway(via.into()));
            message.attributes.extend(from(source));
        }
        Way::Unreachable => message.header.kind = RouteType::Unreachable,
    }
    message
}

/// The route, and the link that it goes by.
fn seen_route(message: &RouteNetlinkMessage) -> Option<(Route, Option<u32>)> {
    let RouteNetlinkMessage::NewRoute(message) = message else {
        return None;
    };
    if message.header.protocol != protocol() {
        return None;
    }
    let family = match message.header.address_family {
        AddressFamily::Inet => Family::V4,
        AddressFamily::Inet6 => Family::V6,
        _ => return None,
    };
    let mut to = family.everything().addr();
    let (mut table, mut metric) = (u32::from(message.header.table), 0);
    let (mut via, mut source, mut link) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(value) => table = *value,
            RouteAttribute::Priority(value) => metric = *value,
            RouteAttribute::Destination(address) => to = ip(address)?,
            RouteAttribute::Gateway(address) => via = ip(address),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Oif(index) => link = Some(*index),
            _ => {}
        }
    }
    let way = match (message.header.kind, via, source) {
        (RouteType::Unreachable, ..) => Way::Unreachable,
        (RouteType::Unicast, Some(via), source) => Way::Gateway { via, source },
        (RouteType::Unicast, None, Some(source)) => Way::OnLink { source },
        _ => return None,
    };
    let route = Route {
        table,
        to: IpNet::new(to, message.header.destination_prefix_length).ok()?,
        way,
        metric,
    };
    Some((route, link))
}

/// Where a route of table main leads, and by which link; `None`: everywhere, or it is of another table.
fn network(family: Family, message: &RouteNetlinkMessage) -> Option<(IpNet, Option<u32>)> {
    let RouteNetlinkMessage::NewRoute(message) = message else {
        return None;
    };
    let is_main = u32::from(message.header.table) == MAIN;
    let of_family = message.header.address_family == af(family);
    if !is_main || !of_family || message.header.kind != RouteType::Unicast {
        return None;
    }
    let (mut to, mut link) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => to = ip(address),
            RouteAttribute::Oif(index) => link = Some(*index),
            _ => {}
        }
    }
    let to = IpNet::new(to?, message.header.destination_prefix_length).ok()?;
    Some((to, link))
}

fn protocol() -> RouteProtocol {
    RouteProtocol::from(PROTOCOL)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some((*ip).into()),
        RouteAddress::Inet6(ip) => Some((*ip).into()),
        _ => None,
    }
}

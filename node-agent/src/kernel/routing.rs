//! Addresses, rules and routes: between the core's nouns and netlink's messages.

use std::{io, net::IpAddr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope},
    route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol,
        RouteScope, RouteType,
    },
    rule::{RuleAction, RuleAttribute, RuleMessage},
};
use node_agent_core::picture::{Action, Family, Network, PROTOCOL, Route, Rule, Selector, Way};

use crate::kernel::netlink::Netlink;

impl Netlink {
    /// Addresses of a link, without those that the kernel makes for the link alone.
    pub fn addresses(&mut self, index: u32) -> io::Result<Vec<Network>> {
        let all = self.dump(&RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        Ok(all
            .iter()
            .filter_map(|message| seen_address(message, index))
            .collect())
    }

    /// Adds an address without a route for its prefix and without waiting for duplicates: EC2 gives it to nobody else.
    pub fn add_address(&mut self, index: u32, address: Network) -> io::Result<()> {
        let message = address_message(index, address);
        self.request(
            RouteNetlinkMessage::NewAddress(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Deletes an address.
    pub fn delete_address(&mut self, index: u32, address: Network) -> io::Result<()> {
        self.request(
            RouteNetlinkMessage::DelAddress(address_message(index, address)),
            0,
        )
    }

    /// Our rules of a family.
    pub fn rules(&mut self, family: Family) -> io::Result<Vec<Rule>> {
        let mut message = RuleMessage::default();
        message.header.family = af(family);
        let all = self.dump(&RouteNetlinkMessage::GetRule(message))?;
        Ok(all.iter().filter_map(seen_rule).collect())
    }

    /// Adds a rule of ours. The kernel would take it twice if it were not for EXCL.
    pub fn add_rule(&mut self, rule: &Rule) -> io::Result<()> {
        self.request(
            RouteNetlinkMessage::NewRule(rule_message(rule)),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Deletes a rule of ours.
    pub fn delete_rule(&mut self, rule: &Rule) -> io::Result<()> {
        self.request(RouteNetlinkMessage::DelRule(rule_message(rule)), 0)
    }

    /// Our routes of a family.
    pub fn routes(&mut self, family: Family) -> io::Result<Vec<Route>> {
        let mut message = RouteMessage::default();
        message.header.address_family = af(family);
        let all = self.dump(&RouteNetlinkMessage::GetRoute(message))?;
        Ok(all.iter().filter_map(seen_route).collect())
    }

    /// Adds a route of ours; `index` is the link of the ENI.
    pub fn add_route(&mut self, route: &Route, index: Option<u32>) -> io::Result<()> {
        self.request(
            RouteNetlinkMessage::NewRoute(route_message(route, index)),
            NLM_F_CREATE | NLM_F_EXCL,
        )
    }

    /// Deletes a route of ours.
    pub fn delete_route(&mut self, route: &Route, index: Option<u32>) -> io::Result<()> {
        self.request(
            RouteNetlinkMessage::DelRoute(route_message(route, index)),
            0,
        )
    }
}

fn af(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

fn address_message(index: u32, address: Network) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = af(address.family());
    message.header.prefix_len = address.prefix;
    message.header.index = index;
    let mut flags = AddressFlags::Noprefixroute;
    if address.ip.is_ipv6() {
        flags |= AddressFlags::Nodad;
    }
    message.attributes = vec![
        AddressAttribute::Local(address.ip),
        AddressAttribute::Address(address.ip),
        AddressAttribute::Flags(flags),
    ];
    message
}

fn seen_address(message: &RouteNetlinkMessage, index: u32) -> Option<Network> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    if message.header.index != index || message.header.scope == AddressScope::Link {
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
    Some(Network {
        ip: local.or(address)?,
        prefix: message.header.prefix_len,
    })
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = af(rule.family);
    message.attributes = vec![
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Protocol(protocol()),
    ];
    match &rule.selector {
        Selector::To(network) => {
            message.header.dst_len = network.prefix;
            message
                .attributes
                .push(RuleAttribute::Destination(network.ip));
        }
        Selector::From(network) => {
            message.header.src_len = network.prefix;
            message.attributes.push(RuleAttribute::Source(network.ip));
        }
        Selector::Out(name) => message
            .attributes
            .push(RuleAttribute::Oifname(name.clone())),
    }
    match rule.action {
        Action::Blackhole => message.header.action = RuleAction::Blackhole,
        Action::Table(table) => {
            message.header.action = RuleAction::ToTable;
            message.attributes.push(RuleAttribute::Table(table));
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
    let (mut priority, mut table, mut selector) = (0, None, None);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(value) => priority = *value,
            RuleAttribute::Table(value) => table = Some(*value),
            RuleAttribute::Destination(ip) => {
                selector = Some(Selector::To(Network {
                    ip: *ip,
                    prefix: message.header.dst_len,
                }));
            }
            RuleAttribute::Source(ip) => {
                selector = Some(Selector::From(Network {
                    ip: *ip,
                    prefix: message.header.src_len,
                }));
            }
            RuleAttribute::Oifname(name) => selector = Some(Selector::Out(name.clone())),
            _ => {}
        }
    }
    let action = match message.header.action {
        RuleAction::Blackhole => Action::Blackhole,
        RuleAction::ToTable => Action::Table(table?),
        _ => return None,
    };
    Some(Rule {
        priority,
        family,
        selector: selector?,
        action,
    })
}

fn route_message(route: &Route, index: Option<u32>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = af(route.to.family());
    message.header.destination_prefix_length = route.to.prefix;
    message.header.protocol = protocol();
    message.header.table = RouteHeader::RT_TABLE_UNSPEC;
    message.header.kind = RouteType::Unicast;
    message.header.scope = RouteScope::Universe;
    message.attributes = vec![
        RouteAttribute::Table(route.table),
        RouteAttribute::Priority(route.metric),
    ];
    if route.to.prefix > 0 {
        message
            .attributes
            .push(RouteAttribute::Destination(route.to.ip.into()));
    }
    let from = |source: IpAddr| {
        [RouteAttribute::PrefSource(source.into())]
            .into_iter()
            .chain(index.map(RouteAttribute::Oif))
    };
    match route.way {
        Way::OnLink { source } => {
            // In IPv6 the kernel knows no scopes of routes.
            if source.is_ipv4() {
                message.header.scope = RouteScope::Link;
            }
            message.attributes.extend(from(source));
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

fn seen_route(message: &RouteNetlinkMessage) -> Option<Route> {
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
    let mut to = Network {
        ip: Network::everything(family).ip,
        prefix: message.header.destination_prefix_length,
    };
    let (mut table, mut metric, mut via, mut source) =
        (u32::from(message.header.table), 0, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(value) => table = *value,
            RouteAttribute::Priority(value) => metric = *value,
            RouteAttribute::Destination(address) => to.ip = ip(address)?,
            RouteAttribute::Gateway(address) => via = ip(address),
            RouteAttribute::PrefSource(address) => source = ip(address),
            _ => {}
        }
    }
    let way = match (message.header.kind, via, source) {
        (RouteType::Unreachable, ..) => Way::Unreachable,
        (RouteType::Unicast, Some(via), Some(source)) => Way::Gateway { via, source },
        (RouteType::Unicast, None, Some(source)) => Way::OnLink { source },
        _ => return None,
    };
    Some(Route {
        table,
        to,
        way,
        metric,
    })
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

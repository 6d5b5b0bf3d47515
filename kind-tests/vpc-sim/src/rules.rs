//! Security groups and the source/destination check as one nftables ruleset.

use vpc::{Eni, Ingress, Protocol, SecurityGroup, Source, Vpc};

use crate::wires::vpc_end;

/// The whole ruleset; loading it replaces the one before at once.
///
/// What comes in through an ENI's wire must carry its address; what goes out to it must be addressed to it, and be
/// part of a known connection or let in by one of its groups. All egress is allowed.
pub(crate) fn ruleset(vpc: &Vpc) -> String {
    let plugged: Vec<&Eni> = vpc.enis().filter(|e| e.plugged_into().is_some()).collect();
    let checked = plugged.iter().filter(|eni| eni.source_dest_check);
    let groups = concat(vpc.groups().map(|group| group_rules(group, &plugged)));
    let enis = concat(plugged.iter().map(|eni| eni_rules(eni)));
    let checks = concat(checked.map(|eni| source_check(eni)));
    let ways = concat(plugged.iter().map(|eni| way(eni)));
    // The table is named once before it is deleted, because deleting one that is not there fails.
    format!(
        "table inet vpc\n\
         delete table inet vpc\n\
         table inet vpc {{\n\
         {groups}{enis}\
         chain source {{\ntype filter hook prerouting priority raw; policy accept;\n{checks}}}\n\
         chain forward {{\ntype filter hook forward priority filter; policy drop;\n{ways}}}\n\
         }}\n"
    )
}

fn concat(lines: impl Iterator<Item = String>) -> String {
    lines.collect()
}

/// Sets of the members' addresses and prefixes, one a family, and a chain of the group's rules, all named after the group.
fn group_rules(group: &SecurityGroup, plugged: &[&Eni]) -> String {
    let id = &group.id;
    let members = plugged.iter().filter(|eni| eni.groups.contains(id));
    let members: Vec<&Eni> = members.copied().collect();
    let ipv4 = set(
        id.as_str(),
        "ipv4_addr",
        members.iter().flat_map(|m| ipv4(m)),
    );
    let ipv6_name = format!("{id}-ipv6");
    let ipv6 = set(
        &ipv6_name,
        "ipv6_addr",
        members.iter().flat_map(|m| ipv6(m)),
    );
    let rules = concat(group.ingress.iter().map(ingress_rule));
    format!("{ipv4}{ipv6}chain {id} {{\n{rules}}}\n")
}

fn set(name: &str, kind: &str, elements: impl Iterator<Item = String>) -> String {
    let elements: Vec<String> = elements.collect();
    let elements = match elements.as_slice() {
        [] => String::new(),
        elements => format!("elements = {{ {} }}", elements.join(", ")),
    };
    format!("set {name} {{\ntype {kind}\nflags interval\n{elements}\n}}\n")
}

/// The IPv4 addresses and prefixes of an ENI.
fn ipv4(eni: &Eni) -> Vec<String> {
    let prefixes = eni.others.ipv4_prefixes.iter().map(ToString::to_string);
    eni.ipv4()
        .map(|address| address.to_string())
        .chain(prefixes)
        .collect()
}

/// The IPv6 addresses and prefixes of an ENI.
fn ipv6(eni: &Eni) -> Vec<String> {
    let prefixes = eni.others.ipv6_prefixes.iter().map(ToString::to_string);
    let addresses = eni.others.ipv6.iter().map(ToString::to_string);
    addresses.chain(prefixes).collect()
}

fn ingress_rule(Ingress { protocol, source }: &Ingress) -> String {
    let sources = match source {
        Source::Group(group) => {
            vec![
                format!("ip saddr @{group}"),
                format!("ip6 saddr @{group}-ipv6"),
            ]
        }
        Source::Range(range) => vec![format!("ip saddr {range}")],
        Source::Range6(range) => vec![format!("ip6 saddr {range}")],
    };
    let protocol = match protocol {
        Protocol::All => String::new(),
        Protocol::Icmp => "meta l4proto icmp".to_owned(),
        Protocol::Icmpv6 => "meta l4proto ipv6-icmp".to_owned(),
        Protocol::Tcp(port) => format!("tcp dport {port}"),
    };
    concat(
        sources
            .iter()
            .map(|source| format!("{source} {protocol} accept\n")),
    )
}

/// What the ENI lets in; falling off the end drops.
fn eni_rules(eni: &Eni) -> String {
    let (id, groups) = (&eni.id, &eni.groups);
    let check = if eni.source_dest_check {
        [
            foreign("ip", "daddr", &ipv4(eni)),
            foreign("ip6", "daddr", &ipv6(eni)),
        ]
        .concat()
    } else {
        String::new()
    };
    let groups = concat(groups.iter().map(|group| format!("jump {group}\n")));
    format!("chain {id} {{\n{check}ct state established,related accept\n{groups}}}\n")
}

/// Drops what is of the family and has none of these addresses.
fn foreign(family: &str, field: &str, own: &[String]) -> String {
    let own = match own {
        [] => String::new(),
        own => format!("{family} {field} != {{ {} }} ", own.join(", ")),
    };
    let protocol = if family == "ip" { "ipv4" } else { "ipv6" };
    format!("meta nfproto {protocol} {own}drop\n")
}

fn way(eni: &Eni) -> String {
    format!("oifname {} goto {}\n", vpc_end(&eni.id), eni.id)
}

/// Neighbours and the router are spoken to from link-local addresses, and DHCP by who has none yet.
fn source_check(eni: &Eni) -> String {
    let link_local = ["fe80::/10".to_owned(), "::".to_owned()];
    let ipv6 = [ipv6(eni), link_local.to_vec()].concat();
    let rules = foreign("ip", "saddr", &ipv4(eni)) + &foreign("ip6", "saddr", &ipv6);
    let wire = vpc_end(&eni.id);
    let asks = format!(
        "iifname {wire} ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept\n"
    );
    asks + &concat(rules.lines().map(|rule| format!("iifname {wire} {rule}\n")))
}

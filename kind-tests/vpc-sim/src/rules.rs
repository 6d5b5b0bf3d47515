//! Security groups and the source/destination check as one nftables ruleset.

use vpc::{Eni, Ingress, Protocol, SecurityGroup, Source, Vpc};

use crate::wires::vpc_end;

/// The whole ruleset; loading it replaces the one before at once.
///
/// What comes in through an ENI's wire must carry its address; what goes out to it must be addressed to it, and be
/// part of a known connection or let in by one of its groups. All egress is allowed.
///
/// There are no sets, not even anonymous ones: a packet that is in the rules of the former generation when the next one begins
/// finds nothing in its sets any more (`nft_lookup_eval` asks for elements of the current generation), and would be lost.
pub(crate) fn ruleset(vpc: &Vpc) -> String {
    let plugged: Vec<&Eni> = vpc.enis().filter(|e| e.plugged_into().is_some()).collect();
    let groups = concat(vpc.groups().map(|group| group_rules(group, &plugged)));
    let enis = concat(plugged.iter().map(|eni| eni_rules(eni)));
    let checked = plugged.iter().filter(|eni| eni.source_dest_check);
    let checks = concat(checked.clone().map(|eni| source_check(eni)));
    let checked = concat(checked.map(|eni| checked_wire(eni)));
    let ways = concat(plugged.iter().map(|eni| way(eni)));
    // The table is named once before it is deleted, because deleting one that is not there fails.
    format!(
        "table inet vpc\n\
         delete table inet vpc\n\
         table inet vpc {{\n\
         {groups}{enis}{checks}\
         chain source {{\ntype filter hook prerouting priority raw; policy accept;\n{checked}}}\n\
         chain forward {{\ntype filter hook forward priority filter; policy drop;\n{ways}}}\n\
         }}\n"
    )
}

fn concat(lines: impl Iterator<Item = String>) -> String {
    lines.collect()
}

/// A chain of the group's rules, named after the group.
fn group_rules(group: &SecurityGroup, plugged: &[&Eni]) -> String {
    let rules = group.ingress.iter().map(|rule| ingress_rule(rule, plugged));
    format!("chain {} {{\n{}}}\n", group.id, concat(rules))
}

/// The addresses and prefixes of an ENI, as nft matches them in a field.
fn own(eni: &Eni, field: &str) -> Vec<String> {
    let prefixes = eni.others.ipv4_prefixes.iter().map(ToString::to_string);
    let ipv4 = eni.ipv4().map(|address| address.to_string());
    let ipv4 = ipv4.chain(prefixes).map(|net| format!("ip {field} {net}"));
    let prefixes = eni.others.ipv6_prefixes.iter().map(ToString::to_string);
    let ipv6 = eni.others.ipv6.iter().map(ToString::to_string);
    let ipv6 = ipv6.chain(prefixes).map(|net| format!("ip6 {field} {net}"));
    ipv4.chain(ipv6).collect()
}

fn ingress_rule(Ingress { protocol, source }: &Ingress, plugged: &[&Eni]) -> String {
    let sources = match source {
        Source::Group(group) => {
            let members = plugged.iter().filter(|eni| eni.groups.contains(group));
            members.flat_map(|eni| own(eni, "saddr")).collect()
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
    let groups = concat(groups.iter().map(|group| format!("jump {group}\n")));
    let lets_in = format!("ct state established,related accept\n{groups}");
    if !eni.source_dest_check {
        return format!("chain {id} {{\n{lets_in}}}\n");
    }
    let own = own(eni, "daddr").into_iter();
    let own = concat(own.map(|address| format!("{address} goto {id}-own\n")));
    format!("chain {id}-own {{\n{lets_in}}}\nchain {id} {{\n{own}}}\n")
}

fn way(eni: &Eni) -> String {
    format!("oifname {} goto {}\n", vpc_end(&eni.id), eni.id)
}

fn checked_wire(eni: &Eni) -> String {
    format!("iifname {} goto {}-source\n", vpc_end(&eni.id), eni.id)
}

/// Drops what has none of the ENI's addresses. Neighbours and the router are spoken to from link-local ones, and DHCPv4 by who
/// has none yet.
fn source_check(eni: &Eni) -> String {
    let link_local = ["fe80::/10", "::"].map(|net| format!("ip6 saddr {net}"));
    let asks = "ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67".to_owned();
    let own = own(eni, "saddr")
        .into_iter()
        .chain(link_local)
        .chain([asks]);
    let own = concat(own.map(|address| format!("{address} accept\n")));
    format!("chain {}-source {{\n{own}drop\n}}\n", eni.id)
}

//! Security groups and the source/destination check as one nftables ruleset.

use std::net::Ipv4Addr;

use vpc::{Eni, Ingress, Protocol, SecurityGroup, Source, Vpc};

use crate::wires::far;

/// The whole ruleset; loading it replaces the one before at once.
///
/// What comes in through an ENI's wire must carry its address; what goes out to it must be addressed to it, and be
/// part of a known connection or let in by one of its groups. All egress is allowed.
pub(crate) fn ruleset(vpc: &Vpc) -> String {
    let plugged: Vec<&Eni> = vpc
        .enis()
        .filter(|eni| eni.plugged_into().is_some())
        .collect();
    let groups: String = vpc
        .groups()
        .map(|group| group_rules(group, &plugged))
        .collect();
    let enis: String = plugged.iter().map(|eni| eni_rules(eni)).collect();
    let checks: String = plugged
        .iter()
        .filter(|eni| eni.source_dest_check)
        .map(|eni| source_check(eni))
        .collect();
    let ways: String = plugged
        .iter()
        .map(|eni| format!("oifname {} goto {}\n", far(&eni.id), eni.id))
        .collect();
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

/// A set of the members' addresses and a chain of the group's rules, both named as the group.
fn group_rules(group: &SecurityGroup, plugged: &[&Eni]) -> String {
    let SecurityGroup {
        id,
        vpc: _,
        name: _,
        ingress,
    } = group;
    let members: Vec<String> = plugged
        .iter()
        .filter(|eni| eni.groups.contains(id))
        .map(|eni| eni.address.to_string())
        .collect();
    let elements = if members.is_empty() {
        String::new()
    } else {
        format!(" elements = {{ {} }}", members.join(", "))
    };
    let rules: String = ingress.iter().map(ingress_rule).collect();
    format!("set {id} {{ type ipv4_addr;{elements}\n}}\nchain {id} {{\n{rules}}}\n")
}

fn ingress_rule(Ingress { protocol, source }: &Ingress) -> String {
    let source = match source {
        Source::Group(group) => format!("@{group}"),
        Source::Range(range) => range.to_string(),
    };
    let protocol = match protocol {
        Protocol::All => String::new(),
        Protocol::Icmp => " ip protocol icmp".to_owned(),
        Protocol::Tcp(port) => format!(" tcp dport {port}"),
    };
    format!("ip saddr {source}{protocol} accept\n")
}

/// What the ENI lets in; falling off the end drops.
fn eni_rules(eni: &Eni) -> String {
    let Eni {
        id,
        address,
        groups,
        source_dest_check,
        ..
    } = eni;
    let check = if *source_dest_check {
        format!("ip daddr != {address} drop\n")
    } else {
        String::new()
    };
    let groups: String = groups
        .iter()
        .map(|group| format!("jump {group}\n"))
        .collect();
    format!("chain {id} {{\n{check}ct state established,related accept\n{groups}}}\n")
}

fn source_check(Eni { id, address, .. }: &Eni) -> String {
    let address: &Ipv4Addr = address;
    format!("iifname {} ip saddr != {address} drop\n", far(id))
}

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

/// A set of the members' addresses and a chain of the group's rules, both named as the group.
fn group_rules(group: &SecurityGroup, plugged: &[&Eni]) -> String {
    let id = &group.id;
    let members = plugged.iter().filter(|eni| eni.groups.contains(id));
    let members: Vec<String> = members.map(|eni| eni.address.to_string()).collect();
    let elements = match members.as_slice() {
        [] => String::new(),
        members => format!("elements = {{ {} }}", members.join(", ")),
    };
    let rules = concat(group.ingress.iter().map(ingress_rule));
    format!("set {id} {{\ntype ipv4_addr\n{elements}\n}}\nchain {id} {{\n{rules}}}\n")
}

fn ingress_rule(Ingress { protocol, source }: &Ingress) -> String {
    let source = match source {
        Source::Group(group) => format!("@{group}"),
        Source::Range(range) => range.to_string(),
    };
    let protocol = match protocol {
        Protocol::All => String::new(),
        Protocol::Icmp => "ip protocol icmp".to_owned(),
        Protocol::Tcp(port) => format!("tcp dport {port}"),
    };
    format!("ip saddr {source} {protocol} accept\n")
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
    let check = match source_dest_check {
        true => format!("ip daddr != {address} drop\n"),
        false => String::new(),
    };
    let groups = concat(groups.iter().map(|group| format!("jump {group}\n")));
    format!("chain {id} {{\n{check}ct state established,related accept\n{groups}}}\n")
}

fn way(eni: &Eni) -> String {
    format!("oifname {} goto {}\n", vpc_end(&eni.id), eni.id)
}

fn source_check(eni: &Eni) -> String {
    format!(
        "iifname {} ip saddr != {} drop\n",
        vpc_end(&eni.id),
        eni.address
    )
}

//! What ENIs may have left on the nodes themselves.

use super::World;

/// Asks a node for its links, rules of both families, nftables tables and journal files, each after a line with a title.
/// A question without an answer ends it.
const ASK: &str = "
    echo '# link'; ip -o link
    echo '# rule'; ip -4 rule; ip -6 rule
    echo '# table'; nft list tables
    echo '# journal'; [ ! -d /run/eniclaim/journal ] || find /run/eniclaim/journal -type f";

impl World {
    /// Links, rules, nftables tables and journal files of ENIs on the nodes themselves, a line for each.
    pub fn left_on_nodes(&self) -> anyhow::Result<String> {
        let mut all = Vec::new();
        for (number, node) in self.cluster.nodes().iter().enumerate() {
            let (name, answer) = (node.name(), self.on_node(number, ASK)?);
            all.extend(left(&answer).iter().map(|thing| format!("{name}: {thing}")));
        }
        Ok(all.join("\n"))
    }
}

/// What in the answers to [`ASK`] can only be an ENI's: each link that is none of the node or of a pod's primary network,
/// each rule that the kernel does not make, each nftables table of ours, each file of the journal.
fn left(answer: &str) -> Vec<String> {
    let (mut title, mut left) = ("", Vec::new());
    for line in answer.lines() {
        if let Some(new) = line.strip_prefix("# ") {
            title = new;
            continue;
        }
        let thing = match title {
            // 7: eni7@if3: <BROADCAST,MULTICAST> mtu 1500 ...
            "link" => line.split([':', '@']).nth(1).unwrap_or(line).trim(),
            "table" => line.trim_start_matches("table "),
            _ => line,
        };
        let is_usual = match title {
            "link" => ["lo", "eth0"].contains(&thing) || is_primary(thing),
            // The priorities of the local, main and default tables; ip-rule(8).
            "rule" => ["0:", "32766:", "32767:"]
                .iter()
                .any(|start| thing.starts_with(start)),
            "table" => !thing.contains("eniclaim"),
            _ => false,
        };
        if !is_usual {
            left.push(format!("{title} {thing}"));
        }
    }
    left
}

/// Whether a link is the node's end of a pod's primary network, as the CNI plugin ptp names it.
fn is_primary(link: &str) -> bool {
    let digits = link.strip_prefix("veth").unwrap_or_default();
    digits.len() == 8
        && digits
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{ASK, left};

    /// A node of which no pod has an ENI, as iproute2 6.1 and nftables 1.0 print it.
    const CLEAN: &str = "\
# link
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
2: eth0@if5: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 9001 qdisc noqueue state UP mode DEFAULT group default qlen 1000\\    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff link-netnsid 0
4: veth456789ef@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 9001 qdisc noqueue state UP mode DEFAULT group default \\    link/ether 3a:91:4c:1d:5b:01 brd ff:ff:ff:ff:ff:ff link-netnsid 1
# rule
0:\tfrom all lookup local
32766:\tfrom all lookup main
32767:\tfrom all lookup default
0:\tfrom all lookup local
32766:\tfrom all lookup main
# table
table ip kube-proxy
table ip6 kube-proxy
# journal
";

    #[test]
    fn whatever_an_eni_leaves_is_seen() {
        assert_eq!(left(CLEAN), [] as [&str; 0]);
        let seen = |title: &str, line: &str, as_what: &str| {
            let title = format!("# {title}\n");
            let answer = CLEAN.replace(&title, &format!("{title}{line}\n"));
            assert_eq!(left(&answer), [as_what], "{line}");
        };
        let flags = "<BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN";
        for link in ["eni7", "vetha1", "veth0123abcg", "eth1"] {
            seen(
                "link",
                &format!("7: {link}: {flags}"),
                &format!("link {link}"),
            );
            seen(
                "link",
                &format!("7: {link}@if3: {flags}"),
                &format!("link {link}"),
            );
        }
        for rule in [
            "32765:\tfrom 10.0.1.5 lookup 23600",
            "32765:\tfrom 2001:db8::5 lookup 23600",
            "1:\tfrom all lookup 23600",
        ] {
            seen("rule", rule, &format!("rule {rule}"));
        }
        seen("table", "table inet eniclaim-x", "table inet eniclaim-x");
        let file = "/run/eniclaim/journal/a.json";
        seen("journal", file, &format!("journal {file}"));
    }

    #[test]
    fn question_without_an_answer_is_an_error() {
        let ask = |failing: &str| {
            let programs = "ip() { echo; }; nft() { echo; }";
            let script = format!("{programs}; {failing}\n{ASK}");
            let output = Command::new("sh").args(["-euc", &script]).output();
            output.unwrap().status.success()
        };
        assert!(ask(":"));
        for program in ["ip", "nft"] {
            assert!(!ask(&format!("{program}() {{ return 1; }}")), "{program}");
        }
    }
}

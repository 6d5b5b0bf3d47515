//! What ENIs may have left on the nodes themselves.

use std::fmt::Write as _;

use super::World;

/// A line for each link that is none of the node or of a pod's primary network, for each rule of either family that the
/// kernel does not make, for each nftables table of ours and each file of the journal. What cannot be asked for is an error.
const LEFT: &str = "
    links=$(ip -o link)
    rules4=$(ip -4 rule)
    rules6=$(ip -6 rule)
    tables=$(nft list tables)
    echo \"$links\" | cut -d: -f2 | cut -d@ -f1 | sed 's/^ /link /' | grep -Ev '^link (lo|eth0|veth[0-9a-f]{8})$' || true
    printf '%s\\n%s\\n' \"$rules4\" \"$rules6\" | grep -Ev '^(0|32766|32767):' | sed 's/^/rule /'
    echo \"$tables\" | grep eniclaim || true
    [ ! -d /run/eniclaim/journal ] || find /run/eniclaim/journal -type f";

impl World {
    /// Links, rules, nftables tables and journal files of ENIs on the nodes themselves, a line for each.
    pub fn left_on_nodes(&self) -> anyhow::Result<String> {
        let mut left = String::new();
        for (number, node) in self.cluster.nodes().iter().enumerate() {
            for line in self.on_node(number, LEFT)?.lines() {
                // Writing to a string cannot fail.
                let _ = writeln!(left, "{}: {line}", node.name());
            }
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::LEFT;

    /// Runs the script in namespaces of its own after `change`.
    fn after(change: &str) -> Output {
        let script = format!("mount -t tmpfs none /run\n{change}\n{LEFT}");
        Command::new("unshare")
            .args(["--map-root-user", "--net", "--mount", "sh", "-euc", &script])
            .output()
            .unwrap()
    }

    #[track_caller]
    fn is_left(change: &str, left: &str) {
        let output = after(change);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{change}: {output:?}");
        assert_eq!(said.trim(), left, "{change}");
    }

    /// Makes a link, and one as a primary network has.
    fn pair(link: &str) -> String {
        format!("ip link add {link} type veth peer name veth0123abcd")
    }

    #[test]
    fn whatever_an_eni_leaves_is_seen() {
        is_left("", "");
        is_left(&pair("eni7"), "link eni7");
        is_left(&pair("vetha1"), "link vetha1");
        is_left(&pair("veth456789ef"), "");
        is_left(
            "ip rule add from 10.0.1.5 lookup 23600",
            "rule 32765:\tfrom 10.0.1.5 lookup 23600",
        );
        is_left(
            "ip -6 rule add from 2001:db8::5 lookup 23600",
            "rule 32765:\tfrom 2001:db8::5 lookup 23600",
        );
        is_left("nft add table inet eniclaim-x", "table inet eniclaim-x");
        is_left(
            "mkdir -p /run/eniclaim/journal; : >/run/eniclaim/journal/a.json",
            "/run/eniclaim/journal/a.json",
        );
    }

    #[test]
    fn question_without_an_answer_is_an_error() {
        for program in ["ip", "nft"] {
            let output = after(&format!("{program}() {{ return 1; }}"));
            assert!(!output.status.success(), "{program}: {output:?}");
        }
    }
}

//! What scenarios change beside their own objects: compared before and after each, so that none leaves anything.

// An index into a `serde_json::Value` does not panic: it answers null where there is nothing.
#![allow(clippy::indexing_slicing)]

use std::{collections::BTreeSet, fs};

use anyhow::ensure;
use serde_json::Value;

use super::{SOON, World};

/// Files that a scenario puts on a node or takes from it, and what else there is of the scenarios' own. Hidden files are
/// drafts, which come and go.
const ON_NODE: &str = "
    find /etc/cni /etc/kubernetes/manifests -type f ! -name '.*' -exec sha256sum {} +
    find /opt/cni/bin -type f ! -name '.*' -printf '%p %s\\n'
    find /run -maxdepth 1 -type f
    find /run -maxdepth 2 -name 'kept*'";
/// Below /sim, what tests set.
const SETTINGS: [&str; 3] = ["faults", "settings", "delays"];

/// The state of the cluster, a line for each thing. What the operator derives from it is left out: it comes later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeSet<String>);

impl World {
    /// Takes a snapshot.
    pub fn snapshot(&self) -> anyhow::Result<Snapshot> {
        let mut lines = BTreeSet::new();
        let kinds = "nodes,namespaces,runtimeclasses,eniclasses,daemonsets,deployments";
        let objects = self.kubectl(&["get", kinds, "-A", "-o", "json"])?;
        let objects: Value = serde_json::from_str(&objects)?;
        for object in objects["items"].as_array().into_iter().flatten() {
            lines.extend(of_object(object));
        }
        for setting in SETTINGS {
            let set = self.cluster.sim("GET", &format!("/sim/{setting}"), None)?;
            lines.insert(format!("simulator: {setting}: {set}"));
        }
        let tables = self.in_vpc("nft list tables")?;
        lines.extend(tables.lines().map(|table| format!("VPC: {table}")));
        for (number, node) in self.cluster.nodes().iter().enumerate() {
            let name = node.name();
            let seen = self.on_node(number, ON_NODE)?;
            lines.extend(seen.lines().map(|line| format!("{name}: {line}")));
            for pid in self.host_pids(number, "kubelet")? {
                lines.extend(of_process(pid).map(|how| format!("{name}: kubelet {how}")));
            }
        }
        for program in ["eniclaim-operator", "eniclaim-agent"] {
            for pid in self.pids_of(program)? {
                lines.extend(of_process(pid).map(|how| format!("{program} {how}")));
            }
        }
        Ok(Snapshot(lines))
    }

    /// Waits until a snapshot is equal to `before`.
    pub fn await_snapshot(&self, before: &Snapshot) -> anyhow::Result<()> {
        self.wait("everything to be as it was", SOON, || {
            let differs = before.differs(&self.snapshot()?);
            ensure!(differs.is_empty(), "{differs}");
            Ok(true)
        })
    }
}

impl Snapshot {
    /// What is not there any more, with a minus, and what was not there, with a plus; a line for each.
    fn differs(&self, now: &Self) -> String {
        let gone = self.0.difference(&now.0).map(|line| format!("- {line}"));
        let new = now.0.difference(&self.0).map(|line| format!("+ {line}"));
        gone.chain(new).collect::<Vec<_>>().join("\n")
    }
}

/// An object by its name; of a node also what can be set on it, of a workload all that is wanted of it. What is being
/// deleted is left out.
fn of_object(object: &Value) -> Vec<String> {
    let (kind, metadata, spec) = (&object["kind"], &object["metadata"], &object["spec"]);
    if metadata["deletionTimestamp"].is_string() {
        return Vec::new();
    }
    let named = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = format!("{} {}", named(kind), named(&metadata["name"]));
    let mut lines = vec![name.clone()];
    match kind.as_str() {
        Some("Node") => {
            for (what, map) in [
                ("label", &metadata["labels"]),
                ("resource", &object["status"]["allocatable"]),
            ] {
                let ours = |key: &str| key.contains("eniclaim.io/") && !key.starts_with("test.");
                let map = map.as_object().into_iter().flatten();
                // Kubelet's own resources, which may change, have no domain.
                let counts = |key: &str| !ours(key) && (what == "label" || key.contains('/'));
                let set = map.filter(|(key, _)| counts(key));
                lines.extend(set.map(|(key, value)| format!("{name}: {what} {key}={value}")));
            }
            for what in ["taints", "unschedulable"] {
                if !spec[what].is_null() {
                    lines.push(format!("{name}: {what} {}", spec[what]));
                }
            }
        }
        Some("DaemonSet" | "Deployment") => lines.push(format!("{name}: {spec}")),
        _ => {}
    }
    lines
}

/// Whether somebody has stopped a process or traces it; `None` for one that does neither, or has ended.
fn of_process(pid: i32) -> Option<&'static str> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let is_traced = field("TracerPid:").is_some_and(|tracer| tracer.trim() != "0");
    let is_stopped = field("State:").is_some_and(|state| state.trim().starts_with(['T', 't']));
    match (is_traced, is_stopped) {
        (true, _) => Some("is traced"),
        (false, true) => Some("is stopped"),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };
    use serde_json::json;

    use super::*;

    fn snapshot(objects: &[Value]) -> Snapshot {
        Snapshot(objects.iter().flat_map(of_object).collect())
    }

    #[track_caller]
    fn shows(before: &Value, after: &Value, line: &str) {
        let [before, after] = [before, after].map(|object| snapshot(std::slice::from_ref(object)));
        assert_eq!(before.differs(&after), line);
    }

    #[test]
    fn everything_that_a_scenario_sets_is_seen() {
        let node = json!({
            "kind": "Node", "metadata": {"name": "n0", "labels": {"kubernetes.io/hostname": "n0"}},
            "spec": {}, "status": {"allocatable": {"cpu": "2"}},
        });
        let with = |path: &str, value: Value| {
            let mut node = node.clone();
            *node.pointer_mut(path).unwrap() = value;
            node
        };
        let label = with(
            "/metadata/labels",
            json!({"kubernetes.io/hostname": "n0", "test.eniclaim.io/agent": "true"}),
        );
        shows(
            &node,
            &label,
            "+ Node n0: label test.eniclaim.io/agent=\"true\"",
        );
        let seat = with(
            "/status/allocatable",
            json!({"cpu": "2", "example.com/seat": "7"}),
        );
        shows(&node, &seat, "+ Node n0: resource example.com/seat=\"7\"");
        let cordoned = with("/spec", json!({"unschedulable": true}));
        shows(&node, &cordoned, "+ Node n0: unschedulable true");
        let workload = |replicas: u32| json!({"kind": "Deployment", "metadata": {"name": "o"}, "spec": {"replicas": replicas}});
        shows(
            &workload(2),
            &workload(0),
            "- Deployment o: {\"replicas\":2}\n+ Deployment o: {\"replicas\":0}",
        );
    }

    #[test]
    fn what_the_operator_derives_and_what_is_being_deleted_is_left_out() {
        let node = |labels: Value, allocatable: Value| {
            json!({
                "kind": "Node", "metadata": {"name": "n0", "labels": labels},
                "status": {"allocatable": allocatable},
            })
        };
        let derived = node(
            json!({"class.eniclaim.io/app": "1"}),
            json!({"eniclaim.io/eni": "7", "cpu": "2"}),
        );
        shows(&node(json!({}), json!({})), &derived, "");
        let mut namespace = json!({"kind": "Namespace", "metadata": {"name": "s1"}});
        assert_eq!(of_object(&namespace), ["Namespace s1"]);
        namespace["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(of_object(&namespace), [] as [String; 0]);
    }

    struct Sleeps(Child);

    impl Drop for Sleeps {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn stopped_process_is_seen() {
        let sleeps = Sleeps(Command::new("sleep").arg("600").spawn().unwrap());
        let pid = i32::try_from(sleeps.0.id()).unwrap();
        assert_eq!(of_process(pid), None);
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while of_process(pid) != Some("is stopped") {
            assert!(std::time::Instant::now() < deadline, "not seen");
            std::thread::yield_now();
        }
    }
}

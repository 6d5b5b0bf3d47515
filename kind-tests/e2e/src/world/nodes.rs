//! What one does on a node as the administrator of the machine.

// An index into a `serde_json::Value` does not panic: it answers null where there is nothing.
#![allow(clippy::indexing_slicing)]

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::{SOON, SYSTEM, Space, World, condition, text};

impl World {
    /// Runs a shell script on a node, counted from 0; its standard output, or an error with what it said.
    pub fn on_node(&self, node: usize, script: &str) -> anyhow::Result<String> {
        let output = self.cluster.node(node).exec(&["sh", "-euc", script])?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("on node {node}: {script}: {errors}{said}");
        }
        Ok(said)
    }

    /// The pid of a node's agent, counted from 0.
    pub fn agent_pid(&self, node: usize) -> anyhow::Result<i32> {
        let group = format!("/{}/", self.cluster.node(node).name());
        let mut pids = self.pids_of("eniclaim-agent")?;
        pids.retain(|pid| {
            fs::read_to_string(format!("/proc/{pid}/cgroup"))
                .is_ok_and(|groups| groups.contains(&group))
        });
        match pids[..] {
            [pid] => Ok(pid),
            _ => bail!("the agents of node {node} are {pids:?}"),
        }
    }

    /// The pod of the agent of a node, counted from 0, as `pod/NAME`.
    pub fn agent_pod(&self, node: usize) -> anyhow::Result<String> {
        let on_node = format!("spec.nodeName={}", self.cluster.node(node).name());
        let select = [
            "-n",
            SYSTEM,
            "get",
            "pods",
            "-o",
            "name",
            "-l",
            "app.kubernetes.io/component=agent",
            "--field-selector",
            &on_node,
        ];
        Ok(self.kubectl(&select)?.trim().to_owned())
    }

    /// What the agent of a node, counted from 0, has logged since it started.
    pub fn agent_log(&self, node: usize) -> anyhow::Result<String> {
        self.kubectl(&["-n", SYSTEM, "logs", &self.agent_pod(node)?])
    }

    /// Whether a node, counted from 0, is Ready; an error says what it is instead.
    pub fn node_is_ready(&self, node: usize) -> anyhow::Result<()> {
        let name = self.cluster.node(node).name();
        let ready = condition(&self.get("node", &name)?, "Ready");
        ensure!(ready["status"] == "True", "node {name}: {ready}");
        Ok(())
    }

    /// Pids of the CNI plugins of ours that run on a node, counted from 0. The runtime starts them outside of any pod's
    /// control group, in the node's network namespace.
    pub fn plugin_pids(&self, node: usize) -> anyhow::Result<Vec<i32>> {
        self.host_pids(node, "eniclaim")
    }

    /// Sends a signal to the kubelet of a node, counted from 0.
    pub fn signal_kubelet(&self, node: usize, signal: Signal) -> anyhow::Result<()> {
        match self.host_pids(node, "kubelet")?[..] {
            [pid] => self.signal(pid, signal),
            ref pids => bail!("the kubelets of node {node} are {pids:?}"),
        }
    }

    /// Pids of a program that runs in the node's network namespace.
    pub(super) fn host_pids(&self, node: usize, program: &str) -> anyhow::Result<Vec<i32>> {
        let script = format!(
            "here=$(readlink /proc/self/ns/net)
            for pid in $(pgrep -x {program}); do
                [ \"$(readlink /proc/$pid/ns/net)\" != \"$here\" ] || echo $pid
            done"
        );
        let pids = self.on_node(node, &script)?;
        Ok(pids.lines().filter_map(|pid| pid.parse().ok()).collect())
    }

    /// Puts a file on a node, counted from 0, in one step.
    pub fn put_on_node(&self, node: usize, path: &str, content: &str) -> anyhow::Result<()> {
        // The folder of the cluster is seen on the nodes.
        let draft = self.cluster.state_dir().join("file-for-a-node");
        fs::write(&draft, content)?;
        let (draft, hidden) = (text(&draft), hidden(path)?);
        let script = format!("cp '{draft}' '{hidden}' && mv '{hidden}' '{path}'");
        self.on_node(node, &script).map(drop)
    }
}

/// A name that nobody takes for a configuration, beside the file.
fn hidden(path: &str) -> anyhow::Result<String> {
    let path = Path::new(path);
    let name = path.file_name().context("a file's path")?;
    Ok(text(&path.with_file_name(format!(".{}", name.display()))))
}

impl Space<'_> {
    /// Waits until a pod is Ready, whether it has a claim or not; gives the pod.
    pub fn await_pod(&self, pod: &str, limit: Duration) -> anyhow::Result<Value> {
        let mut found = Value::Null;
        self.world
            .wait(&format!("pod {pod} to be Ready"), limit, || {
                found = self.get("pod", pod)?;
                Ok(super::is_ready(&found))
            })?;
        Ok(found)
    }

    /// The sandbox that a pod's interface is in, by the claim; null when it is in none.
    pub fn sandbox(&self, pod: &str) -> anyhow::Result<Value> {
        let device = &self.claim_of(pod)?["status"]["device"];
        Ok(match device["state"].as_str() {
            Some("Plugged") => device["containerId"].clone(),
            _ => Value::Null,
        })
    }

    /// Waits until a pod's interface is in another sandbox than `former`, and kubelet says that the pod is Ready there.
    pub fn await_sandbox(&self, pod: &str, former: &Former) -> anyhow::Result<()> {
        self.world.wait("another sandbox", 2 * SOON, || {
            let now = self.sandbox(pod)?;
            Ok(!now.is_null() && now != former.sandbox)
        })?;
        // Until kubelet has seen the end of the former ones it says that the pod is Ready.
        self.world.wait("other containers", 2 * SOON, || {
            let now = containers(&self.get("pod", pod)?);
            Ok(!now
                .iter()
                .any(|container| former.containers.contains(container)))
        })?;
        self.await_ready(pod)
    }

    /// Keeps the network namespace of a pod on a node, counted from 0, by another path there, until this value goes.
    pub fn keep_netns(&self, pod: &str, node: usize, path: &'static str) -> anyhow::Result<()> {
        let sandbox = self.sandbox(pod)?;
        let container = sandbox.as_str().context("the pod has no sandbox")?;
        let script = format!(
            "netns=$(grep -ho '/[^\"]*netns/[^\"]*' /var/lib/cni/results/pods-{container}-eth0 | head -n 1)
            touch {path}
            mount --bind $netns {path}"
        );
        self.at_end(move |world| {
            let script = format!("umount {path}; rm -f {path}");
            world.on_node(node, &script).map(drop)
        });
        self.world.on_node(node, &script).map(drop)
    }

    /// Ends a pod's sandbox: kubelet takes it down and makes the pod another one. Gives what there was.
    pub fn end_sandbox(&self, pod: &str) -> anyhow::Result<Former> {
        let object = self.get("pod", pod)?;
        let uid = object["metadata"]["uid"].as_str();
        let uid = uid.with_context(|| format!("there is no pod {pod}"))?;
        let former = Former {
            sandbox: self.sandbox(pod)?,
            containers: containers(&object),
        };
        let pauses = self.world.pids_of_pod("pause", uid)?;
        ensure!(!pauses.is_empty(), "pod {pod} has no sandbox");
        for pid in pauses {
            self.world.signal(pid, Signal::KILL)?;
        }
        Ok(former)
    }
}

/// A sandbox that was ended, and what ran in it.
pub struct Former {
    /// The sandbox, by the claim.
    pub sandbox: Value,
    containers: Vec<Value>,
}

/// The ids of a pod's containers, as kubelet last said.
fn containers(pod: &Value) -> Vec<Value> {
    let statuses = pod["status"]["containerStatuses"].as_array();
    let ids = statuses.into_iter().flatten();
    ids.map(|status| status["containerID"].clone())
        .filter(Value::is_string)
        .collect()
}

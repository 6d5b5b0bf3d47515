//! The operator's replicas: which of them leads, and how many there are.

// An index into a `serde_json::Value` does not panic: it answers null where there is nothing.
#![allow(clippy::indexing_slicing)]

use anyhow::{Context, ensure};

use super::{SOON, SYSTEM, Space, World};

/// The operator's Deployment, and the Lease that its replicas share.
const OPERATOR: &str = "eniclaim-operator";

/// The replica that holds the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Who holds the lease, as the Lease says.
    pub identity: String,
    /// The name of its pod.
    pub pod: String,
    /// Its process on this machine.
    pub pid: i32,
}

impl World {
    /// The leader, or an error while there is none.
    pub fn leader(&self) -> anyhow::Result<Leader> {
        let system = self.existing(SYSTEM);
        let lease = system.get("lease", OPERATOR)?;
        let identity = lease["spec"]["holderIdentity"]
            .as_str()
            .filter(|holder| !holder.is_empty())
            .with_context(|| format!("nobody holds the lease {OPERATOR}"))?
            .to_owned();
        let pods = system.list("pods")?;
        let pod = pods
            .iter()
            .find(|pod| {
                let name = pod["metadata"]["name"].as_str();
                name.is_some_and(|name| identity.starts_with(name))
            })
            .with_context(|| format!("no pod is {identity}"))?;
        let uid = pod["metadata"]["uid"].as_str().context("a pod's UID")?;
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let found = self.pids_of_pod(OPERATOR, uid)?;
        ensure!(found.len() == 1, "not one process is {identity}: {found:?}");
        let pid = *found.first().context("no process")?;
        Ok(Leader {
            identity,
            pod: name.to_owned(),
            pid,
        })
    }

    /// Waits until the operator's share of EC2's request rates allows so many calls of an action at once.
    pub fn await_tokens(&self, action: &str, calls: usize) -> anyhow::Result<()> {
        let what = format!("{calls} calls of {action} to be allowed at once");
        self.wait(&what, SOON, || {
            let pod = self.leader()?.pod;
            let path = format!("/api/v1/namespaces/{SYSTEM}/pods/{pod}:8080/proxy/metrics");
            let metrics = self.kubectl(&["get", "--raw", &path])?;
            let name = format!("eniclaim_operator_ec2_tokens{{action=\"{action}\"}} ");
            let tokens = metrics.lines().find_map(|line| line.strip_prefix(&name));
            let tokens = tokens.context("the leader does not say how many")?;
            let tokens: f64 = tokens.trim().parse()?;
            ensure!(tokens >= f64::from(u32::try_from(calls)?), "{tokens} are");
            Ok(true)
        })
    }

    /// Restarts operator and agents, and waits until they serve.
    pub fn restart_eniclaim(&self) -> anyhow::Result<()> {
        self.restart_operator()?;
        self.kubectl(&[
            "-n",
            SYSTEM,
            "rollout",
            "restart",
            "daemonset/eniclaim-agent",
        ])?;
        self.await_agents()
    }

    /// Replaces the operator's replicas, which forget what they keep in memory only.
    pub fn restart_operator(&self) -> anyhow::Result<()> {
        let all = "app.kubernetes.io/component=operator";
        self.kubectl(&["-n", SYSTEM, "delete", "pod", "-l", all])?;
        self.await_rollout(&format!("deployment/{OPERATOR}"))
    }

    /// Waits until a replica leads, other than `former`.
    pub fn await_leader(&self, former: Option<&Leader>) -> anyhow::Result<Leader> {
        let mut leader = None;
        self.wait("a leader", SOON, || {
            let found = self.leader()?;
            let is_new = former.is_none_or(|former| former.identity != found.identity);
            leader = Some(found);
            Ok(is_new)
        })?;
        leader.context("no leader")
    }
}

impl Space<'_> {
    /// Stops the operator's replicas until the answer is given to [`Space::start_operator`], or this value goes.
    pub fn stop_operator(&self) -> anyhow::Result<u64> {
        let replicas = self.world.existing(SYSTEM).get("deployment", OPERATOR)?["spec"]["replicas"]
            .as_u64()
            .context("the operator's replicas")?;
        self.at_end(move |world| scale(world, replicas));
        scale(self.world, 0)?;
        let gone = || Ok(self.world.pids_of(OPERATOR)?.is_empty());
        self.world.wait("the operator to end", SOON, gone)?;
        Ok(replicas)
    }

    /// Starts as many replicas as there were.
    pub fn start_operator(&self, replicas: u64) -> anyhow::Result<()> {
        scale(self.world, replicas)
    }
}

fn scale(world: &World, replicas: u64) -> anyhow::Result<()> {
    let deployment = format!("deployment/{OPERATOR}");
    let replicas = format!("--replicas={replicas}");
    world.kubectl(&["-n", SYSTEM, "scale", &deployment, &replicas])?;
    world.await_rollout(&deployment)
}

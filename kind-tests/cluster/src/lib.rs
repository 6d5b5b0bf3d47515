//! A real Kubernetes on one machine, in a simulated VPC, for tests and for people.
//!
//! ```no_run
//! # fn main() -> Result<(), cluster::ClusterError> {
//! let cluster = cluster::Cluster::up(cluster::Options { name: "try".to_owned(), ..Default::default() })?;
//! let nodes = cluster.kubectl(&["get", "nodes"])?;
//! cluster.down()
//! # }
//! ```

mod api_server;
mod archives;
#[cfg(test)]
mod as_root;
mod background;
mod binaries;
mod bring_up;
mod cgroups;
mod checkout;
mod control_plane;
mod down;
mod dump;
mod error;
mod evidence;
mod image;
mod made;
mod node;
mod owner;
mod pki;
mod preflight;
mod process;
mod say;
mod signals;
mod vpc;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

pub use background::Background;
pub use binaries::{Binaries, cni_plugins, helm};
pub use bring_up::Options;
pub use error::{ClusterError, Result};
pub use node::Node;

use image::Builder;
use owner::Owner;
use process::{Daemons, output};
use vpc::{Machine, Vpc, netns_path};

/// How long a daemon may take to end.
const DAEMON_END: Duration = Duration::from_secs(10);

/// A running cluster. It ends by Ctrl-C, and when this is dropped, unless [`Cluster::keep`] was called. One that is dropped
/// before [`Cluster::down`] has failed: its evidence is kept in `target/e2e-logs`, below its name.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    state: PathBuf,
    binaries: Binaries,
    daemons: Daemons,
    vpc: Vpc,
    nodes: Vec<Node>,
    is_down: AtomicBool,
    owner: Mutex<Owner>,
}

impl Cluster {
    /// The name, as [`Options`] gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the name of everything begins that the cluster has on this machine: nodes, network namespaces, control groups.
    pub fn prefix(&self) -> String {
        bring_up::prefix(&self.name)
    }

    /// The folder of its files; it goes with the cluster.
    pub fn state_dir(&self) -> &Path {
        &self.state
    }

    /// The API server's audit log: one JSON object a line for each write that it answered, leases left out.
    pub fn audit_log(&self) -> PathBuf {
        control_plane::audit_log(&self.state)
    }

    /// A program for people: kubectl for this cluster.
    pub fn kubectl_path(&self) -> PathBuf {
        self.state.join("kubectl")
    }

    /// The command by which a person runs kubectl for a cluster that was kept.
    pub fn kubectl_command(&self) -> String {
        owner::as_root(&self.kubectl_path().display().to_string())
    }

    /// The command by which a person takes down a cluster that was kept.
    pub fn down_command(&self) -> String {
        owner::down_command(&self.name)
    }

    /// Runs kubectl as the administrator, to its end.
    pub fn kubectl(&self, args: &[&str]) -> Result<Output> {
        output(
            self.admin(&self.binaries.kubernetes.join("kubectl"))
                .args(args),
        )
    }

    /// Runs helm as the administrator, to its end. Its caches are the cluster's.
    pub fn helm(&self, args: &[&str]) -> Result<Output> {
        let mut command = self.admin(&self.binaries.helm.join("helm"));
        for (variable, folder) in [
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_DATA_HOME", "data"),
        ] {
            command.env(variable, self.state.join("helm").join(folder));
        }
        output(command.args(args))
    }

    /// Starts kubectl; its output so far can be read at any time. The name is that of its log.
    pub fn kubectl_spawn(&self, name: &str, args: &[&str]) -> Result<Background> {
        let mut command = self.admin(&self.binaries.kubernetes.join("kubectl"));
        Background::start(&self.state, name, command.args(args))
    }

    fn admin(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!(
                "--net={}",
                netns_path(&self.control_plane()).display()
            ))
            .arg(program);
        command.env("KUBECONFIG", self.state.join("pki/admin/kubeconfig"));
        // The default is the user's, by address: one cluster's kinds would be taken for another's.
        command.env("KUBECACHEDIR", self.state.join("kubectl-cache"));
        command
    }

    /// The network namespace of the control plane.
    fn control_plane(&self) -> String {
        format!("{}-cp", self.prefix())
    }

    /// A node, counted from 0.
    pub fn node(&self, index: usize) -> Node {
        Node::new(&self.prefix(), &self.state, index + 1)
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Runs a program in a network namespace, to its end.
    pub fn in_netns(&self, netns: &str, command: &[&str]) -> Result<Output> {
        let mut enter = Command::new("nsenter");
        output(
            enter
                .arg(format!("--net={}", netns_path(netns).display()))
                .args(command),
        )
    }

    /// Starts a program in a network namespace; it ends with the cluster. The name is that of its log.
    pub fn spawn_in(&self, netns: &str, name: &str, command: &[&str]) -> Result<()> {
        let mut enter = Command::new("nsenter");
        enter
            .arg(format!("--net={}", netns_path(netns).display()))
            .args(command);
        self.daemons.start(name, &mut enter).map(drop)
    }

    /// One request to the control socket of the simulated VPC.
    pub fn sim(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        self.vpc.request(method, path, body)
    }

    /// Starts an instance that is not a node, with an address of each family; gives the name of its network namespace.
    pub fn peer(&self, name: &str, address: &str, subnet: &str, groups: &[&str]) -> Result<String> {
        let netns = format!("{}-{name}", self.prefix());
        self.vpc.launch(&Machine {
            netns: &netns,
            address,
            subnet,
            groups,
            kind: "m5.large",
            pods: None,
            ipv6: 1,
        })?;
        Ok(netns)
    }

    /// Builds an image from the target of a Dockerfile, or its last one; gives an archive for [`Cluster::load_image`].
    pub fn build_image(
        &self,
        dockerfile: &Path,
        target: Option<&str>,
        context: &Path,
        tag: &str,
    ) -> Result<PathBuf> {
        Builder::at(&self.state).build(dockerfile, target, context, tag)
    }

    /// Loads an image archive onto every node.
    pub fn load_image(&self, archive: &Path) -> Result<()> {
        image::load(archive, &self.nodes)
    }

    /// Ends a node's kubelet and starts it again; its containers go on.
    pub fn restart_kubelet(&self, index: usize) -> Result<()> {
        let node = self.known(index)?;
        self.end(&node.kubelet_name())?;
        node.start_kubelet(&self.daemons)
    }

    /// Deletes a node's Node object, and starts its kubelet again, which then makes another one; its containers go on.
    pub fn register_again(&self, index: usize) -> Result<()> {
        let node = self.known(index)?;
        // It would end by itself when the Node goes.
        self.end(&node.kube_proxy_name())?;
        let mut kubectl = self.admin(&self.binaries.kubernetes.join("kubectl"));
        let deleted = process::run(
            kubectl.args(["delete", "node", &node.name()]),
            Stdio::null(),
        );
        // A kubelet registers its node only when it starts.
        self.restart_kubelet(index)?;
        node.start_kube_proxy(&self.daemons)?;
        deleted.map(drop)
    }

    fn known(&self, index: usize) -> Result<&Node> {
        let nodes = self.nodes.len();
        self.nodes.get(index).ok_or_else(|| ClusterError::NoNode {
            cluster: self.name.clone(),
            index,
            nodes,
        })
    }

    /// Ends a daemon that is expected to end.
    fn end(&self, daemon: &str) -> Result<()> {
        let process = self.daemons.stop(daemon);
        self.wait(&format!("{daemon} to end"), DAEMON_END, || {
            !process.is_some_and(process::Process::is_running)
        })
    }

    /// Waits until `condition` holds. After `limit`, or when a component ends meanwhile, it fails, and standard error
    /// has a dump.
    pub fn wait(&self, what: &str, limit: Duration, condition: impl FnMut() -> bool) -> Result<()> {
        self.poll(what, limit, condition)
            .inspect_err(|_| self.dump())
    }

    /// Waits until `condition` holds. After `limit`, or when a component ends meanwhile, it fails.
    pub fn poll(
        &self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut() -> bool,
    ) -> Result<()> {
        let start = Instant::now();
        loop {
            if condition() {
                return Ok(());
            }
            drop(signals::gate());
            if let Some(component) = self.daemons.ended() {
                let log = self.daemons.tail(&component, 5);
                return Err(ClusterError::Ended {
                    component,
                    what: what.to_owned(),
                    log,
                });
            }
            if start.elapsed() > limit {
                return Err(ClusterError::Deadline {
                    what: what.to_owned(),
                    limit,
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lets the cluster outlive this value and this process.
    pub fn keep(&self) -> Result<()> {
        let mut up = signals::gate();
        let mut owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
        owner.keep()?;
        self.is_down.store(true, Ordering::Relaxed);
        up.remove(&self.name);
        Ok(())
    }

    /// Takes the cluster down: nothing of it is left.
    pub fn down(&self) -> Result<()> {
        // Held all the time: a signal must not take down the same things meanwhile.
        let mut up = signals::gate();
        down::take_down(&self.name)?;
        self.is_down.store(true, Ordering::Relaxed);
        up.remove(&self.name);
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.is_down.load(Ordering::Relaxed) {
            return;
        }
        match self.keep_evidence(&self.name) {
            Ok(folder) => say::say(format_args!(
                "cluster {}: its logs and objects are kept in {}",
                self.name,
                folder.display()
            )),
            Err(error) => say::say(format_args!("the evidence is lost: {error}")),
        }
        if let Err(error) = self.down() {
            say::say(error);
        }
    }
}

/// Takes down a cluster that was kept, or what a dead process left of it.
pub fn down(name: &str) -> Result<()> {
    bring_up::check_name(name)?;
    let mut owner = Owner::claim(name)?;
    owner.sign()?;
    down::take_down(name)
}

/// The program that is kubectl for the cluster of this name.
pub fn kubectl_path(name: &str) -> Result<PathBuf> {
    bring_up::check_name(name)?;
    Ok(down::state_dir(name).join("kubectl"))
}

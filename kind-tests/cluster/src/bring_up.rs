//! From nothing to Ready nodes.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    sync::{Mutex, atomic::AtomicBool},
    thread,
    time::{Duration, Instant},
};

use nix::mount::{MsFlags, mount};

use crate::{
    Binaries, Cluster, ClusterError, Node, Result,
    control_plane::{self, ControlPlane},
    down,
    error::at,
    image::{Builder, for_all, load},
    made::{Made, Thing},
    owner::Owner,
    pki::Authority,
    preflight,
    process::Daemons,
    signals,
    vpc::{CONTROL_SUBNET, Instance, Machine, NODE_GROUP, NODE_SUBNET, Vpc, beside},
};

/// How long one step of the cluster's start may take; on two busy cores all of them together take seconds.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// Which cluster to bring up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its name: 1 to 12 characters of a-z and 0-9. One cluster of a name is up at a time; what a dead process left of
    /// it is taken down first.
    pub name: String,
    /// How many nodes.
    pub nodes: usize,
    /// The EC2 instance type of the nodes; it decides how many ENIs each can have.
    pub instance_type: String,
    /// The binary that plays AWS; by default the one beside the running program.
    pub vpc_sim: Option<PathBuf>,
    /// More arguments for it, such as `--attach-delay=200ms`.
    pub vpc_sim_args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "try".to_owned(),
            nodes: 2,
            instance_type: "m5.4xlarge".to_owned(),
            vpc_sim: None,
            vpc_sim_args: Vec::new(),
        }
    }
}

/// Fails where no cluster can be, before anything is made.
fn check_machine() -> Result<()> {
    if !preflight::is_root() {
        return Err(ClusterError::NotRoot);
    }
    let missing = preflight::missing();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ClusterError::Machine(missing.join("; ")))
}

/// What everything on the machine is named by that belongs to the cluster of this name.
pub(crate) fn prefix(name: &str) -> String {
    format!("eniclaim-{name}")
}

pub(crate) fn check_name(name: &str) -> Result<()> {
    let fits = (1..=12).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if fits {
        Ok(())
    } else {
        Err(ClusterError::Name(name.to_owned()))
    }
}

impl Cluster {
    /// Brings a cluster up; returns when its nodes are Ready and pods can be made. Says on standard error what it does.
    /// From then on SIGINT, SIGTERM and SIGHUP take it down before they end this process.
    pub fn up(options: Options) -> Result<Self> {
        let Options {
            name,
            nodes,
            instance_type,
            vpc_sim,
            vpc_sim_args,
        } = options;
        let start = Instant::now();
        let cluster = Self::claim(&name, nodes)?;
        let say = |what: &str| {
            let seconds = start.elapsed().as_secs_f32();
            crate::say::say(format_args!(
                "cluster {}: {what} ({seconds:.1} s)",
                cluster.name
            ));
        };
        cluster.make_folders()?;
        cluster.start_vpc(vpc_sim, &vpc_sim_args)?;
        let (authority, instances) = (
            Authority::new(&control_plane::url())?,
            cluster.launch(&instance_type)?,
        );
        say("the VPC serves");
        cluster.start_machines(&authority, &instances)?;
        say("the API server answers");
        cluster.start_kubernetes()?;
        cluster.await_ready()?;
        say("all nodes are Ready");
        Ok(cluster)
    }

    /// Takes the name for this process, and takes down what a dead one left of it. Nothing is up yet.
    pub(crate) fn claim(name: &str, nodes: usize) -> Result<Self> {
        check_name(name)?;
        check_machine()?;
        let binaries = Binaries::build()?;
        let mut owner = Owner::claim(name)?;
        owner.is_not_kept(name)?;
        owner.sign()?;
        down::clear(name)?;
        signals::watch(name);
        let state = down::state_dir(name);
        Ok(Self {
            nodes: (1..=nodes)
                .map(|number| Node::new(&prefix(name), &state, number))
                .collect(),
            daemons: Daemons::of(&state),
            vpc: Vpc::of(&state),
            is_down: AtomicBool::new(false),
            owner: Mutex::new(owner),
            name: name.to_owned(),
            binaries,
            state,
        })
    }

    pub(crate) fn plane(&self) -> ControlPlane<'_> {
        ControlPlane {
            netns: self.control_plane(),
            state: &self.state,
            binaries: &self.binaries,
            daemons: &self.daemons,
        }
    }

    pub(crate) fn make_folders(&self) -> Result<()> {
        for folder in ["log", "pid", "vpc", "mounts"] {
            let folder = self.state.join(folder);
            at(&folder, fs::create_dir_all(&folder))?;
        }
        // Keys lie here.
        at(
            &self.state,
            fs::set_permissions(&self.state, fs::Permissions::from_mode(0o700)),
        )?;
        // The kernel lets a mount namespace have a name only below a mount that is private: it could contain itself.
        let mounts = self.state.join("mounts");
        let none: Option<&str> = None;
        let bound = mount(Some(&mounts), &mounts, none, MsFlags::MS_BIND, none)
            .and_then(|()| mount(none, &mounts, none, MsFlags::MS_PRIVATE, none));
        at(&mounts, bound.map_err(Into::into))?;
        self.write_kubectl()
    }

    /// kubectl for people: a script that enters the control plane's namespace.
    fn write_kubectl(&self) -> Result<()> {
        let path = self.kubectl_path();
        let script = format!(
            "#!/bin/sh\nexport KUBECONFIG={} KUBECACHEDIR={}\nexec nsenter --net={} {} \"$@\"\n",
            self.state.join("pki/admin/kubeconfig").display(),
            self.state.join("kubectl-cache").display(),
            crate::vpc::netns_path(&self.control_plane()).display(),
            self.binaries.kubernetes.join("kubectl").display(),
        );
        at(&path, fs::write(&path, script))?;
        at(
            &path,
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)),
        )
    }

    fn start_vpc(&self, program: Option<PathBuf>, args: &[String]) -> Result<()> {
        let program = program.map_or_else(|| beside("vpc-sim"), Ok)?;
        let prefix = self.prefix();
        let gate = signals::gate();
        // The simulator makes it itself.
        Made::of(&self.state).record(Thing::Netns, &format!("{prefix}-vpc"))?;
        drop(gate);
        let mut command = Command::new(program);
        command
            .args(["serve", "--prefix", &prefix, "--state-dir"])
            .arg(self.state.join("vpc"));
        self.daemons.start("vpc-sim", command.args(args))?;
        self.wait("vpc-sim to serve", LIMIT, || {
            self.vpc.request("GET", "/sim/calls", None).is_ok()
        })
    }

    /// The machines: control plane first, then one for each node.
    fn launch(&self, kind: &str) -> Result<Vec<Instance>> {
        self.vpc.launch(&Machine {
            netns: &self.control_plane(),
            address: control_plane::ADDRESS,
            subnet: CONTROL_SUBNET,
            groups: &[NODE_GROUP],
            kind: "m5.large",
            pods: None,
            ipv6: 0,
        })?;
        let launch = |node: &Node| {
            self.vpc.launch(&Machine {
                netns: &node.name(),
                address: &node.address(),
                subnet: NODE_SUBNET,
                groups: &[NODE_GROUP],
                kind,
                pods: Some(&node.pods()),
                ipv6: 1,
            })
        };
        self.nodes.iter().map(launch).collect()
    }

    /// The API server starts while the nodes get their files, their containerd and the pause image.
    fn start_machines(&self, authority: &Authority, instances: &[Instance]) -> Result<()> {
        self.plane().start_api(authority)?;
        for (node, instance) in self.nodes.iter().zip(instances) {
            node.prepare(instance, authority, &self.binaries)?;
        }
        for_all(&self.nodes, |node| node.start_containerd(&self.daemons))?;
        thread::scope(|scope| {
            let images = scope.spawn(|| self.load_pause());
            let served = self.wait("the API server to be ready", LIMIT, || {
                self.answers(&["get", "--raw", "/readyz"])
            });
            images
                .join()
                .unwrap_or(Err(ClusterError::Thread))
                .and(served)
        })
    }

    fn load_pause(&self) -> Result<()> {
        let archive = Builder::at(&self.state).pause()?;
        for node in &self.nodes {
            let serves = || {
                node.exec(&["ctr", "version"])
                    .is_ok_and(|output| output.status.success())
            };
            self.wait(&format!("containerd of {}", node.name()), LIMIT, serves)?;
        }
        load(&archive, &self.nodes)
    }

    fn start_kubernetes(&self) -> Result<()> {
        self.plane().start_controllers()?;
        for_all(&self.nodes, |node| {
            node.start_kubelet(&self.daemons)?;
            node.start_kube_proxy(&self.daemons)
        })
    }

    fn await_ready(&self) -> Result<()> {
        for node in &self.nodes {
            let what = format!("node {} to be Ready", node.name());
            let condition = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
            self.wait(&what, LIMIT, || {
                let answer = self.kubectl(&["get", "node", &node.name(), "-o", condition]);
                answer.is_ok_and(|output| output.stdout == b"True")
            })?;
        }
        // Without it the API server refuses every pod.
        self.wait("the ServiceAccount default", LIMIT, || {
            self.answers(&["get", "serviceaccount", "default"])
        })
    }

    pub(crate) fn answers(&self, question: &[&str]) -> bool {
        self.kubectl(question)
            .is_ok_and(|output| output.status.success())
    }
}

//! The agent as a whole: opens what it needs, starts the engine and what feeds it, ends with a signal or with a part of it.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Context;
use crds::node::{Agent, NodeAccess};
use node_agent_core::layout::Features;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch as watch_channel},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    api,
    dhcp::{self, files::Files},
    engine::{Engine, Input, Parts},
    health::{self, Health},
    heartbeat::Heartbeat,
    http,
    install::{Keeper, Site},
    journal::Journal,
    kernel::{events::LinkEvents, link::Drivers, namespace::Namespace, view::Inspector},
    lease,
    metrics::Metrics,
    options::{Cluster, Run},
    plug::Node,
    ports, presence,
    report::{self, Notice},
    socket::Socket,
    supervision::Tasks,
    watch,
};

/// Requests and events that may wait for the engine; more make their senders wait.
const INPUTS: usize = 256;
/// Where containerd and CRI-O mount the namespaces of pods.
const NAMESPACES: &str = "/run/netns";
/// Moves that have begun may end; kubelet kills after 30 s.
const LAST_MOVES: Duration = Duration::from_secs(20);
/// The engine's heartbeat is looked at so often.
const SUPERVISION: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or SIGINT, or until a part of the agent ends. Pods keep what they have.
pub async fn run(options: Run) -> anyhow::Result<()> {
    let node = node(&options).context("inspect this node")?;
    let Features { ipv6, egress_hook } = node.inspector.features;
    let in_cluster = options.in_cluster().cloned();
    let alone = in_cluster.is_none();
    tracing::info!(
        node = in_cluster.as_ref().map(|cluster| &*cluster.node_name),
        ipv6,
        egress_hook,
        "the features of this node's kernel"
    );
    let folder = options.socket.parent().unwrap_or(Path::new("/"));
    let socket = Socket::bind(&options.socket)
        .await
        .context("listen for the CNI plugin")?;
    // kubelet makes it for everybody to enter.
    fs::set_permissions(folder, Permissions::from_mode(0o700))
        .with_context(|| format!("close {} to others", folder.display()))?;
    let (metrics, heartbeat) = (Metrics::default(), Arc::new(Heartbeat::default()));
    let (inputs, from_all) = mpsc::channel(INPUTS);
    let (notices, to_report) = mpsc::unbounded_channel();
    let (lease, lease_asked) = mpsc::unbounded_channel();
    let listed = Arc::new(AtomicBool::new(false));
    let (leases, commands) = dhcp::handle();
    let boot_id = boot_id()?;
    let files = Files::open(folder.join("leases"), &boot_id).context("open the leases")?;
    let keeper_of_leases = dhcp::Keeper::new(files, metrics.clone()).context("read the leases")?;
    let events = LinkEvents::subscribe(&node.host).context("subscribe to link events")?;
    let (access, accessed) = watch_channel::channel(Vec::new());
    let engine = Engine::new(Parts {
        node,
        journal: Journal::open(folder.join("journal")).context("open the journal")?,
        ports: ports::Files::open(folder.join("ports")).context("open the journal of ports")?,
        namespaces: NAMESPACES.into(),
        tombstones: cni::tombstone::folder(&options.socket),
        notices,
        access,
        lease,
        leases,
        metrics: metrics.clone(),
        ready: listed.clone(),
        heartbeat: heartbeat.clone(),
    })
    .context("read the journal")?;

    let mut tasks = Tasks::default();
    let cluster = match in_cluster {
        None => {
            install_alone(&options)?;
            None
        }
        Some(cluster) => {
            let mut keeper = keeper(&options, folder, &metrics);
            // Before the first request is taken: this agent and the plugin are of one version.
            keeper.inspect().await?;
            let installed = keeper.state();
            let with = InCluster {
                cluster,
                boot_id,
                keeper,
                accessed,
                to_report,
                lease_asked,
            };
            with.start(&mut tasks, &inputs, &metrics).await?;
            Some(health::Cluster { listed, installed })
        }
    };
    let health = Health {
        heartbeat: heartbeat.clone(),
        cluster,
        metrics,
    };
    tasks.spawn(
        "the HTTP server",
        ends(http::run(options.http_port, health)),
    );
    tasks.spawn(
        "the keeper of leases",
        ends(keeper_of_leases.run(commands, inputs.clone())),
    );
    tasks.spawn("the socket", ends(socket.serve(inputs.clone(), alone)));
    let engine = tokio::spawn(async move {
        engine
            .run(from_all, events)
            .await
            .context("the engine failed")
    });
    heartbeat.supervise(SUPERVISION, |stale| {
        tracing::error!(error = %stale, "the agent ends, to be started again");
        std::process::exit(1);
    })?;
    until_the_end(engine, tasks, inputs).await
}

/// What an agent does in Kubernetes beside.
struct InCluster {
    cluster: Cluster,
    boot_id: String,
    keeper: Keeper,
    accessed: watch_channel::Receiver<Vec<NodeAccess>>,
    to_report: mpsc::UnboundedReceiver<Notice>,
    lease_asked: mpsc::UnboundedReceiver<()>,
}

impl InCluster {
    /// Keeps the plugin installed, watches what is this node's, and reports.
    async fn start(
        self,
        tasks: &mut Tasks,
        inputs: &mpsc::Sender<Input>,
        metrics: &Metrics,
    ) -> anyhow::Result<()> {
        let Cluster {
            node_name: node,
            pod_namespace,
            pod_uid,
        } = self.cluster;
        let agent = Agent {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: self.boot_id.as_str().into(),
            pod_uid: pod_uid.as_str().into(),
        };
        let client = api::client().await?;
        let installed = self.keeper.state();
        let presence = presence::keep(
            client.clone(),
            node.clone(),
            agent,
            installed,
            self.accessed,
            inputs.clone(),
        );
        let reports = report::send_all(client.clone(), self.to_report, metrics.clone());
        let lease = lease::read_on_demand(
            client.clone(),
            pod_namespace,
            self.lease_asked,
            inputs.clone(),
        );
        let (keeper, watched) = (self.keeper, inputs.clone());
        tasks.spawn("reading the operator's Lease", ends(lease));
        tasks.spawn("the installation", async { match keeper.keep().await? {} });
        tasks.spawn("the watch of the EniNode", ends(presence));
        tasks.spawn("reporting", ends(reports));
        let claims = async move { watch::watch(client, &node, watched).await };
        tasks.spawn("the watch of claims", ends(claims));
        Ok(())
    }
}

/// Waits for whatever ends the agent, and then for the moves that have begun.
async fn until_the_end(
    mut engine: JoinHandle<anyhow::Result<()>>,
    mut tasks: Tasks,
    inputs: mpsc::Sender<Input>,
) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let because = tokio::select! {
        outcome = &mut engine => {
            return Err(outcome.context("the engine panicked").flatten().err()
                .unwrap_or_else(|| anyhow::anyhow!("the engine ended")));
        }
        error = tasks.first() => Err(error),
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    };
    if let Ok(signal) = &because {
        tracing::info!(signal, "ending");
    } else {
        // Which one, and why, is the last line of the program.
        tracing::info!("ending as a part of the agent has ended");
    }
    let last = timeout(LAST_MOVES, async {
        // An engine that takes nothing any more has ended.
        drop(inputs.send(Input::End).await);
        engine.await.context("the engine panicked").flatten()
    });
    let last = last.await.context("a move did not end").flatten();
    because.map(drop).and(last)
}

/// A task that cannot fail, but must not end.
async fn ends(task: impl Future<Output = ()>) -> anyhow::Result<()> {
    task.await;
    Ok(())
}

fn keeper(options: &Run, folder: &Path, metrics: &Metrics) -> Keeper {
    let site = Site {
        binary: options.plugin.clone(),
        places: options.folders.places(),
        chain: options.cni_chain,
        run: folder.to_owned(),
        replaced: options.replaced_plugins.clone(),
    };
    Keeper::new(site, metrics.clone())
}

/// Installs the plugin on a host whose networks name it themselves.
fn install_alone(options: &Run) -> anyhow::Result<()> {
    let names = &options.replaced_plugins;
    if !names.is_empty() {
        let path = options.plugin.display();
        let plugin = fs::read(&options.plugin).with_context(|| format!("read {path}"))?;
        let places = options.folders.places();
        places.install_plugin(&plugin, names)?;
    }
    Ok(())
}

fn boot_id() -> anyhow::Result<String> {
    let boot_id =
        fs::read_to_string("/proc/sys/kernel/random/boot_id").context("read the boot id")?;
    Ok(boot_id.trim().to_owned())
}

fn node(options: &Run) -> anyhow::Result<Node> {
    let host = Namespace::own()?;
    let features = Inspector::features(&options.proc_sys_net)?;
    let drivers = Drivers {
        for_tests: options.test_drivers.clone(),
    };
    let inspector = Inspector {
        drivers,
        proc_sys_net: options.proc_sys_net.clone(),
        features,
    };
    Ok(Node::new(host, inspector))
}

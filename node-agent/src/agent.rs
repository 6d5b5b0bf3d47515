//! The agent as a whole: opens what it needs, starts the engine and what feeds it, ends with a signal.

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::Context;
use crds::node::Agent;
use kube::Client;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use crate::{
    engine::{Engine, Input, Parts},
    http,
    journal::Journal,
    kernel::{events::LinkEvents, link::Drivers, namespace::Namespace, view::Eyes},
    metrics::Metrics,
    options::Run,
    plug::Node,
    presence, report,
    socket::Socket,
    watch,
};

/// Requests and events that may wait for the engine; more make their senders wait.
const INPUTS: usize = 256;

/// Runs until SIGTERM or SIGINT. Pods keep what they have.
pub async fn run(options: Run) -> anyhow::Result<()> {
    let node = node(&options).context("look at this node")?;
    tracing::info!(node = options.node_name, features = ?node.eyes.features, "this kernel can do");
    let folder = options.socket.parent().unwrap_or(Path::new("/"));
    let socket = Socket::bind(&options.socket)
        .await
        .context("listen for the CNI plugin")?;
    let listener = http::listen(options.http_port)
        .await
        .with_context(|| format!("listen on port {}", options.http_port))?;
    let client = Client::try_default().await.context("find the API server")?;
    let boot_id =
        fs::read_to_string("/proc/sys/kernel/random/boot_id").context("read the boot id")?;

    let (metrics, ready) = (Metrics::default(), Arc::new(AtomicBool::new(false)));
    let (inputs, from_all) = mpsc::channel(INPUTS);
    let (notices, to_report) = mpsc::unbounded_channel();
    let events = LinkEvents::subscribe(&node.host).context("subscribe to link events")?;
    let engine = Engine::new(Parts {
        node,
        journal: Journal::open(folder.join("journal")).context("open the journal")?,
        tombstones: cni::tombstone::folder(&options.socket),
        notices,
        metrics: metrics.clone(),
        ready: ready.clone(),
    })
    .context("read the journal")?;

    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let agent = Agent {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        boot_id: boot_id.trim().into(),
        pod_uid: options.pod_uid.into(),
    };
    tokio::spawn(presence::keep(
        client.clone(),
        options.node_name.clone(),
        agent,
    ));
    tokio::spawn(report::send_all(client.clone(), to_report, metrics.clone()));
    tokio::spawn(http::serve(listener, metrics, ready));
    let engine = engine.run(from_all, events);
    let feeding = async {
        let because = tokio::select! {
            () = watch::watch(client, &options.node_name, inputs.clone()) => "the watch of claims ended",
            () = socket.serve(inputs.clone()) => "the socket closed",
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(because, "ending");
        inputs.send(Input::End).await
    };
    let (outcome, _) = tokio::join!(engine, feeding);
    outcome.context("watch the node")
}

fn node(options: &Run) -> anyhow::Result<Node> {
    let host = Namespace::own()?;
    let features = Eyes::features(&options.proc_sys_net)?;
    let drivers = Drivers {
        for_tests: options.test_drivers.clone(),
    };
    let eyes = Eyes {
        drivers,
        proc_sys_net: options.proc_sys_net.clone(),
        features,
    };
    Ok(Node { host, eyes })
}

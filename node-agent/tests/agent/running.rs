//! A running agent without an API server: claims go in and reports come out by channels.

use std::{
    fs::{self, File},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::{Duration, Instant},
};

use cni::{
    agent::{NoReply, ask},
    protocol::{Add, Asked, Del, Pod, Position, Reply, Request, Sandbox},
};
use crds::EniClaim;
use node_agent::{
    claim,
    dhcp::{self, files::Files},
    engine::{Engine, Input, Parts},
    journal::Journal,
    kernel::events::LinkEvents,
    metrics::Metrics,
    report::Notice,
    socket::Socket,
};
use node_agent_core::claim::{ClaimKey, Place};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tracing::instrument::WithSubscriber;

use crate::world::{ENI, MAC, World};

/// The instance that the node is.
pub const INSTANCE: &str = "i-0123456789abcdef0";

/// The id of this boot, for files that count from it.
const BOOT: &str = "3b2f9c1e-6d0a-4f57-8c11-5a7e90d4b263";
const DEADLINE: Duration = Duration::from_secs(20);
const WORKERS: usize = 2;

pub struct Agent {
    runtime: Option<Runtime>,
    moves: Arc<Mutex<()>>,
    folder: Arc<TempDir>,
    inputs: mpsc::Sender<Input>,
    notices: mpsc::UnboundedReceiver<Notice>,
    metrics: Metrics,
    engine: JoinHandle<()>,
}

impl Agent {
    pub fn start(world: &World) -> Self {
        Self::start_in(world, Arc::new(tempfile::tempdir().unwrap()))
    }

    /// Starts an agent where another one left its journal.
    pub fn start_in(world: &World, folder: Arc<TempDir>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()
            .unwrap();
        let node = world.node();
        let moves = node.lane.clone();
        let (inputs, from_all) = mpsc::channel(64);
        let (sender, notices) = mpsc::unbounded_channel();
        let (lease, _) = mpsc::unbounded_channel();
        let (leases, commands) = dhcp::handle();
        let files = Files::open(folder.path().join("leases"), BOOT).unwrap();
        let keeper = dhcp::Keeper::new(files, Metrics::default()).unwrap();
        let path = folder.path().join("agent.sock");
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.path().join("log"))
            .unwrap();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(Arc::new(log))
            .finish();
        let metrics = Metrics::default();
        let counting = metrics.clone();
        let (socket, engine) = runtime.block_on(async {
            let socket = Socket::bind(&path).await.unwrap();
            let events = LinkEvents::subscribe(&node.host).unwrap();
            let engine = Engine::new(Parts {
                node,
                journal: Journal::open(folder.path().join("journal")).unwrap(),
                ports: node_agent::ports::Files::open(folder.path().join("ports")).unwrap(),
                tombstones: cni::tombstone::folder(&path),
                // Those of other tests are not to be searched.
                namespaces: world.namespaces(),
                notices: sender,
                access: tokio::sync::watch::channel(Vec::new()).0,
                lease,
                leases,
                metrics: counting,
                ready: Arc::new(AtomicBool::new(false)),
                heartbeat: Arc::default(),
            });
            (
                socket,
                tokio::spawn(
                    async move { engine.unwrap().run(from_all, events).await.unwrap() }
                        .with_subscriber(subscriber),
                ),
            )
        });
        runtime.spawn(socket.serve(inputs.clone(), false));
        runtime.spawn(keeper.run(commands, inputs.clone()));
        inputs
            .blocking_send(Input::Instance(INSTANCE.into()))
            .unwrap();
        Self {
            runtime: Some(runtime),
            moves,
            folder,
            inputs,
            notices,
            metrics,
            engine,
        }
    }

    /// What is counted, as Prometheus reads it.
    pub fn metrics(&self) -> String {
        self.metrics.text()
    }

    /// A request without a plugin; it comes after those before it.
    pub fn asks(
        &self,
        id: u64,
        request: Request,
        netns: Option<String>,
    ) -> oneshot::Receiver<Reply> {
        let (reply, answered) = oneshot::channel();
        let netns = netns.map(|path| File::open(path).unwrap().into());
        let ask = Input::Ask {
            id,
            request: Box::new(request),
            netns,
            reply,
        };
        self.inputs.blocking_send(ask).unwrap();
        answered
    }

    /// The plugin of such a request is gone.
    pub fn hangs_up(&self, id: u64) {
        self.inputs.blocking_send(Input::HungUp(id)).unwrap();
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    /// Who holds it keeps every device where it is.
    pub fn moves(&self) -> Arc<Mutex<()>> {
        self.moves.clone()
    }

    /// Does `work` while nothing of the agent runs but what is on threads of its own.
    pub fn while_it_stands_still(&self, work: impl FnOnce()) {
        let runtime = self.runtime.as_ref().unwrap();
        let (standing, stands) = std::sync::mpsc::channel();
        let holds = [(); WORKERS].map(|()| {
            let (hold, released) = std::sync::mpsc::channel::<()>();
            let standing = standing.clone();
            runtime.spawn(async move {
                standing.send(()).unwrap();
                released.recv().unwrap_err();
            });
            hold
        });
        for _ in &holds {
            stands.recv_timeout(DEADLINE).unwrap();
        }
        work();
        drop(holds);
    }

    pub fn folder(&self) -> &TempDir {
        &self.folder
    }

    /// What the engine has logged in this folder, without what its threads log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// How many plugs the journal knows.
    pub fn journal(&self) -> usize {
        journal_files(&self.folder).len()
    }

    /// Ends the agent, and says where its journal is.
    pub fn stop(mut self) -> Arc<TempDir> {
        self.inputs.blocking_send(Input::End).unwrap();
        let runtime = self.runtime.take().unwrap();
        runtime.block_on(async {
            tokio::time::timeout(DEADLINE, &mut self.engine)
                .await
                .unwrap()
                .unwrap();
        });
        runtime.shutdown_background();
        self.folder.clone()
    }

    pub fn list(&self, claims: Vec<EniClaim>) {
        let claims = claims.into_iter().map(Ok).collect();
        self.inputs.blocking_send(Input::Claims(claims)).unwrap();
    }

    pub fn claim(&self, claim: EniClaim) {
        self.inputs
            .blocking_send(Input::Claim(Box::new(Ok(claim))))
            .unwrap();
    }

    /// A claim as the API server sends it.
    pub fn document(&self, document: Value) {
        let claim = claim::read(serde_json::from_value(document).unwrap());
        let input = Input::Claim(Box::new(claim));
        self.inputs.blocking_send(input).unwrap();
    }

    pub fn gone(&self, claim: &EniClaim) {
        let (namespace, name) = (
            claim.metadata.namespace.clone().unwrap(),
            claim.metadata.name.clone().unwrap(),
        );
        self.inputs
            .blocking_send(Input::ClaimGone(ClaimKey { namespace, name }))
            .unwrap();
    }

    pub fn add(&self, world: &World, container: &str, pod: &str) -> Reply {
        add(&self.socket(), &world.path(pod), container).unwrap()
    }

    /// An ADD whose path and descriptor lead to two namespaces.
    pub fn add_with(&self, fd: &str, path: &str, container: &str) -> Reply {
        let file = File::open(fd).unwrap();
        let request = Request::Add(an_add(path, container));
        ask(
            &self.socket(),
            request,
            Some(file.as_fd()),
            DEADLINE,
            DEADLINE,
        )
        .unwrap()
    }

    /// An ADD that waits in the background.
    pub fn adding(
        &self,
        world: &World,
        container: &str,
        pod: &str,
    ) -> std::thread::JoinHandle<Reply> {
        let (socket, path, container) = (self.socket(), world.path(pod), container.to_owned());
        std::thread::spawn(move || add(&socket, &path, &container).unwrap())
    }

    pub fn del(&self, netns: Option<String>, container: &str) -> Reply {
        let file = netns.map(|path| File::open(path).unwrap());
        let request = Request::Del(Del::from(sandbox(container)));
        ask(
            &self.socket(),
            request,
            file.as_ref().map(AsFd::as_fd),
            DEADLINE,
            DEADLINE,
        )
        .unwrap()
    }

    /// The next report.
    pub fn notice(&mut self) -> Notice {
        let Self {
            runtime, notices, ..
        } = self;
        let next = async { tokio::time::timeout(DEADLINE, notices.recv()).await };
        runtime
            .as_ref()
            .unwrap()
            .block_on(next)
            .expect("no report came")
            .unwrap()
    }

    pub fn place(&mut self) -> Place {
        self.notice().report.place
    }

    /// No report is on its way: the first answer may come from the middle of a round, the second one comes after it.
    pub fn is_quiet(&mut self) -> bool {
        for _ in 0..2 {
            assert_eq!(self.del(None, "never-seen"), Reply::Deleted);
        }
        self.notices.try_recv().is_err()
    }

    pub fn instance(&self, instance: &str) {
        let instance = Input::Instance(instance.to_owned());
        self.inputs.blocking_send(instance).unwrap();
    }
}

/// An agent that plugged the device of a claim into a pod, and has reported it.
pub fn plugged() -> (World, Agent) {
    plugged_by(a_claim())
}

/// As [`plugged`], of this claim.
pub fn plugged_by(claim: EniClaim) -> (World, Agent) {
    let world = World::new();
    let mut agent = Agent::start(&world);
    agent.list(vec![claim]);
    let reply = agent.add(&world, "c1", "pod");
    assert!(matches!(reply, Reply::Added(_)), "{reply:?}");
    while !matches!(agent.place(), Place::Plugged { .. }) {}
    (world, agent)
}

/// The files of the plugs in the journal below `folder`, without those kept aside.
pub fn journal_files(folder: &TempDir) -> Vec<PathBuf> {
    let networks = std::fs::read_dir(folder.path().join("journal")).unwrap();
    networks
        .map(|network| network.unwrap().path())
        .filter(|network| !network.ends_with(".unreadable"))
        .flat_map(|network| std::fs::read_dir(network).unwrap())
        .map(|file| file.unwrap().path())
        // An entry that is being written is there twice for a moment.
        .filter(|file| {
            file.extension()
                .is_none_or(|extension| extension != "draft")
        })
        .collect()
}

fn add(socket: &Path, path: &str, container: &str) -> Result<Reply, NoReply> {
    let file = File::open(path).unwrap();
    ask(
        socket,
        Request::Add(an_add(path, container)),
        Some(file.as_fd()),
        DEADLINE,
        DEADLINE,
    )
}

pub fn an_add(path: &str, container: &str) -> Add {
    let pod = Pod {
        namespace: "shop".into(),
        name: "web-0".into(),
        uid: "u-1".into(),
        interfaces: None,
    };
    Add {
        sandbox: sandbox(container),
        netns: path.into(),
        asked: Asked::Pod(pod),
        position: Position::Chained,
    }
}

pub fn sandbox(container: &str) -> Sandbox {
    Sandbox {
        network: "pods".into(),
        container_id: container.into(),
        if_name: "eth0".into(),
    }
}

/// A claim whose ENI is attached, as the operator writes it.
pub fn a_claim() -> EniClaim {
    serde_json::from_value(claim_document()).unwrap()
}

pub fn claim_document() -> Value {
    json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim",
        "metadata": { "namespace": "shop", "name": "web-0-abcde", "uid": "c-1" },
        "spec": { "className": "app", "owner": { "kind": "Pod", "name": "web-0", "uid": "u-1" } },
        "status": {
            "phase": "Attaching", "nodeName": "n1",
            "binding": { "podName": "web-0", "podUid": "u-1", "nodeUid": "n-1", "instanceId": INSTANCE, "since": "2026-01-01T00:00:00Z" },
            "interface": { "name": "eni0", "defaultRoute": "Never", "instanceMetadata": "Blocked" },
            "eni": { "id": ENI, "mac": MAC, "subnetId": "subnet-0123456789abcdef0", "vpcId": "vpc-0123456789abcdef0", "zone": "z", "securityGroupIds": [] },
            "attachment": { "instanceId": INSTANCE, "networkCard": 0, "deviceIndex": 1, "id": "eni-attach-0123456789abcdef0" },
            "ipam": { "addresses": [{ "address": "10.0.1.50", "prefixLength": 24, "gateway": "10.0.1.1", "role": "Primary" }] }
        }
    })
}

/// The claim with one field of its status set.
pub fn with(claim: EniClaim, pointer: &str, value: Value) -> EniClaim {
    let mut document = serde_json::to_value(claim).unwrap();
    *document
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("no {pointer}")) = value;
    serde_json::from_value(document).unwrap()
}

pub fn released(claim: EniClaim) -> EniClaim {
    let mut document = serde_json::to_value(claim).unwrap();
    document["status"]["attachment"]["release"] = json!("Requested");
    serde_json::from_value(document).unwrap()
}

/// The claim as it is after a report was taken.
pub fn after(claim: &EniClaim, notice: &Notice) -> EniClaim {
    let mut document = serde_json::to_value(claim).unwrap();
    for (field, value) in notice.patch().unwrap()["status"].as_object().unwrap() {
        document["status"][field] = value.clone();
    }
    serde_json::from_value(document).unwrap()
}

/// Waits for something that the agent does in its own time.
pub fn wait_until(mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !so() {
        assert!(Instant::now() < deadline, "it never came to be");
        std::thread::sleep(Duration::from_millis(10));
    }
}

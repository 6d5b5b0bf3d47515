//! The one owner of all that the agent knows: takes in what happens, asks the core what to do, has it done.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cni::protocol::{self, Reply};
use crds::{EniClaim, Time, node::NodeAccess};
use jiff::Timestamp;
use node_agent_core::{
    claim::{Claim, ClaimKey, Report, Unreadable},
    dhcp::Leases,
    facts::{Facts, LeaseRead, Operator, PlugState, RequestId},
    mac::Mac,
    plan::{Keep, Order, plan},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use crate::{
    claim, dhcp,
    engine::{callers::Callers, pace::Pace, ports::turns::Turns, work::Done},
    error::Error,
    heartbeat::Heartbeat,
    journal::Journal,
    kernel::events::{LinkEvent, LinkEvents},
    metrics::Metrics,
    plug::Node,
    report::Notice,
    status::{Known, Status},
    threads::Threads,
    trouble::Trouble,
};

mod addresses;
mod callers;
mod configure;
mod leases;
mod log;
mod moves;
mod outcome;
mod pace;
mod ports;
mod scan;
mod search;

mod work;

/// Without a deadline the plan is made again after so long.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// What a plan leads to at once is done at once; a plan that never ends is a fault, and must not keep the engine from its inputs.
const ROUNDS: usize = 10;

/// Something that happened.
pub enum Input {
    /// The whole list of this node's claims.
    Claims(Vec<Result<EniClaim, Unreadable>>),
    /// A claim of this node, new or changed.
    Claim(Box<Result<EniClaim, Unreadable>>),
    /// A claim that is gone, or no longer of this node.
    ClaimGone(ClaimKey),
    /// The EC2 instance that this node is, as its EniNode says.
    Instance(String),
    /// The operator, as its Lease shows it.
    Operator(Operator),
    /// A request of the plugin.
    Ask {
        /// Greater than that of any request before.
        id: RequestId,
        /// What is asked.
        request: Box<protocol::Request>,
        /// The pod's namespace.
        netns: Option<OwnedFd>,
        /// Where the answer goes.
        reply: oneshot::Sender<Reply>,
    },
    /// How a device in a pod stands with DHCP.
    Leases(Mac, Leases),
    /// What of that is to be reported.
    LeaseNews(Mac, Leases),
    /// A person asks about the devices.
    Status(oneshot::Sender<Status>),
    /// The plugin waits no longer.
    HungUp(RequestId),
    /// The agent is to end.
    End,
}

/// What the engine works with.
pub struct Parts {
    /// The node.
    pub node: Node,
    /// The journal.
    pub journal: Journal,
    /// The journal of ports.
    pub ports: crate::ports::Files,
    /// Where the plugin leaves DELs that found no agent.
    pub tombstones: PathBuf,
    /// Where the runtime mounts the namespaces of pods.
    pub namespaces: PathBuf,
    /// Where reports go.
    pub notices: mpsc::UnboundedSender<Notice>,
    /// Where it is said who has addresses on bridges of the node.
    pub access: watch::Sender<Vec<NodeAccess>>,
    /// Where the operator's Lease is asked for.
    pub lease: mpsc::UnboundedSender<()>,
    /// Who keeps the DHCP leases.
    pub leases: dhcp::Handle,
    /// What is counted.
    pub metrics: Metrics,
    /// Becomes true with the first list of claims.
    pub ready: Arc<AtomicBool>,
    /// Written in each round.
    pub heartbeat: Arc<Heartbeat>,
}

/// The one owner.
pub struct Engine {
    parts: Parts,
    facts: Facts,
    claims: BTreeMap<ClaimKey, EniClaim>,
    callers: Callers,
    seen: BTreeMap<Mac, Time>,
    done: (mpsc::UnboundedSender<Done>, mpsc::UnboundedReceiver<Done>),
    threads: Threads,
    started: Instant,
    pace: Pace,
    scanning: Trouble,
    lists: Trouble,
    notes: Trouble,
    filters: Trouble,
    wake_at: Instant,
    /// The leases that were last asked to be kept.
    keep: Option<BTreeMap<Mac, Keep>>,
    /// Of what is done about ports.
    turns: Turns,
    /// Whether who has addresses is to be said again.
    ports_changed: bool,
}

impl Engine {
    /// An engine that knows what the journal says.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let mut facts = Facts::of_journal(parts.journal.read()?.into_iter().collect());
        facts.ports = parts.ports.read()?;
        let now = Instant::now();
        Ok(Self {
            parts,
            facts,
            claims: BTreeMap::new(),
            callers: Callers::default(),
            seen: BTreeMap::new(),
            done: mpsc::unbounded_channel(),
            threads: Threads::default(),
            started: now,
            pace: Pace::new(now),
            scanning: Trouble::default(),
            lists: Trouble::default(),
            notes: Trouble::default(),
            filters: Trouble::default(),
            wake_at: now,
            keep: None,
            turns: Turns::default(),
            ports_changed: true,
        })
    }

    /// Runs until it is told to end, or `inputs` closes, and all work is done. Callers that wait are hung up on: the plugin
    /// then asks the next agent.
    pub async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut events: LinkEvents,
    ) -> Result<(), Error> {
        loop {
            self.parts.heartbeat.round();
            self.act();
            let wake_at = self.wake_at.min(self.pace.due(self.is_moving()));
            let ours = self.facts.macs();
            tokio::select! {
                input = inputs.recv() => match input {
                    None | Some(Input::End) => break,
                    Some(input) => self.take(input),
                },
                Some(done) = self.done.1.recv() => self.finish(done),
                event = about(&ours, &mut events) => {
                    event?;
                    self.pace.ask();
                }
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
        while self.is_moving() || !self.facts.ports.busy.is_empty() {
            let Some(done) = self.done.1.recv().await else {
                break;
            };
            self.finish(done);
        }
        Ok(())
    }

    fn is_moving(&self) -> bool {
        !self.facts.busy.is_empty()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Does what is to be done now.
    fn act(&mut self) {
        if self.pace.start(Instant::now(), self.is_moving()) {
            self.start_scan();
        }
        self.wake_at = Instant::now() + LONGEST_SLEEP;
        // Before the first scan it is not known which devices are here.
        if !self.pace.has_scanned() {
            return;
        }
        for _ in 0..ROUNDS {
            let plan = plan(&self.facts, self.now());
            if let Some(at) = plan.wake_at {
                self.wake_at = self.started + Duration::from_millis(at);
            }
            if plan.orders.is_empty() {
                break;
            }
            for order in plan.orders {
                self.obey(order);
            }
        }
        self.keep_leases();
        self.show_ports();
        let plugs = self.facts.plugs.values();
        let plugged = plugs.filter(|plug| plug.state == PlugState::Plugged);
        self.parts.metrics.plugged(plugged.count());
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Answer(id, answer) => self.answer(id, answer),
            Order::Plug {
                request,
                origin,
                eni,
                key,
                slot,
            } => self.start_plug(request, origin, eni, key, slot),
            Order::Check { request, key } => self.start_check(request, key),
            Order::Configure(key) => self.start_configure(key),
            Order::Unplug(key, traces) => self.start_unplug(key, traces),
            Order::Restore(key) => self.start_restore(key),
            Order::Forget(key) => self.start_forget(key),
            Order::Port(order) => self.obey_port(order),
            Order::Search(mac) => self.start_search(mac),
            Order::Report(claim, report) => self.report(claim, report),
            Order::ReadLease => self.read_lease(),
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Claims(claims) => {
                self.claims.clear();
                let claims = claims.into_iter().map(|claim| self.read(claim)).collect();
                self.facts.list(claims, self.now());
                self.parts.ready.store(true, Ordering::Relaxed);
            }
            Input::Claim(claim) => match self.read(*claim) {
                Ok(claim) => self.facts.learn(claim, self.now()),
                Err(unreadable) => self.facts.learn_unreadable(unreadable),
            },
            Input::ClaimGone(key) => {
                self.facts.forget(&key);
                self.claims.remove(&key);
            }
            Input::Instance(instance) => {
                tracing::info!(instance, "this node's instance is known");
                self.facts.instance = Some(instance);
            }
            Input::Operator(operator) => {
                self.facts.operator = Some(LeaseRead::Ended(self.now(), operator));
            }
            Input::Ask {
                id,
                request,
                netns,
                reply,
            } => self.ask(id, *request, netns, reply),
            // Of a device that has left its pod nothing is known any more.
            Input::Leases(mac, leases) if self.keeps(mac) => {
                self.facts.leases.insert(mac, leases);
            }
            Input::LeaseNews(mac, leases) if self.keeps(mac) => {
                self.facts.lease_news.insert(mac, leases);
            }
            Input::Status(reply) => {
                let known = Known::of(&self.facts, ports::shown(&self.facts.ports, |_| true));
                let leases = self.parts.leases.clone();
                let inspector = self.parts.node.inspector.clone();
                // Who asked may be gone.
                let answer = move || drop(reply.send(known.ask(&inspector, &leases)));
                if let Err(error) = self.threads.run(Box::new(answer)) {
                    let error = Error::Thread(error);
                    tracing::warn!(%error, "a question for the status is not answered");
                }
            }
            Input::HungUp(id) => {
                self.facts.requests.remove(&id);
                self.callers.hung_up(id);
            }
            Input::Leases(..) | Input::LeaseNews(..) | Input::End => {}
        }
    }

    /// The claim as the core needs it; what reports need of it is kept.
    fn read(&mut self, object: Result<EniClaim, Unreadable>) -> Result<Claim, Unreadable> {
        let read = object.and_then(|object| Ok((claim::convert(&object)?, object)));
        match read {
            Ok((claim, object)) => {
                self.claims.insert(claim.key.clone(), object);
                Ok(claim)
            }
            Err(unreadable) => {
                self.claims.remove(&unreadable.key);
                if self.facts.unreadable.get(&unreadable.key) != Some(&unreadable) {
                    let Unreadable { key, pod, error: _ } = &unreadable;
                    let pod = pod
                        .as_ref()
                        .map(|pod| format!("{}/{}", key.namespace, pod.name));
                    tracing::error!(claim = %key, pod, error = %unreadable, "a claim cannot be read");
                }
                Err(unreadable)
            }
        }
    }

    fn read_lease(&mut self) {
        self.facts.operator = Some(LeaseRead::Begun);
        // Without an API server, in tests, nobody reads it.
        self.parts.lease.send(()).ok();
    }

    fn report(&mut self, key: ClaimKey, report: Report) {
        let (Some(object), Some(claim)) = (self.claims.get(&key), self.facts.claims.get(&key))
        else {
            return;
        };
        let now = clock();
        let mac = claim.eni.as_ref().map(|eni| eni.mac);
        let seen = mac.and_then(|mac| self.seen.get(&mac));
        let plug = mac.and_then(|mac| self.facts.holder(mac));
        let name = plug.map(|(key, plug)| plug.interface(&key.sandbox, &claim.interface).name);
        let notice = Notice {
            claim: object.clone(),
            report: report.clone(),
            now,
            seen: seen.copied().unwrap_or(now),
            if_name: name,
            custody: plug
                .map(|(_, plug)| plug.custody.clone())
                .unwrap_or_default(),
            metadata: claim.interface.metadata,
            dhcp: claim.interface.dhcp,
            features: self.parts.node.inspector.features,
            without_ipv6: plug.is_some_and(|(_, plug)| plug.observed.without_ipv6),
        };
        if self.parts.notices.send(notice).is_ok() {
            self.facts.unconfirmed.insert(key, report);
        }
    }
}

/// Waits for an event about one of the devices `ours`: other links come and go with every pod, and wake nobody.
async fn about(ours: &BTreeSet<Mac>, events: &mut LinkEvents) -> Result<(), Error> {
    loop {
        match events.next().await? {
            LinkEvent::Lost => return Ok(()),
            LinkEvent::Links(macs) if macs.iter().any(|mac| ours.contains(mac)) => return Ok(()),
            LinkEvent::Links(_) => {}
        }
    }
}

/// The time that people read.
fn clock() -> Time {
    Time(Timestamp::now().as_millisecond())
}

//! The one owner of all that the agent knows: takes in what happens, asks the core what to do, has it done.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use cni::{
    CniError,
    error::code,
    protocol::{Reply, Request},
};
use crds::{EniClaim, Time};
use jiff::Timestamp;
use node_agent_core::{
    claim::{Claim, ClaimKey, Report},
    facts::{Ask, AskId, Facts, PlugState, Wish},
    mac::Mac,
    plan::{Answer, Order, next_on_host, plan},
};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::Instant,
};

use crate::{
    claim,
    engine::work::Done,
    error::Error,
    journal::Journal,
    kernel::{events::LinkEvents, namespace::Namespace},
    metrics::{Metrics, Outcome},
    plug::Node,
    report::Notice,
};

mod scan;
mod work;

/// The kernel is looked at so often even when it tells nothing.
const SCAN_PERIOD: Duration = Duration::from_secs(30);
/// And at most so often when it tells much: other pods come and go, too.
const SCAN_PAUSE: Duration = Duration::from_millis(20);
/// Pause after a look at the node that failed.
const SCAN_RETRY: Duration = Duration::from_secs(1);
/// Longer than any look at the node takes.
const SCAN_LONGEST: Duration = Duration::from_hours(1);
/// While somebody waits or a device must go home, deadlines are looked at so often.
const PATIENCE_PERIOD: Duration = Duration::from_secs(1);

/// Something that happened.
pub enum Input {
    /// The whole list of this node's claims.
    Claims(Vec<EniClaim>),
    /// A claim of this node, new or changed.
    Claim(Box<EniClaim>),
    /// A claim that is gone, or no longer of this node.
    ClaimGone(ClaimKey),
    /// A request of the plugin.
    Ask {
        /// Greater than that of any request before.
        id: AskId,
        /// What is asked.
        request: Request,
        /// The pod's namespace.
        netns: Option<OwnedFd>,
        /// Where the answer goes.
        reply: oneshot::Sender<Reply>,
    },
    /// The plugin waits no longer.
    HungUp(AskId),
    /// The agent is to end.
    End,
}

/// What the engine works with.
pub struct Parts {
    /// The node.
    pub node: Node,
    /// The journal.
    pub journal: Journal,
    /// Where the plugin leaves notes while there is no agent.
    pub tombstones: PathBuf,
    /// Where reports go.
    pub notices: mpsc::UnboundedSender<Notice>,
    /// What is counted.
    pub metrics: Metrics,
    /// Becomes true with the first list of claims.
    pub ready: Arc<AtomicBool>,
}

/// A caller that waits.
struct Caller {
    reply: oneshot::Sender<Reply>,
    netns: Option<Namespace>,
    since: Instant,
}

/// The one owner.
pub struct Engine {
    parts: Parts,
    facts: Facts,
    claims: BTreeMap<ClaimKey, EniClaim>,
    callers: BTreeMap<AskId, Caller>,
    seen: BTreeMap<Mac, Time>,
    /// One move at a time: each holds the kernel's networking lock, and side by side they only queue inside it.
    lane: Arc<Mutex<()>>,
    done: (mpsc::UnboundedSender<Done>, mpsc::UnboundedReceiver<Done>),
    started: Instant,
    scan: scan::Pace,
}

impl Engine {
    /// An engine that knows what the journal says.
    pub fn new(parts: Parts) -> Result<Self, Error> {
        let facts = Facts {
            plugs: parts.journal.read()?.into_iter().collect(),
            ..Facts::default()
        };
        Ok(Self {
            parts,
            facts,
            claims: BTreeMap::new(),
            callers: BTreeMap::new(),
            seen: BTreeMap::new(),
            lane: Arc::new(Mutex::new(())),
            done: mpsc::unbounded_channel(),
            started: Instant::now(),
            scan: scan::Pace::new(Instant::now()),
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
            self.act();
            let wake_at = self.wake_at();
            tokio::select! {
                input = inputs.recv() => match input {
                    None | Some(Input::End) => break,
                    Some(input) => self.take(input),
                },
                Some(done) = self.done.1.recv() => self.finish(done),
                event = events.next() => {
                    event?;
                    self.scan.needed = true;
                }
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
        while !self.facts.busy.is_empty() {
            let Some(done) = self.done.1.recv().await else {
                break;
            };
            self.finish(done);
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wake_at(&self) -> Instant {
        let unsettled = !self.facts.asks.is_empty()
            || self
                .facts
                .plugs
                .values()
                .any(|p| p.state == PlugState::Leaving);
        let patience = unsettled.then(|| Instant::now() + PATIENCE_PERIOD);
        // Not sooner than a moment from now: what was due in this round is done, or cannot be.
        let soon = Instant::now() + SCAN_PAUSE;
        let seen =
            next_on_host(&self.facts).map(|at| soon.max(self.started + Duration::from_millis(at)));
        patience
            .into_iter()
            .chain(seen)
            .fold(self.scan.due(), Instant::min)
    }

    /// Does what is to be done now, until the core has no more orders.
    fn act(&mut self) {
        if self.scan.start(Instant::now()) {
            self.start_scan();
        }
        if !self.scan.known {
            return;
        }
        for order in plan(&self.facts, self.now()) {
            match order {
                Order::Answer(id, answer) => self.answer(id, answer),
                Order::Plug(id, claim) => self.start_plug(id, &claim),
                Order::Home(sandbox) => self.start_home(sandbox),
                Order::Report(claim, report) => self.report(claim, report),
            }
        }
        self.parts.metrics.plugged(
            self.facts
                .plugs
                .values()
                .filter(|p| p.state == PlugState::Plugged)
                .count(),
        );
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Claims(claims) => {
                self.claims = claims.into_iter().map(|c| (claim::key(&c), c)).collect();
                let converted = self.claims.values().filter_map(convert).collect();
                self.facts.list(converted, self.now());
                self.parts.ready.store(true, Ordering::Relaxed);
            }
            Input::Claim(object) => {
                let key = claim::key(&*object);
                match convert(&object) {
                    Some(claim) => self.facts.learn(claim, self.now()),
                    None => self.facts.forget(&key),
                }
                self.claims.insert(key, *object);
            }
            Input::ClaimGone(key) => {
                self.facts.forget(&key);
                self.claims.remove(&key);
            }
            Input::Ask {
                id,
                request,
                netns,
                reply,
            } => self.ask(id, request, netns, reply),
            Input::HungUp(id) => {
                self.facts.asks.remove(&id);
                self.callers.remove(&id);
            }
            Input::End => {}
        }
    }

    fn ask(
        &mut self,
        id: AskId,
        request: Request,
        netns: Option<OwnedFd>,
        reply: oneshot::Sender<Reply>,
    ) {
        let (sandbox, wish, path) = match request {
            Request::Add(add) => {
                let cni::protocol::Pod {
                    namespace,
                    name: pod,
                    uid: pod_uid,
                } = add.pod;
                (
                    add.sandbox,
                    Wish::Add {
                        namespace,
                        pod,
                        pod_uid,
                    },
                    add.netns,
                )
            }
            Request::Del(del) => (del.sandbox, Wish::Del, String::new()),
        };
        let netns = match (
            netns.map(|fd| Namespace::from_fd(fd, &path)).transpose(),
            &wish,
        ) {
            (Ok(Some(netns)), _) => Some(netns),
            (Ok(None) | Err(_), Wish::Del) => None,
            (Ok(None) | Err(_), Wish::Add { .. }) => {
                let error = CniError::new(
                    code::PROTOCOL,
                    "ADD came without the network namespace of the pod",
                );
                // A caller that is gone needs no answer.
                drop(reply.send(Reply::Failed(error)));
                return;
            }
        };
        let now = self.now();
        self.facts.asks.insert(
            id,
            Ask {
                sandbox,
                wish,
                since: now,
                progress: now,
            },
        );
        self.callers.insert(
            id,
            Caller {
                reply,
                netns,
                since: Instant::now(),
            },
        );
    }

    fn answer(&mut self, id: AskId, answer: Answer) {
        let (reply, count): (Reply, fn(&Metrics, Outcome)) = match answer {
            Answer::Deleted => (Reply::Deleted, Metrics::del),
            Answer::Later(why) => (
                Reply::Failed(CniError::new(code::TRY_LATER, why)),
                Metrics::add,
            ),
        };
        let outcome = if reply == Reply::Deleted {
            Outcome::Success
        } else {
            Outcome::Later
        };
        count(&self.parts.metrics, outcome);
        self.send(id, reply);
    }

    /// Sends the answer; false if nobody waits for it.
    fn send(&mut self, id: AskId, reply: Reply) -> bool {
        self.facts.asks.remove(&id);
        let Some(caller) = self.callers.remove(&id) else {
            return false;
        };
        tracing::info!(id, ?reply, waited = ?caller.since.elapsed(), "answered");
        caller.reply.send(reply).is_ok()
    }

    fn report(&mut self, key: ClaimKey, report: Report) {
        let (Some(object), Some(claim)) = (self.claims.get(&key), self.facts.claims.get(&key))
        else {
            return;
        };
        let now = clock();
        let seen = claim
            .eni
            .as_ref()
            .and_then(|eni| self.seen.get(&eni.mac))
            .copied()
            .unwrap_or(now);
        let notice = Notice {
            claim: object.clone(),
            report: report.clone(),
            now,
            seen,
            metadata: claim.interface.metadata,
            features: self.parts.node.eyes.features,
        };
        if self.parts.notices.send(notice).is_ok() {
            self.facts.told.insert(key, report);
        }
    }
}

/// The time that people read.
fn clock() -> Time {
    Time(Timestamp::now().as_millisecond())
}

/// A claim that cannot be read is told and left out, as if it were not bound yet.
fn convert(object: &EniClaim) -> Option<Claim> {
    claim::convert(object)
        .map_err(|error| tracing::error!(%error, "a claim cannot be used"))
        .ok()
}

//! One world: API server and EC2 behind one lock, virtual time, a die, and an operator that can be cut off.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, OnceLock},
};

use jiff::Timestamp;
use kube_api::{Answer, Api, Id, Kinds, Method, Request, json};
use operator::Options;
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{Duration, Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::Layer;
use vpc::{Delays, Vpc};

use super::{
    actors::Actors,
    cloud,
    connection::{self, Line},
    faults::Faults,
    judge::Judge,
};

/// Where virtual time starts; the deterministic clock stands there as well.
const EPOCH: i64 = 1_800_000_000_000;
/// How long something may take to come about.
pub const PATIENCE: Duration = Duration::from_mins(30);

#[derive(Clone)]
pub struct World(pub(super) Arc<Shared>);

pub struct Shared {
    state: Mutex<State>,
    pub(super) changed: Notify,
    pub(super) cut: Notify,
    verdict: Notify,
}

pub struct State {
    pub api: Api,
    pub vpc: Vpc,
    pub actors: Actors,
    pub faults: Faults,
    pub judge: Judge,
    /// Writes of Kubernetes and changes of EC2 by the operator, in their order.
    pub effects: Vec<String>,
    /// How many calls of the operator read on where a page of EC2 ended.
    pub later_pages: u64,
    /// After so many effects the operator dies, its last answer lost.
    pub crash_after: Option<usize>,
    /// The operator that is connected; an older one gets no answers.
    pub connected: u64,
    pub trace: Vec<String>,
    hasher: DefaultHasher,
    die: u64,
    began: Instant,
}

/// The kinds of the cluster. To be called before a thread's randomness is taken from a seed.
pub fn kinds() -> Arc<Kinds> {
    static KINDS: OnceLock<Arc<Kinds>> = OnceLock::new();
    let crds = || {
        let ours = crds::all().map(|crd| serde_json::to_value(crd).unwrap());
        ours.into_iter().chain([daemon_sets()]).collect::<Vec<_>>()
    };
    KINDS.get_or_init(|| Arc::new(Kinds::new(&crds()))).clone()
}

/// A kind of Kubernetes itself, of which the operator reads one object.
fn daemon_sets() -> Value {
    let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({ "spec": {
        "group": "apps", "scope": "Namespaced",
        "names": { "kind": "DaemonSet", "plural": "daemonsets", "singular": "daemonset" },
        "versions": [{
            "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
            "schema": { "openAPIV3Schema": any },
        }],
    } })
}

impl World {
    pub fn new(seed: u64) -> Self {
        let state = State {
            api: Api::new(kinds()),
            vpc: Vpc::new(Delays::default()),
            actors: Actors::default(),
            faults: Faults::default(),
            judge: Judge::default(),
            effects: Vec::new(),
            later_pages: 0,
            crash_after: None,
            connected: 0,
            trace: Vec::new(),
            hasher: DefaultHasher::new(),
            die: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            began: Instant::now(),
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            changed: Notify::new(),
            cut: Notify::new(),
            verdict: Notify::new(),
        }))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// Changes the world as somebody does who is not the operator; watches show it.
    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let outcome = {
            let mut state = self.lock();
            let outcome = act(&mut state);
            state.judge_objects();
            outcome
        };
        self.0.changed.notify_waiters();
        if self.lock().judge.verdict.is_some() {
            self.0.verdict.notify_one();
        }
        outcome
    }

    /// One operator, which is connected from now on, until it is asked to end.
    pub fn operator(
        &self,
        options: Options,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Result<(), operator::Error>> + use<> {
        let line = Line::connect(self);
        let service = tower::service_fn({
            let line = line.clone();
            move |request| connection::serve(line.clone(), request)
        });
        let client = kube::Client::new(operator::head_limit().layer(service), "default");
        operator::run(client, cloud::client(line), options, shutdown)
    }

    /// Runs the operator until it is cut off, and then another one, for ever.
    pub async fn operate(self) {
        loop {
            let run = self.operator(Options::default(), CancellationToken::new());
            tokio::select! {
                biased;
                () = self.0.cut.notified() => {}
                ended = run => panic!("the operator ended: {ended:?}"),
            }
            // A container is started again, but not at once.
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Ends the operator that is connected; another one follows.
    pub fn crash(&self) {
        self.lock().connected += 1;
        self.0.cut.notify_one();
    }

    /// Ends the test when an invariant was broken.
    pub async fn judged(&self) {
        self.0.verdict.notified().await;
        let state = self.lock();
        let verdict = state.judge.verdict.clone().unwrap_or_default();
        panic!("{verdict}\n{}", state.tail());
    }

    /// Waits until `holds` of the world, in virtual time.
    pub async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let wait = async {
            while !holds(&self.lock()) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        if timeout(PATIENCE, wait).await.is_err() {
            let state = self.lock();
            panic!("{what} did not come\n{}", state.tail());
        }
    }
}

impl State {
    /// Milliseconds since the epoch.
    pub fn now(&self) -> u64 {
        u64::try_from(EPOCH).unwrap() + u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    pub fn time(&self) -> Timestamp {
        Timestamp::from_millisecond(i64::try_from(self.now()).unwrap()).unwrap()
    }

    /// The time as objects carry it.
    pub fn stamp(&self) -> String {
        Timestamp::from_second(self.time().as_second())
            .unwrap()
            .to_string()
    }

    /// All objects of a kind.
    pub fn all<'a>(&'a self, plural: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        let kind = self.api.kinds().named(plural).unwrap();
        self.api.all(&kind.resource())
    }

    /// A request of somebody who is not the operator.
    pub fn request(&mut self, request: &Request) -> Answer {
        let now = self.time();
        self.api.call(request, now)
    }

    /// A request that must be granted.
    pub fn must(&mut self, request: &Request) -> Value {
        let answer = self.request(request);
        assert!(answer.is_success(), "{request:?}: {answer:?}");
        answer.body
    }

    /// Creates an object at the path of its collection.
    pub fn create(&mut self, collection: &str, object: Value) -> Value {
        self.must(&Request::new(Method::Post, collection, object))
    }

    /// Deletes an object, whether or not it is there.
    pub fn delete(&mut self, id: &Id) {
        let path = self.api.path(id).unwrap();
        self.request(&Request::new(Method::Delete, &path, Value::Null));
    }

    /// A number below `sides`, by the seed.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.die ^= self.die << 13;
        self.die ^= self.die >> 7;
        self.die ^= self.die << 17;
        self.die % sides
    }

    /// Milliseconds since the world began, as lines of the trace carry them.
    pub fn elapsed(&self) -> u128 {
        self.began.elapsed().as_millis()
    }

    /// Remembers a line for people, and all of it for the comparison of two runs.
    pub fn note(&mut self, line: &str, body: &str) {
        let at = self.elapsed();
        let line = format!("{at:>7} {line}");
        (&line, body).hash(&mut self.hasher);
        self.trace.push(line);
    }

    /// Equal for two runs that are the same in every byte.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// What a person needs to understand a failure.
    pub fn tail(&self) -> String {
        let from = self.trace.len().saturating_sub(60);
        let claims: Vec<&Value> = self.all("eniclaims").collect();
        let claims = claims.iter().map(|claim| {
            let mut claim = (*claim).clone();
            json::remove(&mut claim, "metadata.managedFields");
            format!("{claim:#}")
        });
        format!(
            "{}\nclaims: {}\nleft in EC2: {:#?}",
            self.trace[from..].join("\n"),
            claims.collect::<Vec<_>>().join("\n"),
            self.vpc.leaks().collect::<Vec<_>>()
        )
    }
}

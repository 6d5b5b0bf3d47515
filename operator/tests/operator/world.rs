//! One world: API server and EC2 behind one lock, virtual time, a die, and an operator that can be cut off.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use futures::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{Duration, Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use vpc::{Delays, Vpc};
use vpc_sim::protocol::Answer;

use super::{
    api::{Call, Store},
    cloud::{self, Endpoint},
};

/// Where virtual time starts; the deterministic clock stands there as well.
const EPOCH: i64 = 1_800_000_000_000;

#[derive(Clone)]
pub struct World(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Notify,
    cut: Notify,
}

pub struct State {
    pub api: Store,
    pub vpc: Vpc,
    pub trace: Vec<String>,
    /// Writes of Kubernetes and changes of EC2 by the operator, in their order.
    pub effects: Vec<String>,
    /// After so many effects the operator dies, its last answer lost.
    crash_after: Option<usize>,
    /// The operator that is connected; an older one gets no answers.
    connected: u64,
    die: u64,
    began: Instant,
}

impl World {
    pub fn new(seed: u64, crash_after: Option<usize>) -> Self {
        let state = State {
            api: Store::default(),
            vpc: Vpc::new(Delays::default()),
            trace: Vec::new(),
            effects: Vec::new(),
            crash_after,
            connected: 0,
            die: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            began: Instant::now(),
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            changed: Notify::new(),
            cut: Notify::new(),
        }))
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// To be called after a change that watches shall show.
    pub fn changed(&self) {
        self.0.changed.notify_waiters();
    }

    /// Runs the operator until it is cut off, and then another one, for ever.
    pub async fn operate(self) {
        loop {
            let number = {
                let mut state = self.lock();
                state.connected += 1;
                state.connected
            };
            let line = Line {
                world: self.clone(),
                number,
            };
            let service = tower::service_fn({
                let line = line.clone();
                move |request| serve(line.clone(), request)
            });
            let client = kube::Client::new(service, "default");
            let run = operator::run(
                client,
                cloud::client(line),
                operator::Options::default(),
                CancellationToken::new(),
            );
            tokio::select! {
                biased;
                () = self.0.cut.notified() => {}
                ended = run => panic!("the operator ended: {ended:?}"),
            }
            // A container is started again, but not at once.
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Waits until `holds` of the world, in virtual time.
    pub async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let wait = async {
            while !holds(&self.lock()) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        if timeout(Duration::from_mins(15), wait).await.is_err() {
            let state = self.lock();
            let claims: Vec<&Value> = state.all("eniclaims").collect();
            let tail = state
                .trace
                .iter()
                .rev()
                .take(40)
                .rev()
                .cloned()
                .collect::<Vec<_>>()
                .join("\n");
            panic!(
                "{what} did not come; claims {claims:#?}\n{tail}\nleft in EC2: {:#?}",
                state.vpc.leaks().collect::<Vec<_>>()
            );
        }
    }
}

impl State {
    pub fn now(&self) -> u64 {
        u64::try_from(EPOCH).unwrap() + u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    pub fn stamp(&self) -> String {
        let second = i64::try_from(self.now() / 1000).unwrap();
        Timestamp::from_second(second).unwrap().to_string()
    }

    /// All objects of a kind.
    pub fn all<'a>(&'a self, plural: &'a str) -> impl Iterator<Item = &'a Value> {
        self.api
            .objects
            .iter()
            .filter(move |(id, _)| id.0 == plural)
            .map(|(_, object)| object)
    }

    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.trace.hash(&mut hasher);
        hasher.finish()
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.die ^= self.die << 13;
        self.die ^= self.die >> 7;
        self.die ^= self.die << 17;
        self.die % sides
    }

    fn note(&mut self, line: &str) {
        let at = self.began.elapsed().as_millis();
        self.trace.push(format!("{at:>7} {line}"));
    }
}

/// What one operator is connected by. Cut, it swallows everything.
#[derive(Clone)]
struct Line {
    world: World,
    number: u64,
}

impl Line {
    /// A call takes its time, drawn in the order of arrival; on a cut line it never comes back.
    async fn travel(&self, what: &str, longest: u64) {
        let latency = {
            let mut state = self.world.lock();
            if state.connected == self.number {
                state.note(what);
            }
            state.roll(longest) + 1
        };
        sleep(Duration::from_millis(latency)).await;
        self.hold().await;
    }

    async fn hold(&self) {
        let cut = self.world.lock().connected != self.number;
        if cut {
            std::future::pending::<()>().await;
        }
    }

    /// An effect has happened: whether the operator still learns of it.
    async fn happened(&self, what: String) {
        let dies = {
            let mut state = self.world.lock();
            state.effects.push(what);
            let dies = state.crash_after == Some(state.effects.len());
            if dies {
                state.connected += 1;
                state.note("crash");
            }
            dies
        };
        if dies {
            self.world.0.cut.notify_one();
        }
        self.hold().await;
    }
}

impl Endpoint for Line {
    async fn answer(&self, form: String) -> Answer {
        let action = form
            .split('&')
            .find_map(|p| p.strip_prefix("Action="))
            .unwrap_or_default()
            .to_owned();
        self.travel(&format!("ec2 {action}"), 120).await;
        let answer = {
            let mut state = self.world.lock();
            let now = state.now();
            let answer = vpc_sim::protocol::answer(&mut state.vpc, &form, now);
            assert_eq!(state.vpc.violations(), []);
            if answer.status != 200 {
                let line = format!("ec2 {action} -> {:?}", answer.error);
                state.note(&line);
            }
            answer
        };
        if !action.starts_with("Describe") {
            self.happened(action).await;
        }
        answer
    }
}

type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

async fn serve(line: Line, request: Request<Body>) -> io::Result<Reply> {
    let (parts, body) = request.into_parts();
    let body = body.collect_bytes().await.map_err(io::Error::other)?;
    let apply = parts
        .headers
        .get("content-type")
        .is_some_and(|t| t.as_bytes().starts_with(b"application/apply-patch"));
    let call = Call::parse(
        parts.method,
        parts.uri.path(),
        parts.uri.query().unwrap_or_default(),
        apply,
        &body,
    );
    let watch = if call.is_watch() { " watch" } else { "" };
    let what = format!("{} {}{watch}", call.method, parts.uri.path());
    line.travel(&what, 20).await;
    if call.is_watch() {
        return Ok(follow(line, call));
    }
    let answer = {
        let mut state = line.world.lock();
        let stamp = state.stamp();
        state.api.call(&call, &stamp)
    };
    line.world.changed();
    let effect = call.is_write() && call.id.0 != "events";
    if effect && answer.is_ok() {
        line.happened(what).await;
    }
    let (status, body) = match answer {
        Ok(object) => (200, object),
        Err((code, reason)) => (
            code.as_u16(),
            json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code.as_u16() }),
        ),
    };
    let body = Full::new(Bytes::from(serde_json::to_vec(&body)?))
        .map_err(|never| match never {})
        .boxed_unsync();
    Ok(Response::builder().status(status).body(body).unwrap())
}

/// A watch: everything since the version it was asked for, then everything that comes.
fn follow(line: Line, call: Call) -> Reply {
    let since = call
        .query
        .get("resourceVersion")
        .and_then(|v| v.parse().ok())
        .unwrap_or(0_u64);
    let frames = stream::unfold((line, call, since), |(line, call, since)| async move {
        loop {
            let shared = line.world.0.clone();
            let change = shared.changed.notified();
            line.hold().await;
            let changes = line
                .world
                .lock()
                .api
                .changes(&call.id.0, &call.query, since);
            let Some((last, _)) = changes.last() else {
                change.await;
                continue;
            };
            let last = *last;
            let lines: Vec<String> = changes
                .iter()
                .map(|(_, change)| change.to_string())
                .collect();
            let lines = lines.join("\n") + "\n";
            return Some((Ok(Frame::data(Bytes::from(lines))), (line, call, last)));
        }
    });
    Response::new(StreamBody::new(frames).boxed_unsync())
}

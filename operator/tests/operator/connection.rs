//! What one operator is connected by: latency, faults, judgement, and the end of the connection when it crashes.

use std::io;

use bytes::Bytes;
use futures::stream;
use http::{Request as HttpRequest, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use kube_api::{Answer as ApiAnswer, Method, Request, Watch};
use serde_json::Value;
use tokio::time::{Duration, sleep};
use vpc_sim::protocol::{Answer, Form};

use super::{
    cloud::Endpoint,
    faults::{ApiFault, Ec2Fault},
    world::World,
};

/// A connection to API server and EC2. Cut, it swallows everything.
#[derive(Clone)]
pub struct Line {
    world: World,
    number: u64,
}

pub type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

impl Line {
    pub fn connect(world: &World) -> Self {
        let mut state = world.lock();
        state.connected += 1;
        let number = state.connected;
        drop(state);
        Self {
            world: world.clone(),
            number,
        }
    }

    /// A call takes its time, drawn in the order of arrival; on a cut line it never comes back.
    async fn travel(&self, what: &str, body: &str, longest: u64) {
        let latency = {
            let mut state = self.world.lock();
            if state.connected == self.number {
                state.note(what, body);
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
            // Renewals of the Lease go on for ever, and change nothing but the term.
            if what.ends_with(" leases") {
                return;
            }
            state.effects.push(what);
            let dies = state.crash_after == Some(state.effects.len()) || state.crashes();
            if dies {
                state.connected += 1;
                state.note("crash", "");
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
        let parsed = Form::parse(&form);
        let action = parsed.get("Action").unwrap_or_default().to_owned();
        let goes_on = parsed.get("NextToken").is_some();
        let asked = self.world.lock().now();
        self.travel(&format!("ec2 {action}"), &form, 120).await;
        let fault = self.world.lock().ec2_fault(&action);
        let lost = match fault {
            Some(Ec2Fault::Refused(status, code)) => {
                let id = vpc_sim::protocol::request_id(&form, asked);
                return Answer::refused(status, code, "the simulation says so", id);
            }
            Some(Ec2Fault::NeverArrives) => return std::future::pending().await,
            Some(Ec2Fault::ReplyLost) => true,
            None => false,
        };
        let is_read = action.starts_with("Describe");
        let answer = self.world.with(|state| {
            state.later_pages += u64::from(goes_on);
            let now = state.now();
            let before = (!is_read).then(|| state.vpc.clone());
            let answer = vpc_sim::protocol::answer(&mut state.vpc, &form, now);
            assert_eq!(state.vpc.violations(), []);
            if answer.status == 200
                && let Some(before) = before
            {
                state.judge_call(&before, &form, asked);
            }
            let line = format!("ec2 {action} -> {} {:?}", answer.status, answer.error);
            state.note(&line, &answer.body);
            answer
        });
        if !is_read {
            self.happened(action).await;
        }
        if lost {
            return std::future::pending().await;
        }
        answer
    }
}

/// A request of the operator to the API server, as that knows it.
pub fn request(parts: &http::request::Parts, body: &[u8]) -> Request {
    let header = |name: &str| {
        let value = parts.headers.get(name).and_then(|v| v.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    Request {
        method: match parts.method {
            http::Method::POST => Method::Post,
            http::Method::PUT => Method::Put,
            http::Method::PATCH => Method::Patch,
            http::Method::DELETE => Method::Delete,
            _ => Method::Get,
        },
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        content_type: header("content-type"),
        accept: header("accept"),
        user_agent: "eniclaim-operator/test".to_owned(),
        body: serde_json::from_slice(body).unwrap_or(Value::Null),
    }
}

/// Answers a request of the operator to the API server.
pub async fn serve(line: Line, request: HttpRequest<Body>) -> io::Result<Reply> {
    let (parts, body) = request.into_parts();
    let body = body.collect_bytes().await.map_err(io::Error::other)?;
    let call = self::request(&parts, &body);
    let watch = if call.is_watch() { " watch" } else { "" };
    let what = format!("{} {}{watch}", parts.method, call.path);
    let text = String::from_utf8_lossy(&body);
    line.travel(&what, &format!("{} {text}", call.query), 20)
        .await;
    if call.is_watch() {
        return Ok(follow(line, &call));
    }
    let fault = line.world.lock().api_fault(&call);
    match fault {
        Some(ApiFault::Refused(answer)) => {
            // Somebody else may have written first.
            line.world.with(|_| ());
            return Ok(reply(&answer));
        }
        Some(ApiFault::NeverArrives) => return std::future::pending().await,
        Some(ApiFault::ReplyLost) | None => {}
    }
    let answer = line.world.with(|state| {
        let before = state.api.version();
        let now = state.time();
        let answer = state.api.call(&call, now);
        let outcome = format!("  -> {} {}", answer.status, answer.reason());
        state.note(&outcome, &answer.body.to_string());
        (answer, state.api.version() != before)
    });
    let (answer, changed) = answer;
    if call.is_write() && changed {
        line.happened(name_of(&call)).await;
    }
    if matches!(fault, Some(ApiFault::ReplyLost)) {
        return std::future::pending().await;
    }
    Ok(reply(&answer))
}

/// A write without the names in it: `PATCH eniclaims/status`.
fn name_of(call: &Request) -> String {
    let (_, rest) = parts_of(&call.path);
    let subresource = rest.get(2).map(|s| format!("/{s}")).unwrap_or_default();
    let method = format!("{:?}", call.method).to_uppercase();
    format!("{method} {}{subresource}", rest[0])
}

/// What a path names: the namespace, if any; then resource, name and subresource, as far as they are there.
pub fn parts_of(path: &str) -> (&str, Vec<&str>) {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let rest = if parts[0] == "api" {
        &parts[2..]
    } else {
        &parts[3..]
    };
    match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (namespace, rest.to_vec()),
        rest => ("", rest.to_vec()),
    }
}

pub fn reply(answer: &ApiAnswer) -> Reply {
    let body = Full::new(Bytes::from(answer.body.to_string()))
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::builder().status(answer.status);
    if let Some(seconds) = answer.retry_after {
        response = response.header("retry-after", seconds);
    }
    response.body(body).unwrap()
}

/// A watch: everything since the version it was asked for, then everything that comes.
fn follow(line: Line, call: &Request) -> Reply {
    let watch = {
        let mut state = line.world.lock();
        let now = state.time();
        state.api.watch(call, now)
    };
    let watch = match watch {
        Ok(watch) => watch,
        Err(refusal) => return reply(&refusal.into()),
    };
    let frames = stream::unfold(Some((line, watch)), |open| async move {
        let (line, mut watch) = open?;
        let (events, ended) = next_events(&line, &mut watch).await;
        if events.is_empty() {
            return None;
        }
        let lines: String = events.iter().map(line_of).collect();
        line.world.lock().note("  watch", &lines);
        let frame = Ok(Frame::data(Bytes::from(lines)));
        Some((frame, (!ended).then_some((line, watch))))
    });
    Response::new(StreamBody::new(frames).boxed_unsync())
}

/// `type` comes first, as apimachinery's `WatchEvent` is written.
fn line_of(event: &Value) -> String {
    format!(
        "{{\"type\":{},\"object\":{}}}\n",
        event["type"], event["object"]
    )
}

async fn next_events(line: &Line, watch: &mut Watch) -> (Vec<Value>, bool) {
    loop {
        let shared = line.world.0.clone();
        let change = shared.changed.notified();
        line.hold().await;
        let (shown, wait) = {
            let mut state = line.world.lock();
            let now = state.time();
            let shown = state.api.poll(watch, now);
            let until = watch.wakes().as_millisecond() - now.as_millisecond();
            let wait = Duration::from_millis(u64::try_from(until).unwrap_or(0).max(1));
            let cut = state.watch_ends();
            (
                if cut {
                    kube_api::Shown {
                        ended: true,
                        ..shown
                    }
                } else {
                    shown
                },
                wait,
            )
        };
        if !shown.events.is_empty() || shown.ended {
            return (shown.events, shown.ended);
        }
        tokio::select! {
            () = change => {}
            () = sleep(wait) => {}
        }
    }
}

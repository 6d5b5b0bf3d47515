//! The same random scripts for this server and a real one, and what both must answer alike.
//!
//! A script is made from a seed before anything runs; what it needs from earlier answers (versions, UIDs, continue
//! tokens) is filled in as it goes, for each server from its own answers.

mod claims;
mod compare;
mod die;
mod difference;
mod lists;
mod neighbours;
mod script;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    Answer, Api, Method, Request,
    json::{at, put, text},
    request::parameters,
};

pub use compare::Outcome;
pub use difference::differences;
pub use script::{Script, preparation, script};

/// A server that can be asked.
pub trait Server {
    /// Why it could not be asked.
    type Error;
    /// One request that is not a watch.
    fn call(&mut self, request: &Request) -> Result<Answer, Self::Error>;
    /// All events of watches that end after a second or two, side by side.
    fn watch(&mut self, requests: &[Request]) -> Result<Vec<Vec<Value>>, Self::Error>;
}

/// A request before it is filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The request, without what earlier answers have to give.
    pub request: Request,
    /// Which version goes into the body.
    pub version: Reference,
    /// Which UID goes into the body.
    pub uid: Reference,
    /// What goes on is the list that was begun last.
    pub continues: bool,
}

/// What of an object's earlier answers goes into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// Nothing.
    None,
    /// The last one.
    Current,
    /// One that is not the object's any more.
    Stale,
}

/// What one server said to a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// The answers, in order.
    pub outcomes: Vec<Outcome>,
    /// What each watch showed of it all.
    pub watches: Vec<Watched>,
}

/// What a watch showed.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// What was asked.
    pub asked: String,
    /// Its events.
    pub events: Vec<Value>,
}

/// What the server said of each object last.
#[derive(Debug, Default)]
struct Memory {
    versions: BTreeMap<String, Vec<String>>,
    uids: BTreeMap<String, Vec<String>>,
    token: String,
}

/// Runs a script.
pub fn run<S: Server>(script: &Script, server: &mut S) -> Result<Transcript, S::Error> {
    let mut memory = Memory::default();
    let mut watches = Vec::new();
    for watch in &script.watches {
        let list = Request::new(Method::Get, &watch.path, Value::Null);
        let version = text(&server.call(&list)?.body, "metadata.resourceVersion").to_owned();
        watches.push(watch.clone().with_query(&format!(
            "{}&watch=true&resourceVersion={version}&timeoutSeconds=2",
            watch.query
        )));
    }
    let mut outcomes = Vec::new();
    let mut take = |steps: &[Step], server: &mut S| {
        for step in steps {
            let request = memory.fill(step);
            let answer = server.call(&request)?;
            memory.learn(&request, &answer);
            outcomes.push(compare::outcome(&request, &answer));
        }
        Ok(())
    };
    take(&script.steps, server)?;
    let looks = script.looks.iter().map(|look| {
        let query = format!("{}&watch=true&timeoutSeconds=1", look.query);
        look.clone().with_query(&query)
    });
    let looks: Vec<Request> = looks.collect();
    let mut shown = watched(&looks, server)?;
    take(&script.end, server)?;
    shown.extend(watched(&watches, server)?);
    Ok(Transcript {
        outcomes,
        watches: shown,
    })
}

fn watched<S: Server>(requests: &[Request], server: &mut S) -> Result<Vec<Watched>, S::Error> {
    let shown = server.watch(requests)?;
    let shown = shown.iter().zip(requests);
    let watched = shown.map(|(events, request)| Watched {
        asked: format!("{}?{}", request.path, request.query),
        events: events.iter().filter_map(compare::event).collect(),
    });
    Ok(watched.collect())
}

impl Memory {
    fn fill(&self, step: &Step) -> Request {
        let mut request = step.request.clone();
        let of = |known: &BTreeMap<String, Vec<String>>, which, none: &str| {
            let known = known.get(object(&request)).map_or(&[][..], Vec::as_slice);
            match which {
                Reference::None => None,
                Reference::Current => known.last().cloned(),
                Reference::Stale => Some(
                    known
                        .iter()
                        .rev()
                        .find(|v| Some(*v) != known.last())
                        .cloned()
                        .unwrap_or_else(|| none.to_owned()),
                ),
            }
        };
        let version = of(&self.versions, step.version, "1");
        let uid = of(&self.uids, step.uid, "00000000-0000-4000-8000-00000000dead");
        let at = if request.method == Method::Delete {
            "preconditions"
        } else {
            "metadata"
        };
        for (field, value) in [("resourceVersion", version), ("uid", uid)] {
            if let Some(value) = value {
                put(&mut request.body, &format!("{at}.{field}"), value);
            }
        }
        if step.continues {
            let token = self.token.replace('=', "%3D");
            request.query = format!("{}&continue={token}", request.query);
        }
        request
    }

    fn learn(&mut self, request: &Request, answer: &Answer) {
        if !answer.is_success() {
            return;
        }
        let mut path = object(request).to_owned();
        if request.method == Method::Post {
            path = format!("{path}/{}", text(&answer.body, "metadata.name"));
        }
        if at(&answer.body, "items").is_array() {
            text(&answer.body, "metadata.continue").clone_into(&mut self.token);
            return;
        }
        for (known, field) in [
            (&mut self.versions, "metadata.resourceVersion"),
            (&mut self.uids, "metadata.uid"),
        ] {
            let value = text(&answer.body, field);
            let known = known.entry(path.clone()).or_default();
            if !value.is_empty() && known.last().is_none_or(|last| last != value) {
                known.push(value.to_owned());
            }
        }
    }
}

/// The path of the object, whichever of its endpoints is asked.
fn object(request: &Request) -> &str {
    request
        .path
        .strip_suffix("/status")
        .unwrap_or(&request.path)
}

/// This crate's server, with a clock that moves a little with each request.
#[derive(Debug)]
pub struct InProcess {
    /// The server.
    pub api: Api,
    now: Timestamp,
}

impl InProcess {
    /// A server that is prepared for scripts.
    pub fn new(api: Api) -> Self {
        let now = Timestamp::UNIX_EPOCH;
        let mut server = Self { api, now };
        for request in preparation() {
            // Without ServiceAccounts among its kinds it needs none.
            server.api.call(&request, now);
        }
        // As with a real server, nothing can be watched from before its kinds were there.
        server.api.compact();
        server
    }
}

impl Server for InProcess {
    type Error = std::convert::Infallible;

    fn call(&mut self, request: &Request) -> Result<Answer, Self::Error> {
        self.now = self
            .now
            .saturating_add(SignedDuration::from_secs(1))
            .unwrap_or(self.now);
        Ok(self.api.call(request, self.now))
    }

    fn watch(&mut self, requests: &[Request]) -> Result<Vec<Vec<Value>>, Self::Error> {
        Ok(requests.iter().map(|request| self.show(request)).collect())
    }
}

impl InProcess {
    fn show(&mut self, request: &Request) -> Vec<Value> {
        let lasts = parameters(&request.query)
            .get("timeoutSeconds")
            .and_then(|v| v.parse().ok())
            .unwrap_or(1);
        let mut watch = match self.api.watch(request, self.now) {
            Ok(watch) => watch,
            Err(refusal) => return vec![refusal.status()],
        };
        let ends = self.now.saturating_add(SignedDuration::from_secs(lasts));
        self.api.poll(&mut watch, ends.unwrap_or(self.now)).events
    }
}

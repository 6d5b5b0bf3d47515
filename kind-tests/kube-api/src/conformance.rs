//! The same random scripts for this server and a real one, and what both must answer alike.
//!
//! A script is made from a seed before anything runs; what it needs from earlier answers (versions, UIDs, continue
//! tokens) is filled in as it goes, for each server from its own answers.

mod claims;
mod compare;
mod die;
mod difference;
mod in_process;
mod lists;
mod neighbours;
mod script;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    Answer, Method, Request,
    json::{put, text},
};

pub use compare::Outcome;
pub use difference::differences;
pub use in_process::InProcess;
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
    /// Of the last page, with the path that it is of.
    token: (String, String),
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
            let (path, token) = &self.token;
            let token = if *path == request.path { token } else { "" };
            let token = token.replace('=', "%3D");
            request.query = format!("{}&continue={token}", request.query);
        }
        request
    }

    fn learn(&mut self, request: &Request, answer: &Answer) {
        // What a dry run answers is nobody's.
        if !answer.is_success() || request.query.contains("dryRun") {
            return;
        }
        let mut path = object(request).to_owned();
        if request.method == Method::Post {
            path = format!("{path}/{}", text(&answer.body, "metadata.name"));
        }
        if text(&answer.body, "kind").ends_with("List") {
            let token = text(&answer.body, "metadata.continue").to_owned();
            self.token = (request.path.clone(), token);
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

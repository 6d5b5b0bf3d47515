//! A small API server: list, watch, create, apply, patch, delete, with versions, finalizers and selectors.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::apply::{self, Managers};

/// Plural, namespace and name; the namespace is empty for what has none.
pub type Id = (String, String, String);

/// All objects, who owns which part of them, and everything that happened to them.
#[derive(Debug, Default)]
pub struct Store {
    pub objects: BTreeMap<Id, Value>,
    managers: BTreeMap<Id, Managers>,
    version: u64,
    made: u64,
    /// What watches show: version, plural, kind of change, the object.
    pub log: Vec<(u64, String, &'static str, Value)>,
}

/// A request, taken apart.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    pub id: Id,
    pub status: bool,
    pub query: BTreeMap<String, String>,
    pub apply: bool,
    pub body: Value,
}

pub type Answer = Result<Value, (StatusCode, &'static str)>;

impl Call {
    /// `/apis/<group>/<version>[/namespaces/<namespace>]/<plural>[/<name>[/status]]`.
    pub fn parse(method: Method, path: &str, query: &str, apply: bool, body: &[u8]) -> Self {
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        parts.drain(..if parts[0] == "api" { 2 } else { 3 });
        let namespaced = parts[0] == "namespaces" && parts.len() > 2 && parts[2] != "status";
        let namespace = if namespaced {
            parts.drain(..2).nth(1).unwrap()
        } else {
            ""
        };
        Self {
            method,
            id: (
                parts[0].to_owned(),
                namespace.to_owned(),
                parts.get(1).copied().unwrap_or_default().to_owned(),
            ),
            status: parts.get(2) == Some(&"status"),
            query: form(query),
            apply,
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
        }
    }

    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    pub fn is_watch(&self) -> bool {
        self.query
            .get("watch")
            .is_some_and(|v| v == "true" || v == "1")
    }
}

impl Store {
    pub fn call(&mut self, call: &Call, now: &str) -> Answer {
        let Call { method, id, .. } = call;
        match *method {
            Method::GET if id.2.is_empty() => Ok(self.list(call)),
            Method::GET => self.objects.get(id).cloned().ok_or(NOT_FOUND),
            Method::POST => self.create(id, call.body.clone(), now),
            Method::PATCH => self.patch(call),
            Method::DELETE => self.delete(id, &call.body, now),
            _ => Err((StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed")),
        }
    }

    fn list(&self, call: &Call) -> Value {
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(id, o)| id.0 == call.id.0 && selected(o, &call.query))
            .map(|(_, o)| o)
            .collect();
        json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": self.version.to_string() }, "items": items })
    }

    /// What a watch that has seen everything up to `version` shows next: each change that concerns its selector.
    pub fn changes(
        &self,
        plural: &str,
        query: &BTreeMap<String, String>,
        version: u64,
    ) -> Vec<(u64, Value)> {
        let since = self
            .log
            .iter()
            .filter(|(at, of, ..)| *at > version && of == plural);
        since
            .filter(|(.., object)| selected(object, query))
            .map(|(at, _, kind, o)| (*at, json!({ "type": kind, "object": o })))
            .collect()
    }

    pub fn create(&mut self, id: &Id, mut object: Value, now: &str) -> Answer {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let id = (id.0.clone(), id.1.clone(), name);
        if self.objects.contains_key(&id) {
            return Err((StatusCode::CONFLICT, "AlreadyExists"));
        }
        self.made += 1;
        let metadata = &mut object["metadata"];
        metadata["uid"] = json!(format!("00000000-0000-4000-8000-{:012x}", self.made));
        metadata["creationTimestamp"] = json!(now);
        if !id.1.is_empty() {
            metadata["namespace"] = json!(id.1);
        }
        Ok(self.store(id, object, "ADDED"))
    }

    fn patch(&mut self, call: &Call) -> Answer {
        let mut object = self.objects.get(&call.id).cloned().ok_or(NOT_FOUND)?;
        let asked = &call.body["metadata"];
        for precondition in ["resourceVersion", "uid"] {
            if !asked[precondition].is_null()
                && asked[precondition] != object["metadata"][precondition]
            {
                return Err((StatusCode::CONFLICT, "Conflict"));
            }
        }
        if call.apply {
            assert!(call.status, "only status is applied");
            let manager = &call.query["fieldManager"];
            let managers = self.managers.entry(call.id.clone()).or_default();
            apply::apply(
                &mut object["status"],
                managers,
                manager,
                &call.body["status"],
            );
        } else {
            let mut patch = call.body.clone();
            // Status and the rest are written through different doors.
            patch
                .as_object_mut()
                .unwrap()
                .retain(|field, _| (field == "status") == call.status || field == "metadata");
            let kept = [
                "uid",
                "resourceVersion",
                "creationTimestamp",
                "deletionTimestamp",
            ]
            .map(|f| (f, object["metadata"][f].clone()));
            merge(&mut object, &patch);
            kept.into_iter()
                .filter(|(_, value)| !value.is_null())
                .for_each(|(field, value)| object["metadata"][field] = value);
        }
        if self.objects.get(&call.id) == Some(&object) {
            return Ok(object);
        }
        Ok(self.replace(call.id.clone(), object))
    }

    pub fn delete(&mut self, id: &Id, body: &Value, now: &str) -> Answer {
        let mut object = self.objects.get(id).cloned().ok_or(NOT_FOUND)?;
        let uid = &body["preconditions"]["uid"];
        if !uid.is_null() && *uid != object["metadata"]["uid"] {
            return Err((StatusCode::CONFLICT, "Conflict"));
        }
        if object["metadata"]["deletionTimestamp"].is_null() {
            object["metadata"]["deletionTimestamp"] = json!(now);
        }
        Ok(self.replace(id.clone(), object))
    }

    /// Stores a changed object, or removes it where nothing holds it any more.
    pub fn replace(&mut self, id: Id, object: Value) -> Value {
        let metadata = &object["metadata"];
        let held = metadata["finalizers"]
            .as_array()
            .is_some_and(|f| !f.is_empty());
        if metadata["deletionTimestamp"].is_null() || held {
            return self.store(id, object, "MODIFIED");
        }
        self.objects.remove(&id);
        self.managers.remove(&id);
        self.remember(&id.0, "DELETED", object)
    }

    fn store(&mut self, id: Id, object: Value, change: &'static str) -> Value {
        let object = self.remember(&id.0, change, object);
        self.objects.insert(id, object.clone());
        object
    }

    fn remember(&mut self, plural: &str, change: &'static str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.log
            .push((self.version, plural.to_owned(), change, object.clone()));
        object
    }
}

const NOT_FOUND: (StatusCode, &str) = (StatusCode::NOT_FOUND, "NotFound");

/// `key` or `key=value`, as far as it is used.
fn selected(object: &Value, query: &BTreeMap<String, String>) -> bool {
    let label = query
        .get("labelSelector")
        .is_none_or(|key| !object["metadata"]["labels"][key].is_null());
    let field = query.get("fieldSelector").is_none_or(|selector| {
        let (path, value) = selector.split_once('=').unwrap();
        path.split('.').fold(object, |at, step| &at[step]) == value
    });
    label && field
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

fn form(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (key.to_owned(), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => u8::from_str_radix(
                &format!(
                    "{}{}",
                    char::from(rest.next().unwrap()),
                    char::from(rest.next().unwrap())
                ),
                16,
            )
            .unwrap(),
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

//! Where each request goes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    Answer, Api, How, Refusal, Request,
    answer::shaped,
    json::text,
    managers::{Writer, from_user_agent},
    metadata,
    request::{Method, Target, parameters},
    store::Id,
};

/// A write, as all that write see it.
pub(crate) struct Write<'a> {
    pub(crate) target: Target<'a>,
    pub(crate) query: &'a BTreeMap<String, String>,
    pub(crate) body: &'a Value,
    pub(crate) writer: Writer,
    pub(crate) now: Timestamp,
}

impl Write<'_> {
    pub(crate) fn id(&self) -> Id {
        let Target {
            kind,
            namespace,
            name,
            ..
        } = self.target;
        Id::new(&kind.resource(), namespace, name)
    }

    /// What stands for an object that does not exist yet: of a built-in kind with its parts, which no writer then adds.
    pub(crate) fn nothing(&self) -> Value {
        if self.target.kind.is_custom() {
            Value::Null
        } else {
            json!({
                "spec": {}, "status": {}, "source": {}, "involvedObject": {}, "eventTime": null,
                "reportingComponent": "", "reportingInstance": "",
            })
        }
    }

    pub(crate) fn is_dry(&self) -> bool {
        self.query.get("dryRun").is_some_and(|v| v == "All")
    }

    /// The version of the body, or the only one there is.
    pub(crate) fn check_body(&self) -> Result<(), Refusal> {
        let kind = self.target.kind;
        if let Some(why) = metadata::undecodable(self.body).filter(|_| !self.writer.applies) {
            return Err(Refusal::bad_request(why));
        }
        let (version, name) = (text(self.body, "apiVersion"), text(self.body, "kind"));
        if (version.is_empty() || version == kind.api_version())
            && (name.is_empty() || name == kind.kind)
        {
            return Ok(());
        }
        Err(Refusal::bad_request(format!(
            "{name} in version {version:?} cannot be handled as a {}: the object does not match the path",
            kind.kind
        )))
    }
}

impl Api {
    /// Answers a request that is not a watch.
    pub fn call(&mut self, request: &Request, now: Timestamp) -> Answer {
        self.answer(request, now).unwrap_or_else(Answer::from)
    }

    fn answer(&mut self, request: &Request, now: Timestamp) -> Result<Answer, Refusal> {
        let kinds = self.kinds.clone();
        let target = Target::parse(&kinds, &request.path)?;
        let query = parameters(&request.query);
        let failure = self.failures.strike(request.method, target);
        if let Some(refusal) = failure.as_ref().and_then(|f| f.how.refusal(target)) {
            return Err(refusal);
        }
        let is_apply = request.content_type.starts_with("application/apply-patch");
        let named = query.get("fieldManager").filter(|name| !name.is_empty());
        let write = Write {
            target,
            query: &query,
            body: &request.body,
            writer: Writer {
                name: named
                    .cloned()
                    .unwrap_or_else(|| from_user_agent(&request.user_agent)),
                applies: is_apply,
                status: target.status,
                api_version: target.kind.api_version(),
                custom: target.kind.is_custom(),
            },
            now,
        };
        let done = match (request.method, target.name) {
            (Method::Get, "") => Answer::ok(200, self.list(target, &query)?),
            (Method::Get, _) => Answer::ok(200, self.read(target)?),
            (Method::Post, "") => Answer::ok(201, self.create(&write)?),
            (Method::Put, name) if !name.is_empty() => self.replace(&write)?,
            (Method::Patch, name) if !name.is_empty() => {
                self.patch(&write, &request.content_type)?
            }
            (Method::Delete, "") => Answer::ok(200, self.delete_all(&write)?),
            (Method::Delete, _) if !target.status => Answer::ok(200, self.delete(&write)?),
            _ => return Err(Refusal::method_not_allowed()),
        };
        if failure.is_some_and(|failure| failure.how == How::TimeoutAfterCommit) {
            return Err(Refusal::timeout(
                "Timeout: request did not complete within requested timeout - context deadline exceeded",
            ));
        }
        Ok(Answer {
            body: shaped(done.body, &request.accept),
            ..done
        })
    }

    fn read(&self, target: Target) -> Result<Value, Refusal> {
        let Target {
            kind,
            namespace,
            name,
            ..
        } = target;
        let id = Id::new(&kind.resource(), namespace, name);
        let held = self.get(&id).cloned();
        held.ok_or_else(|| Refusal::not_found(kind, name))
    }
}

//! A request, taken apart.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{Kind, Kinds, Refusal};

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Read, list or watch.
    Get,
    /// Create.
    Post,
    /// Replace.
    Put,
    /// Patch.
    Patch,
    /// Delete.
    Delete,
}

/// A request as it comes over the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// Its query, still encoded.
    pub query: String,
    /// Header Content-Type.
    pub content_type: String,
    /// Header Accept.
    pub accept: String,
    /// Header User-Agent; names the field manager that does not name itself.
    pub user_agent: String,
    /// Its body; null if there is none.
    pub body: Value,
}

impl Request {
    /// A request with a JSON body and no query.
    pub fn new(method: Method, path: &str, body: Value) -> Self {
        Self {
            method,
            path: path.to_owned(),
            query: String::new(),
            content_type: "application/json".to_owned(),
            accept: "application/json".to_owned(),
            user_agent: "test/1".to_owned(),
            body,
        }
    }

    /// The same request with a query.
    #[must_use]
    pub fn with_query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    /// The same request with another type of body.
    #[must_use]
    pub fn with_content_type(mut self, content_type: &str) -> Self {
        content_type.clone_into(&mut self.content_type);
        self
    }

    /// Whether it asks for a watch.
    pub fn is_watch(&self) -> bool {
        let query = parameters(&self.query);
        self.method == Method::Get && query.get("watch").is_some_and(|v| v == "true" || v == "1")
    }

    /// Whether it may change something.
    pub fn is_write(&self) -> bool {
        self.method != Method::Get
    }
}

/// What a path leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) kind: &'a Kind,
    /// Empty for all namespaces and for what lies in none.
    pub(crate) namespace: &'a str,
    /// Empty for all objects.
    pub(crate) name: &'a str,
    pub(crate) status: bool,
}

impl<'a> Target<'a> {
    /// `/apis/<group>/<version>[/namespaces/<namespace>]/<plural>[/<name>[/status]]`, or `/api/v1/…`.
    pub(crate) fn parse(kinds: &'a Kinds, path: &'a str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Refusal::no_such_path()),
        };
        let (namespace, rest) = match rest {
            ["namespaces", _] | ["namespaces", _, "status"] => ("", rest),
            ["namespaces", namespace, rest @ ..] => (*namespace, rest),
            _ => ("", rest),
        };
        let (plural, name, status) = match rest {
            [plural] => (*plural, "", false),
            [plural, name] => (*plural, *name, false),
            [plural, name, "status"] => (*plural, *name, true),
            _ => return Err(Refusal::no_such_path()),
        };
        let kind = kinds
            .find(group, version, plural)
            .filter(|kind| !status || kind.has_status)
            .ok_or_else(Refusal::no_such_path)?;
        Ok(Self {
            kind,
            namespace,
            name,
            status,
        })
    }
}

/// The parameters of a query, decoded.
pub(crate) fn parameters(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let decoded = match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || {
                    let byte = rest.next().unwrap_or_default();
                    u8::try_from(char::from(byte).to_digit(16).unwrap_or_default())
                        .unwrap_or_default()
                };
                digit() * 16 + digit()
            }
            other => other,
        };
        bytes.push(decoded);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

//! This crate's server, as scripts ask it.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Server, preparation};
use crate::{Answer, Api, Request, request::parameters};

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

//! What eniclaim wrote through the API server, from the API server's audit log.

// An index into a `serde_json::Value` does not panic: it answers null where there is nothing.
#![allow(clippy::indexing_slicing)]

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::Value;

use super::{SOON, SYSTEM, World};

/// A write that the API server answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Write {
    /// Who wrote: eniclaim-operator or eniclaim-agent.
    pub who: String,
    /// The verb, such as patch.
    pub verb: String,
    /// The resource and its subresource, such as eniclaims/status.
    pub resource: String,
    /// The status, such as 200.
    pub code: u64,
}

impl World {
    /// All writes of operator and agents so far, the oldest first; renewals of leases are not among them.
    pub fn writes(&self) -> anyhow::Result<Vec<Write>> {
        let log = fs::read_to_string(self.cluster.audit_log()).context("read the audit log")?;
        // The last line may be half written.
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        Ok(lines.filter_map(|line: Value| ours(&line)).collect())
    }

    /// Waits until operator and agents have written nothing for as long as `span`; gives how many writes there are.
    pub fn await_no_writes(&self, span: Duration) -> anyhow::Result<usize> {
        let log = self.cluster.audit_log();
        let size = || fs::metadata(&log).map(|log| log.len());
        let (mut count, mut read, mut since) = (self.writes()?.len(), 0, Instant::now());
        self.wait("operator and agents to write nothing", span + SOON, || {
            let size = size()?;
            if size != read {
                let now = self.writes()?.len();
                if now != count {
                    (count, since) = (now, Instant::now());
                }
                read = size;
            }
            Ok(since.elapsed() >= span)
        })?;
        Ok(count)
    }
}

fn ours(line: &Value) -> Option<Write> {
    let user = line["user"]["username"].as_str()?;
    let who = user.strip_prefix(&format!("system:serviceaccount:{SYSTEM}:"))?;
    let object = &line["objectRef"];
    let resource = object["resource"].as_str()?;
    let resource = match object["subresource"].as_str() {
        Some(subresource) => format!("{resource}/{subresource}"),
        None => resource.to_owned(),
    };
    Some(Write {
        who: who.to_owned(),
        verb: line["verb"].as_str()?.to_owned(),
        resource,
        code: line["responseStatus"]["code"].as_u64().unwrap_or_default(),
    })
}

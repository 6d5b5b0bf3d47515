//! What the pods of a namespace that are not Ready wait for, in a line each.

// An index into a `serde_json::Value` does not panic: it answers null where there is nothing.
#![allow(clippy::indexing_slicing)]

use serde_json::Value;

use super::{Space, condition, is_ready};

/// How many of a pod's Events are shown, the latest ones.
const EVENTS: usize = 3;

impl Space<'_> {
    /// A line for each pod that is not Ready: what the pod, its claims and its latest Events say.
    pub fn not_ready(&self) -> anyhow::Result<Vec<String>> {
        let pods = self.list("pods")?;
        let waiting = pods.iter().filter(|pod| !is_ready(pod));
        waiting.map(|pod| self.waits_for(pod)).collect()
    }

    fn waits_for(&self, pod: &Value) -> anyhow::Result<String> {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let (status, node) = (&pod["status"], &pod["spec"]["nodeName"]);
        let claims = self.claims_of(name)?;
        let claims: Vec<String> = claims.iter().map(says).collect();
        let mut events = self.events_of("Pod", name)?;
        events.sort_by_key(|event| event["lastTimestamp"].as_str().map(str::to_owned));
        let latest = events.iter().rev().take(EVENTS).map(|event| {
            let (count, at) = (&event["count"], &event["lastTimestamp"]);
            format!("{count} x {} {at}: {}", event["reason"], event["message"])
        });
        let latest: Vec<String> = latest.collect();
        Ok(format!(
            "{name} on {node} is {} since {}, deleted {}; containers {}; claims {claims:?}; Events {latest:?}",
            status["phase"],
            pod["metadata"]["creationTimestamp"],
            pod["metadata"]["deletionTimestamp"],
            containers(status),
        ))
    }
}

/// What kubelet says of each container.
fn containers(status: &Value) -> String {
    let all = status["containerStatuses"].as_array();
    let each = all.into_iter().flatten().map(|container| {
        let (state, count) = (&container["state"], &container["restartCount"]);
        format!("{}: {state}, restarts {count}", container["name"])
    });
    each.collect::<Vec<_>>().join(", ")
}

fn says(claim: &Value) -> String {
    let ready = condition(claim, "Ready");
    let (name, phase) = (&claim["metadata"]["name"], &claim["status"]["phase"]);
    format!("{name} {phase}: {} {}", ready["reason"], ready["message"])
}

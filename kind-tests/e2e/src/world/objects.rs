//! What one sees of pods, claims and Events of a namespace from outside.

// An index into a `serde_json::Value` does not panic: it answers null where there is nothing.
#![allow(clippy::indexing_slicing)]

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{SOON, Space, World};

/// A path as text.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Whether an object's condition Ready is True.
pub fn is_ready(object: &Value) -> bool {
    condition(object, "Ready")["status"] == "True"
}

/// A condition of an object, or null where there is none.
pub fn condition(object: &Value, of: &str) -> Value {
    let all = object["status"]["conditions"].as_array();
    all.into_iter()
        .flatten()
        .find(|condition| condition["type"] == of)
        .cloned()
        .unwrap_or_default()
}

impl World {
    /// One object without a namespace as the API server has it, or null where there is none.
    pub fn get(&self, kind: &str, name: &str) -> anyhow::Result<Value> {
        self.api.get(None, kind, name)
    }

    /// All claims in all namespaces.
    pub fn all_claims(&self) -> anyhow::Result<Vec<Value>> {
        self.api.list(None, "eniclaims", "")
    }
}

impl Space<'_> {
    /// One object as the API server has it, or null where there is none.
    pub fn get(&self, kind: &str, name: &str) -> anyhow::Result<Value> {
        self.world.api.get(Some(self.name()), kind, name)
    }

    /// All objects of a kind.
    pub fn list(&self, kind: &str) -> anyhow::Result<Vec<Value>> {
        self.world.api.list(Some(self.name()), kind, "")
    }

    /// All claims.
    pub fn claims(&self) -> anyhow::Result<Vec<Value>> {
        self.list("eniclaims")
    }

    /// The claims of a pod: one for each of its interfaces.
    pub fn claims_of(&self, pod: &str) -> anyhow::Result<Vec<Value>> {
        let mut claims = self.claims()?;
        claims.retain(|claim| owner(claim) == pod);
        Ok(claims)
    }

    /// The claim of a pod, or null while there is none.
    pub fn claim_of(&self, pod: &str) -> anyhow::Result<Value> {
        Ok(self.claims_of(pod)?.into_iter().next().unwrap_or_default())
    }

    /// The claim of an interface that a pod asks for by name, or null while there is none.
    pub fn claim_of_interface(&self, pod: &str, name: &str) -> anyhow::Result<Value> {
        let claims = self.claims_of(pod)?.into_iter();
        let mut found = claims.filter(|claim| claim["spec"]["interface"]["name"] == name);
        Ok(found.next().unwrap_or_default())
    }

    /// The id of a pod's ENI.
    pub fn eni_of(&self, pod: &str) -> anyhow::Result<String> {
        let claim = self.claim_of(pod)?;
        let id = claim["status"]["eni"]["id"].as_str();
        Ok(id
            .with_context(|| format!("the claim of {pod} has no ENI"))?
            .to_owned())
    }

    /// The address of a pod's ENI, without the prefix length.
    pub fn eni_address(&self, pod: &str) -> anyhow::Result<String> {
        address(&self.claim_of(pod)?)
    }

    /// Waits until the pod is Ready, by kubelet's own probe, and its claims are.
    pub fn await_ready(&self, pod: &str) -> anyhow::Result<()> {
        self.world
            .wait(&format!("pod {pod} to be Ready"), 2 * SOON, || {
                Ok(is_ready(&self.get("pod", pod)?))
            })?;
        self.await_claims(pod)
    }

    /// Waits until the claims of a pod are Ready.
    pub fn await_claims(&self, pod: &str) -> anyhow::Result<()> {
        let what = format!("the claims of pod {pod} to be Ready");
        self.world.wait(&what, SOON, || {
            let claims = self.claims_of(pod)?;
            Ok(!claims.is_empty() && claims.iter().all(is_ready))
        })
    }

    /// The Events about an object, whoever wrote them.
    pub fn events_of(&self, kind: &str, name: &str) -> anyhow::Result<Vec<Value>> {
        let about =
            format!("fieldSelector=involvedObject.kind%3D{kind}%2CinvolvedObject.name%3D{name}");
        self.world.api.list(Some(self.name()), "events", &about)
    }

    /// Waits until an Event of the pod says `sentence`; gives the Event.
    pub fn await_event(&self, pod: &str, sentence: &str) -> anyhow::Result<Value> {
        let what = format!("an Event of pod {pod} that says {sentence:?}");
        self.await_event_where(pod, &what, SOON, |event| message(event).contains(sentence))
    }

    /// Waits for as long as `limit` until an Event of the pod is as it should be; gives the Event.
    pub fn await_event_where(
        &self,
        pod: &str,
        what: &str,
        limit: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let mut found = None;
        self.world.wait(what, limit, || {
            let events = self.events_of("Pod", pod)?;
            found = events.iter().find(|event| fits(event)).cloned();
            let said: Vec<_> = events.iter().map(message).collect();
            ensure!(found.is_some(), "its Events say {said:?}");
            Ok(true)
        })?;
        found.context("no Event")
    }
}

/// The first address of a claim's ENI, without the prefix length.
pub fn address(claim: &Value) -> anyhow::Result<String> {
    let first = addresses(claim).into_iter().next();
    first.context("the claim has no address")
}

/// All addresses of a claim's ENI, without the prefix length.
pub fn addresses(claim: &Value) -> Vec<String> {
    let all = claim["status"]["ipam"]["addresses"].as_array();
    let all = all.into_iter().flatten();
    let texts = all.filter_map(|address| address["address"].as_str());
    let alone = texts.map(|text| text.split('/').next().unwrap_or_default().to_owned());
    alone.collect()
}

/// The name of the pod that owns a claim, in whichever form the owner is written.
fn owner(claim: &Value) -> &str {
    let owner = &claim["spec"]["owner"];
    owner["name"]
        .as_str()
        .or_else(|| owner["pod"]["name"].as_str())
        .unwrap_or_default()
}

fn message(event: &Value) -> &str {
    event["message"].as_str().unwrap_or_default()
}

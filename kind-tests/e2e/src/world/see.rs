//! What one sees of claims, pods and EC2 from outside.

// An index into a `serde_json::Value` does not panic: it answers null where there is nothing.
#![allow(clippy::indexing_slicing)]

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::{SOON, World};

/// A path as text.
pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl World {
    /// One object as the API server has it, or null where there is none.
    pub fn get(&self, kind: &str, name: &str) -> anyhow::Result<Value> {
        let found = self.kubectl(&["get", kind, name, "--ignore-not-found", "-o", "json"])?;
        if found.trim().is_empty() {
            Ok(Value::Null)
        } else {
            Ok(serde_json::from_str(&found)?)
        }
    }

    /// All claims of the namespace `default`.
    pub fn claims(&self) -> anyhow::Result<Vec<Value>> {
        let list: Value =
            serde_json::from_str(&self.kubectl(&["get", "eniclaims", "-o", "json"])?)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// The claim of a pod, or null while there is none.
    pub fn claim_of(&self, pod: &str) -> anyhow::Result<Value> {
        let claims = self.claims()?;
        Ok(claims
            .into_iter()
            .find(|claim| claim["spec"]["owner"]["name"] == pod)
            .unwrap_or_default())
    }

    /// The address of a pod's ENI, without the prefix length.
    pub fn eni_address(&self, pod: &str) -> anyhow::Result<String> {
        let claim = self.claim_of(pod)?;
        let address = claim["status"]["ipam"]["addresses"][0]["address"]
            .as_str()
            .context("the claim has no address")?;
        Ok(address.split('/').next().unwrap_or_default().to_owned())
    }

    /// Waits until the pod is Ready, by kubelet's own probe, and its claim is.
    pub fn await_ready(&self, pod: &str) -> anyhow::Result<()> {
        self.wait(&format!("pod {pod} to be Ready"), SOON, || {
            Ok(is_ready(&self.get("pod", pod)?))
        })?;
        self.wait(&format!("the claim of pod {pod} to be Ready"), SOON, || {
            Ok(self.claim_of(pod)?["status"]["phase"] == "Ready")
        })
    }

    /// Waits until the pods' Events say `sentence`.
    pub fn await_event(&self, pod: &str, sentence: &str) -> anyhow::Result<()> {
        self.wait(
            &format!("an Event of pod {pod} that says {sentence:?}"),
            SOON,
            || Ok(self.kubectl(&["describe", "pod", pod])?.contains(sentence)),
        )
    }

    /// Deletes pods and waits until no claim is left and EC2 holds nothing of ours.
    pub fn delete_pods(&self, pods: &[&str]) -> anyhow::Result<()> {
        self.kubectl(
            &[
                &[
                    "delete",
                    "pod",
                    "--ignore-not-found",
                    "--wait=true",
                    "--timeout=60s",
                ],
                pods,
            ]
            .concat(),
        )?;
        self.await_clean()
    }

    /// Waits until no claim is left and EC2 holds nothing of ours.
    pub fn await_clean(&self) -> anyhow::Result<()> {
        self.wait("all claims to be gone", SOON, || {
            Ok(self.claims()?.is_empty())
        })?;
        let audit = self.audit()?;
        if audit != json!([]) {
            bail!("the audit of EC2 and the wires found {audit:#}");
        }
        Ok(())
    }

    /// What exists in EC2 or on the wires and should not.
    pub fn audit(&self) -> anyhow::Result<Value> {
        Ok(self.cluster.sim("GET", "/sim/audit", None)?)
    }

    /// Calls of one EC2 action so far.
    pub fn calls(&self, action: &str) -> anyhow::Result<Vec<Value>> {
        let calls = self.cluster.sim("GET", "/sim/calls", None)?;
        let calls = calls.as_array().context("the call log is not a list")?;
        Ok(calls
            .iter()
            .filter(|call| call["action"] == action)
            .cloned()
            .collect())
    }
}

/// Whether a pod's condition Ready is True.
pub(super) fn is_ready(pod: &Value) -> bool {
    pod["status"]["conditions"].as_array().is_some_and(|all| {
        all.iter()
            .any(|c| c["type"] == "Ready" && c["status"] == "True")
    })
}

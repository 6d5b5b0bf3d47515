//! What one sees of EC2 from outside, and what another client does there.

// An index into a `serde_json::Value` does not panic: it answers null where there is nothing.
#![allow(clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::{SOON, World};

/// Where the simulated EC2 answers, from every node.
const ENDPOINT: &str = "http://192.0.2.1/";
/// The simulator looks for a signature of this form and cannot check it: nobody has a secret.
const SIGNATURE: &str = "Authorization: AWS4-HMAC-SHA256 \
    Credential=AKIASOMEBODYELSE/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=00";
/// How many milliseconds the real EC2 takes, or longer.
pub(super) const REAL: Delays = Delays {
    create: 1_000,
    attach: 1_500,
    detach: 1_200,
};
/// Long enough for others to see the states in between, and short enough to try much. Scenarios that need more time order
/// faults of their own.
pub(super) const SHORT: Delays = Delays {
    create: 100,
    attach: 200,
    detach: 150,
};
/// The tag by which an ENI names its claim.
const CLAIM_UID: &str = "eniclaim.io/claim-uid";

/// How many milliseconds EC2's changes take.
pub(super) struct Delays {
    create: u32,
    attach: u32,
    detach: u32,
}

impl World {
    /// Lets the simulated EC2 take less time than the real one.
    pub fn shorten_ec2_delays(&self) -> anyhow::Result<()> {
        self.set_delays(&SHORT)
    }

    pub(super) fn set_delays(&self, delays: &Delays) -> anyhow::Result<()> {
        let delays = json!({
            "createMs": delays.create, "attachMs": delays.attach, "detachMs": delays.detach,
        });
        self.cluster.sim("POST", "/sim/delays", Some(&delays))?;
        Ok(())
    }

    /// What exists in EC2 or on the wires and should not.
    pub fn audit(&self) -> anyhow::Result<Value> {
        Ok(self.cluster.sim("GET", "/sim/audit", None)?)
    }

    /// Waits until no claim is left in any namespace, EC2 holds nothing of ours, and no node has anything of an ENI.
    pub fn await_clean(&self) -> anyhow::Result<()> {
        self.wait("all claims to be gone", SOON, || {
            let claims = self.all_claims()?;
            let name = |claim: &Value| {
                let metadata = &claim["metadata"];
                format!("{} in {}", metadata["name"], metadata["namespace"])
            };
            let left: Vec<_> = claims.iter().map(name).collect();
            ensure!(left.is_empty(), "there are {left:?}");
            Ok(true)
        })?;
        let audit = self.audit()?;
        ensure!(
            audit == json!([]),
            "the audit of EC2 and the wires found {audit:#}"
        );
        self.wait("the nodes to have nothing of an ENI", SOON, || {
            let left = self.left_on_nodes()?;
            ensure!(left.is_empty(), "{left}");
            Ok(true)
        })
    }

    /// Takes away by force what is left: claims with their finalizers, ENIs by EC2.
    pub fn force_clean(&self) -> anyhow::Result<()> {
        let claims = self.kubectl(&["get", "eniclaims", "-A", "--no-headers"])?;
        for claim in claims.lines() {
            let mut words = claim.split_whitespace();
            let (Some(namespace), Some(name)) = (words.next(), words.next()) else {
                continue;
            };
            let here = ["-n", namespace];
            let delete = ["delete", "eniclaims", name, "--wait=false"];
            self.kubectl(&[&here[..], &delete].concat())?;
            let bare = r#"{"metadata":{"finalizers":null}}"#;
            let patch = ["patch", "eniclaims", name, "--type=merge", "-p", bare];
            // It may go by itself meanwhile.
            let _ = self.kubectl(&[&here[..], &patch].concat());
        }
        let snapshot = self.cluster.sim("GET", "/sim/snapshot", None)?;
        for eni in snapshot["enis"].as_array().into_iter().flatten() {
            let ours = eni["tags"].get(CLAIM_UID).is_some();
            let (true, Some(id)) = (ours, eni["id"].as_str()) else {
                continue;
            };
            if let Some(attachment) = eni["attachment"]["id"].as_str() {
                let attachment = [("AttachmentId", attachment)];
                let _ = self.ec2("DetachNetworkInterface", &attachment);
            }
            self.wait("an ENI that was left to be deleted", SOON, || {
                let deleted = self.ec2("DeleteNetworkInterface", &[("NetworkInterfaceId", id)]);
                Ok(deleted.is_ok() || self.eni(id)?.is_null())
            })?;
        }
        Ok(())
    }

    /// Fails when a fault that was ordered has hit no call: then the scenario has not shown what it says.
    pub fn faults_are_spent(&self) -> anyhow::Result<()> {
        let left = self.cluster.sim("GET", "/sim/faults", None)?;
        ensure!(left == json!([]), "faults hit no call: {left}");
        Ok(())
    }

    /// Forgets all faults that were ordered.
    pub fn forget_faults(&self) -> anyhow::Result<()> {
        Ok(self.cluster.sim("DELETE", "/sim/faults", None).map(drop)?)
    }

    /// Calls of one EC2 action so far, the oldest first.
    pub fn calls(&self, action: &str) -> anyhow::Result<Vec<Value>> {
        let path = format!("/sim/calls?action={action}");
        match self.cluster.sim("GET", &path, None)? {
            Value::Array(calls) => Ok(calls),
            other => bail!("the call log is not a list: {other}"),
        }
    }

    /// The ENI as EC2 has it, or null when it has none of this id.
    pub fn eni(&self, id: &str) -> anyhow::Result<Value> {
        let snapshot = self.cluster.sim("GET", "/sim/snapshot", None)?;
        let all = snapshot["enis"].as_array().context("no ENIs in snapshot")?;
        let found = all.iter().find(|eni| eni["id"] == id);
        Ok(found.cloned().unwrap_or_default())
    }

    /// Fails unless EC2 has the ENI attached, and nobody detaches it.
    pub fn is_attached(&self, id: &str) -> anyhow::Result<()> {
        let attachment = &self.eni(id)?["attachment"];
        ensure!(attachment["status"] == "attached", "{id}: {attachment}");
        Ok(())
    }

    /// The ENIs that Create calls made, by the claim that they are for; `skip` calls were there before.
    pub fn made_for_claims(
        &self,
        skip: usize,
    ) -> anyhow::Result<BTreeMap<String, BTreeSet<String>>> {
        let mut made: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let calls = self.calls("CreateNetworkInterface")?;
        for call in calls.iter().skip(skip) {
            let Some(eni) = call["result"].as_str() else {
                continue;
            };
            let claim = tag(call, CLAIM_UID).context("an ENI without the tag of its claim")?;
            made.entry(claim).or_default().insert(eni.to_owned());
        }
        Ok(made)
    }

    /// An EC2 call by another client than ours; the answer's body.
    pub fn ec2(&self, action: &str, parameters: &[(&str, &str)]) -> anyhow::Result<String> {
        let mut form = format!("Action={action}&Version=2016-11-15");
        for (name, value) in parameters {
            // Writing to a string cannot fail.
            let _ = write!(form, "&{name}={value}");
        }
        let command = [
            "curl",
            "-sS",
            "--fail-with-body",
            "-H",
            SIGNATURE,
            "-d",
            &form,
            ENDPOINT,
        ];
        let output = self.cluster.node(0).exec(&command)?;
        let body = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("EC2 refused {form}: {body}");
        }
        Ok(body)
    }
}

/// The value of a tag in a call that makes something with tags.
fn tag(call: &Value, key: &str) -> Option<String> {
    let parameters = call["parameters"].as_object()?;
    let name = parameters
        .iter()
        .find(|(name, value)| name.ends_with(".Key") && *value == key)?
        .0;
    let value = name.strip_suffix("Key")?.to_owned() + "Value";
    Some(parameters.get(&value)?.as_str()?.to_owned())
}

//! EC2 or the API server refuses what the operator asks for: a person reads why, and the cause can be removed.

use anyhow::ensure;
use e2e::world::{SOON, Space};
use serde_json::json;

use super::makers::{asking, class, pod};

/// Two groups of the subnet's network, of which the account allows one a network interface.
const GROUPS: [&str; 2] = ["sg-000000000000000a2", "sg-000000000000000a3"];

/// EC2 refuses more groups than the account's quota allows: the Event has EC2's sentence, and the edited class is taken.
pub fn edited_class(space: &Space) -> anyhow::Result<()> {
    space.settings(&json!({"groupLimit": 1}))?;
    let mut wrong = class(space);
    wrong["spec"]["securityGroups"]["ids"] = json!(GROUPS);
    space.apply(&wrong)?;
    space.apply(&asking(pod("refused"), space.name()))?;
    let event = space.await_event("refused", "interface security group memberships")?;
    // The Event may be there before the status is.
    space.world.wait("the AWS code in lastError", SOON, || {
        let code = space.claim_of("refused")?["status"]["lastError"]["code"].clone();
        ensure!(
            code.as_str()
                .is_some_and(|code| event["message"].to_string().contains(code)),
            "lastError has no AWS code, or another one than the Event: {code}, {event}"
        );
        Ok(true)
    })?;
    space.apply(&class(space))?;
    space.await_ready("refused")?;
    space.delete_pods(&["refused"])
}

/// While EC2 refuses every Create, a pod that waits can be deleted, and so can its namespace.
pub fn namespace_goes(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    space.fault(&json!({
        "action": "CreateNetworkInterface", "times": null,
        "refuse": {"status": 400, "code": "InvalidParameter"},
    }))?;
    space.apply(&asking(pod("first"), space.name()))?;
    space.await_event("first", "InvalidParameter")?;
    space.delete_pods(&["first"])?;

    space.apply(&asking(pod("second"), space.name()))?;
    space.await_event("second", "InvalidParameter")?;
    let delete = ["delete", "namespace", space.name(), "--timeout=60s"];
    space.world.kubectl(&delete)?;
    space.world.await_clean()?;
    space.world.forget_faults()
}

/// A quota forbids the claim: the Event has the API server's sentence, and without the quota the pod becomes Ready.
pub fn quota(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    let counted = "count/eniclaims.eniclaim.io";
    space.apply(&json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
        "spec": {"hard": {counted: "0"}},
    }))?;
    // The API server enforces a quota once its use has been counted.
    space.world.wait("the quota to be counted", 2 * SOON, || {
        let quota = space.get("resourcequota", "none")?;
        Ok(quota["status"]["used"][counted] == "0")
    })?;
    space.apply(&asking(pod("forbidden"), space.name()))?;
    space.await_event("forbidden", "exceeded quota")?;
    ensure!(
        space.claims()?.is_empty(),
        "there is a claim beyond the quota"
    );
    space.kubectl(&["delete", "resourcequota", "none"])?;
    space.await_ready("forbidden")?;
    space.delete_pods(&["forbidden"])
}

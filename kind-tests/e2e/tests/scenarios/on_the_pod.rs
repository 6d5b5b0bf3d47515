//! What a pod's own object says of its ENI: the annotation network-status, and a condition that a readiness gate names.

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space, condition, is_ready};
use serde_json::{Value, json};

use super::makers::{asking, class, pod};

const NETWORKS: &str = "k8s.v1.cni.cncf.io/network-status";
const READY: &str = "eniclaim.io/Ready";
const OPERATOR: &str = "--as=system:serviceaccount:eniclaim-system:eniclaim-operator";

/// The downward API shows the address, the gate holds the pod, what others take away is put back, and the operator could do
/// nothing else.
pub fn marks(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    space.apply(&gated(space))?;
    space.await_ready("web")?;
    downward_api_shows_the_address(space)?;
    gate_holds_the_pod(space)?;
    entries_of_others_stay(space)?;
    nothing_else_is_allowed(space)?;
    space.delete_pods(&["web"])
}

/// A pod with an init container, a readiness gate, and its networks as a variable and as a file.
fn gated(space: &Space) -> Value {
    let mut pod = asking(pod("web"), space.name());
    let path = json!({"fieldPath": format!("metadata.annotations['{NETWORKS}']")});
    let spec = &mut pod["spec"];
    spec["readinessGates"] = json!([{"conditionType": READY}]);
    spec["initContainers"] = json!([{
        "name": "first", "image": "localhost/eniclaim/probe:dev", "command": ["/bin/sh", "-c", "exit 0"],
    }]);
    spec["containers"][0]["env"] = json!([{"name": "NETWORKS", "valueFrom": {"fieldRef": path}}]);
    spec["containers"][0]["volumeMounts"] = json!([{"name": "pod", "mountPath": "/pod"}]);
    spec["volumes"] = json!([{
        "name": "pod", "downwardAPI": {"items": [{"path": "networks", "fieldRef": path}]},
    }]);
    pod
}

fn downward_api_shows_the_address(space: &Space) -> anyhow::Result<()> {
    let (claim, address) = (space.claim_of("web")?, space.eni_address("web")?);
    let entry = json!({
        "name": format!("eniclaim.io/{}", space.name()), "interface": "eni0", "ips": [address],
        "mac": claim["status"]["eni"]["mac"], "dns": {},
    });
    let of = |text: &str| serde_json::from_str::<Value>(text).with_context(|| text.to_owned());
    let variable = space.exec("web", &["/bin/sh", "-c", "echo \"$NETWORKS\""])?;
    ensure!(
        of(&variable)? == json!([entry]),
        "in the environment: {variable}"
    );
    space.world.wait("the file to show the address", SOON, || {
        let file = space.exec("web", &["/bin/busybox", "cat", "/pod/networks"])?;
        Ok(of(&file)? == json!([entry]))
    })
}

/// The gate decides, whatever else is ready; and the condition is put back.
fn gate_holds_the_pod(space: &Space) -> anyhow::Result<()> {
    let taken = json!({"status": {"conditions": [{"type": READY, "status": "False"}]}});
    patch(space, &["--subresource=status"], &taken)?;
    space.world.wait("the pod not to be Ready", SOON, || {
        Ok(!is_ready(&space.get("pod", "web")?))
    })?;
    space.await_ready("web")?;
    let is = condition(&space.get("pod", "web")?, READY);
    ensure!(is["status"] == "True" && is["reason"] == "Ready", "{is}");
    Ok(())
}

fn entries_of_others_stay(space: &Space) -> anyhow::Result<()> {
    let theirs =
        json!({"name": "pods", "interface": "eth0", "ips": ["10.244.0.9"], "default": true});
    let written = json!({"metadata": {"annotations": {NETWORKS: json!([theirs]).to_string()}}});
    patch(space, &["--subresource=status"], &written)?;
    space.world.wait("our entry beside theirs", SOON, || {
        let pod = space.get("pod", "web")?;
        let text = pod["metadata"]["annotations"][NETWORKS].as_str();
        let list: Value = serde_json::from_str(text.context("no annotation")?)?;
        Ok(list[0] == theirs && list[1]["interface"] == "eni0")
    })
}

/// A stolen token of the operator changes nothing else of a pod, even where a role allows more.
fn nothing_else_is_allowed(space: &Space) -> anyhow::Result<()> {
    let Err(error) = space.kubectl(&["label", "pod", "web", "app=x", OPERATOR]) else {
        anyhow::bail!("the operator may label pods");
    };
    ensure!(
        format!("{error:#}").contains("cannot patch resource"),
        "{error:#}"
    );
    let role = [
        "create",
        "role",
        "more",
        "--verb=get,patch",
        "--resource=pods,pods/status",
    ];
    space.kubectl(&role)?;
    let account = "--serviceaccount=eniclaim-system:eniclaim-operator";
    space.kubectl(&["create", "rolebinding", "more", "--role=more", account])?;
    let status = "--subresource=status";
    let condition =
        |kind: &str| json!({"status": {"conditions": [{"type": kind, "status": "False"}]}});
    let label = json!({"metadata": {"labels": {"app": "x"}}});
    let image = json!({"spec": {"containers": [{"name": "probe", "image": "other"}]}});
    let asked = json!({"metadata": {"annotations": {"eniclaim.io/class": null}}});
    space.world.wait("the role to count", SOON, || {
        Ok(patch(space, &[status, OPERATOR], &condition_of_ours()).is_ok())
    })?;
    for (options, change, sentence) in [
        (&[][..], &label, "no other metadata"),
        (&[], &image, "of eniclaim may change"),
        (&[status], &label, "no other metadata"),
        (&[status], &asked, "no other annotation"),
        (&[status], &condition("Ready"), "nothing else of its status"),
        (
            &[status],
            &json!({"status": {"podIP": "10.244.0.9"}}),
            "nothing else of its status",
        ),
    ] {
        let Err(error) = patch(space, &[options, &[OPERATOR]].concat(), change) else {
            anyhow::bail!("the operator may write {change}");
        };
        let error = format!("{error:#}");
        ensure!(error.contains(sentence), "{change}: {error}");
    }
    Ok(())
}

/// What it may write.
fn condition_of_ours() -> Value {
    json!({"status": {"conditions": [{"type": READY, "status": "True", "reason": "Ready", "message": "x"}]}})
}

fn patch(space: &Space, options: &[&str], change: &Value) -> anyhow::Result<()> {
    let change = change.to_string();
    let patch = ["patch", "pod", "web", "--patch", &change];
    space.kubectl(&[&patch[..], options].concat()).map(drop)
}

//! A claim that somebody makes: its ENI waits for pods, follows them from node to node, and goes when somebody deletes the claim.

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space, address};
use serde_json::{Value, json};

use super::makers::{asking, class, on, pod};

/// Two pods of two nodes, one after the other, have one and the same address; the claim is in use until the last of them has ended.
pub fn follows_its_pods(space: &Space) -> anyhow::Result<()> {
    let [near, far] = [0, 1].map(|node| space.world.cluster.node(node).name());
    space.apply(&class(space))?;
    owner_is_refused(space)?;
    space.send(&["create"], &claim(space, &json!({})))?;
    space.kubectl(&[
        "wait",
        "eniclaim/db",
        "--for=condition=Ready",
        "--timeout=60s",
    ])?;
    let made = space.get("eniclaim", "db")?;
    ensure!(made["status"]["phase"] == "Available", "{made}");
    space.apply(&naming(on(pod("first"), &near), space))?;
    space.await_pod("first", SOON)?;
    has(space, "first", &made)?;
    space.apply(&naming(on(pod("second"), &far), space))?;
    space.await_event("second", "EniClaim")?;
    let waits = space.events_of("Pod", "second")?;
    let says = |event: &Value| {
        event["message"]
            .as_str()
            .is_some_and(|text| text.contains("is used by pod first"))
    };
    ensure!(waits.iter().any(says), "{waits:#?}");
    has(space, "first", &made)?;
    space.kubectl(&["delete", "pod", "first", "--timeout=60s"])?;
    space.await_pod("second", SOON)?;
    has(space, "second", &made)?;
    space.kubectl(&["delete", "eniclaim", "db", "--wait=false"])?;
    space
        .world
        .wait("the claim to say that it is in use", SOON, || {
            let claim = space.get("eniclaim", "db")?;
            let all = claim["status"]["conditions"].as_array().cloned();
            let is =
                |condition: &Value| condition["type"] == "Ready" && condition["reason"] == "InUse";
            Ok(all.unwrap_or_default().iter().any(is))
        })?;
    has(space, "second", &made)?;
    space.delete_pods(&["second"])
}

fn claim(space: &Space, more: &Value) -> Value {
    let mut claim = json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim", "metadata": {"name": "db"},
        "spec": {"className": space.name()},
    });
    if let (Some(spec), Some(more)) = (claim["spec"].as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    claim
}

/// Only the operator makes claims that go with a pod.
fn owner_is_refused(space: &Space) -> anyhow::Result<()> {
    let owner = json!({"owner": {"kind": "Pod", "name": "first", "uid": "u-1"}});
    let refused = space.send(&["create"], &claim(space, &owner));
    let why = refused.err().context("a claim with an owner is taken")?;
    ensure!(
        format!("{why:#}").contains("the operator alone makes claims with spec.owner"),
        "{why:#}"
    );
    Ok(())
}

fn naming(pod: Value, space: &Space) -> Value {
    let mut pod = asking(pod, space.name());
    pod["metadata"]["annotations"] = json!({"eniclaim.io/claim": "db"});
    pod
}

/// The pod has the very ENI, and whoever asks at its address is answered.
fn has(space: &Space, name: &str, made: &Value) -> anyhow::Result<()> {
    let claim = space.get("eniclaim", "db")?;
    for path in [
        "/status/eni/id",
        "/status/eni/mac",
        "/status/ipam/addresses",
    ] {
        let (now, then) = (claim.pointer(path), made.pointer(path));
        ensure!(now.is_some() && now == then, "{path}: {now:?} {then:?}");
    }
    ensure!(claim["status"]["binding"]["podName"] == name, "{claim}");
    let script = "cat /sys/class/net/eni0/address";
    let mac = space.exec(name, &["/bin/sh", "-c", script])?;
    ensure!(mac.trim() == claim["status"]["eni"]["mac"], "{mac}");
    let shown = space.exec(name, &["/bin/ip", "-4", "address", "show", "eni0"])?;
    ensure!(shown.contains(&address(&claim)?), "{shown}");
    Ok(())
}

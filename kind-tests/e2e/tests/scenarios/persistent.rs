//! A `StatefulSet` whose pods have the same ENIs again: after a move, and after the set was made again.

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space, address};
use serde_json::{Value, json};

use super::makers::{asking, class, pod};

const PODS: [&str; 2] = ["db-0", "db-1"];

/// The ENIs follow their pods to another node and to the next set of the name; those of a set with `Delete` go with it.
pub fn same_enis_again(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    pod_without_set_is_told(space)?;
    space.apply(&set(space, "Retain"))?;
    let made = await_claims(space)?;
    for claim in &made {
        ensure!(claim["spec"]["owner"].is_null(), "{claim}");
        ensure!(claim["metadata"]["ownerReferences"].is_null(), "{claim}");
    }
    move_first(space)?;
    have(space, &made)?;
    delete_set(space)?;
    for name in PODS {
        let what = format!("EniClaim {name} to wait for a pod");
        space.world.wait(&what, SOON, || {
            Ok(space.get("eniclaim", name)?["status"]["phase"] == "Available")
        })?;
    }
    space.apply(&set(space, "Retain"))?;
    have(space, &made)?;
    delete_set(space)?;
    space.kubectl(&["delete", "eniclaim", "db-0", "db-1", "--timeout=60s"])?;
    space.world.await_clean()?;

    space.apply(&set(space, "Delete"))?;
    let uid = space.get("statefulset", "db")?["metadata"]["uid"].clone();
    let tied = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": uid}]);
    for claim in await_claims(space)? {
        ensure!(claim["metadata"]["ownerReferences"] == tied, "{claim}");
    }
    delete_set(space)?;
    space.world.await_clean()
}

/// Two pods, which ask for claims of their own names.
fn set(space: &Space, word: &str) -> Value {
    let mut template = persistent(pod("db"), space, word);
    template["metadata"]["labels"]["app"] = json!("db");
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": PODS.len(), "serviceName": "db", "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": template["metadata"], "spec": template["spec"]},
        }
    })
}

fn persistent(pod: Value, space: &Space, word: &str) -> Value {
    let mut pod = asking(pod, space.name());
    pod["metadata"]["annotations"] = json!({"eniclaim.io/persistent": word});
    pod
}

fn pod_without_set_is_told(space: &Space) -> anyhow::Result<()> {
    space.apply(&persistent(pod("alone"), space, "Retain"))?;
    space.await_event("alone", "is for pods of a StatefulSet")?;
    ensure!(space.claims()?.is_empty(), "a claim was made");
    space.delete_pods(&["alone"])?;
    let refused = space.dry_run(&persistent(pod("wrong"), space, "Forever"));
    let why = refused.err().context("another word is taken")?;
    let says = format!("{why:#}");
    ensure!(says.contains("and can be Retain or Delete"), "{says}");
    Ok(())
}

/// The claims of both pods, once these run.
fn await_claims(space: &Space) -> anyhow::Result<Vec<Value>> {
    for name in PODS {
        space.await_pod(name, 2 * SOON)?;
    }
    let claims = PODS.map(|name| space.get("eniclaim", name));
    claims.into_iter().collect()
}

/// Both pods have the very ENIs, with their addresses and MAC addresses.
fn have(space: &Space, made: &[Value]) -> anyhow::Result<()> {
    let claims = await_claims(space)?;
    for ((name, claim), then) in PODS.iter().zip(&claims).zip(made) {
        for path in [
            "/metadata/uid",
            "/status/eni/id",
            "/status/eni/mac",
            "/status/ipam/addresses",
        ] {
            let (now, then) = (claim.pointer(path), then.pointer(path));
            ensure!(now.is_some() && now == then, "{path}: {now:?} {then:?}");
        }
        let script = "cat /sys/class/net/eni0/address";
        let mac = space.exec(name, &["/bin/sh", "-c", script])?;
        ensure!(mac.trim() == claim["status"]["eni"]["mac"], "{mac}");
        let shown = space.exec(name, &["/bin/ip", "-4", "address", "show", "eni0"])?;
        ensure!(shown.contains(&address(claim)?), "{shown}");
    }
    Ok(())
}

/// The first pod is deleted, and comes again on another node.
fn move_first(space: &Space) -> anyhow::Result<()> {
    let [first, _] = PODS;
    let before = space.get("pod", first)?["spec"]["nodeName"].clone();
    let node = before.as_str().context("the pod's node")?;
    space.kubectl_at_end(&["uncordon", node]);
    space.kubectl(&["cordon", node])?;
    space.kubectl(&["delete", "pod", first, "--timeout=60s"])?;
    let moved = space.await_pod(first, 2 * SOON)?;
    ensure!(moved["spec"]["nodeName"] != before, "it is on {before}");
    space.kubectl(&["uncordon", node]).map(drop)
}

/// The set is deleted, and its pods with it.
fn delete_set(space: &Space) -> anyhow::Result<()> {
    let delete = ["delete", "statefulset", "db", "--cascade=foreground"];
    space.kubectl(&[&delete[..], &["--timeout=60s"]].concat())?;
    let gone = || Ok(space.list("pods")?.is_empty());
    space.world.wait("the set's pods to be gone", SOON, gone)
}

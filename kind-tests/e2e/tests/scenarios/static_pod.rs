//! Static pods: kubelet's own, of which the API server has mirrors with other UIDs.

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space, is_ready};
use serde_json::{Value, json};

use super::makers::{asking, class, pod};

const MANIFEST: &str = "/etc/kubernetes/manifests/asking.json";
/// By this kubelet tells which manifest a static pod is of.
const HASH: &str = "kubernetes.io/config.hash";

/// A static pod that asks is Ready with its interface, and again when its manifest has changed (multus-cni#773).
pub fn changed(space: &Space) -> anyhow::Result<()> {
    let world = space.world;
    space.apply(&class(space))?;
    space.at_end(|world| world.on_node(0, &format!("rm -f {MANIFEST}")).map(drop));
    let mut manifest = manifest(space);
    world.put_on_node(0, MANIFEST, &manifest.to_string())?;
    let first = comes_up(space, &json!(null))?;
    manifest["spec"]["containers"][0]["env"] = json!([{"name": "CHANGED", "value": "yes"}]);
    world.put_on_node(0, MANIFEST, &manifest.to_string())?;
    comes_up(space, &first)?;
    let mirror = mirror(space);
    space.exec(&mirror, &["/bin/sh", "-c", "test $CHANGED = yes"])?;
    world.on_node(0, &format!("rm {MANIFEST}"))?;
    world.wait("the mirror pod to be gone", SOON, || {
        Ok(space.get("pod", &mirror)?.is_null())
    })?;
    world.await_clean()
}

/// No admission changes what kubelet reads from a file: the annotation has to be in it.
fn manifest(space: &Space) -> Value {
    let mut manifest = asking(pod("asking"), space.name());
    manifest["metadata"]["namespace"] = json!(space.name());
    manifest["metadata"]["annotations"] = json!({"eniclaim.io/class": space.name()});
    manifest
}

fn mirror(space: &Space) -> String {
    format!("asking-{}", space.world.cluster.node(0).name())
}

/// Waits until a mirror with another hash than `former` is Ready with its interface; gives its hash.
fn comes_up(space: &Space, former: &Value) -> anyhow::Result<Value> {
    let name = mirror(space);
    let mut hash = Value::Null;
    space
        .world
        .wait("the static pod to be Ready", 2 * SOON, || {
            let pod = space.get("pod", &name)?;
            hash = pod["metadata"]["annotations"][HASH].clone();
            let events = space.events_of("Pod", &name)?;
            let said: Vec<&str> = events
                .iter()
                .filter_map(|e| e["message"].as_str())
                .collect();
            ensure!(
                hash != *former && is_ready(&pod),
                "the hash is {hash}; the Events say {said:#?}"
            );
            Ok(true)
        })?;
    let links = space.exec(&name, &["/bin/ip", "link", "show", "eni0"])?;
    space.await_ready(&name)?;
    let claim = space.claim_of(&name)?;
    let mac = claim["status"]["eni"]["mac"].as_str().context("no MAC")?;
    ensure!(links.contains(mac), "not the claim's MAC {mac}: {links}");
    Ok(hash)
}

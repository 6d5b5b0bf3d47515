//! CHECK, as CRI-O calls it right after each ADD: with the result that libcni has kept.

use anyhow::{Context, ensure};
use e2e::world::Space;
use serde_json::{Value, json};

use super::makers::{asking, class, on, pod};

/// 0 after ADD; a sentence once the interface is not what it was (ocicni#74, ovn-kubernetes#2511).
/// Cases: M14.
pub fn after_add(space: &Space) -> anyhow::Result<()> {
    let node = space.world.cluster.node(0).name();
    space.apply(&class(space))?;
    space.apply(&on(asking(pod("checked"), space.name()), &node))?;
    space.await_ready("checked")?;
    let kept = Kept::of(space, "checked")?;
    let said = kept.check(space)?;
    ensure!(said == Value::Null, "CHECK right after ADD: {said}");
    let pod = |args: &str| {
        let script = format!("nsenter --net={} ip {args}", kept.netns);
        space.world.on_node(0, &script)
    };
    // (what is done, what the sentence names)
    for (fault, names) in [
        ("link set eni0 down", "is down"),
        ("link set eni0 up mtu 1300", "MTU"),
    ] {
        pod(fault)?;
        let said = kept.check(space)?;
        let message = said["msg"]
            .as_str()
            .context(format!("CHECK after ip {fault}: {said}"))?;
        ensure!(
            message.contains(names) && !message.contains('\n'),
            "CHECK after ip {fault}: {message}"
        );
    }
    space.delete_pods(&["checked"])
}

/// What libcni keeps of an ADD.
struct Kept {
    container: String,
    netns: String,
    args: String,
    result: Value,
}

impl Kept {
    fn of(space: &Space, pod: &str) -> anyhow::Result<Self> {
        let claim = space.claim_of(pod)?;
        let container = claim["status"]["device"]["containerId"]
            .as_str()
            .context("no sandbox in the claim")?
            .to_owned();
        let file = format!("/var/lib/cni/results/pods-{container}-eth0");
        let kept: Value = serde_json::from_str(&space.world.on_node(0, &format!("cat {file}"))?)?;
        let interfaces = kept["result"]["interfaces"].as_array();
        let netns = interfaces
            .into_iter()
            .flatten()
            .find(|interface| interface["name"] == "eni0")
            .and_then(|interface| interface["sandbox"].as_str())
            .with_context(|| format!("no eni0 in the kept result: {kept}"))?;
        let args = kept["cniArgs"].as_array().into_iter().flatten();
        let args: Vec<String> = args
            .filter_map(|pair| Some(format!("{}={}", pair[0].as_str()?, pair[1].as_str()?)))
            .collect();
        Ok(Self {
            container,
            netns: netns.to_owned(),
            args: args.join(";"),
            result: kept["result"].clone(),
        })
    }

    /// Null, or the plugin's error.
    fn check(&self, space: &Space) -> anyhow::Result<Value> {
        let input = json!({
            "cniVersion": self.result["cniVersion"], "name": "pods", "type": "eniclaim",
            "capabilities": {"io.kubernetes.cri.pod-annotations": true},
            "runtimeConfig": {"io.kubernetes.cri.pod-annotations": {"eniclaim.io/class": space.name()}},
            "prevResult": self.result,
        });
        let Self {
            container,
            netns,
            args,
            result: _,
        } = self;
        let script = format!(
            "printf '%s' '{input}' | CNI_COMMAND=CHECK CNI_CONTAINERID={container} CNI_NETNS={netns} CNI_IFNAME=eth0 \
             CNI_PATH=/opt/cni/bin CNI_ARGS='{args}' /opt/cni/bin/eniclaim"
        );
        let output = space.world.cluster.node(0).exec(&["sh", "-c", &script])?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(
            output.status.success() == said.trim().is_empty(),
            "CHECK ended with {} and said {said:?}",
            output.status
        );
        Ok(serde_json::from_str(&said).unwrap_or_default())
    }
}

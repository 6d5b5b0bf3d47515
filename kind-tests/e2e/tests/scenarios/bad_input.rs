//! Bad input: one sentence where the user looks, nothing left, and it mends itself once the cause is gone.

use anyhow::ensure;
use e2e::world::{SOON, Space, is_ready};
use serde_json::json;

use super::makers::{asking, class, on, pod};

pub fn unknown_class(space: &Space) -> anyhow::Result<()> {
    space.apply(&asking(pod("lost"), space.name()))?;
    space.await_event("lost", &format!("there is no EniClass {}", space.name()))?;
    ensure!(
        space.claims()?.is_empty(),
        "a claim was made for a class that does not exist"
    );
    space.apply(&class(space))?;
    space.await_ready("lost")?;
    space.delete_pods(&["lost"])
}

pub fn namespace_not_selected(space: &Space) -> anyhow::Result<()> {
    let mut closed = class(space);
    closed["spec"]["namespaceSelector"] = json!({"matchLabels": {"team": "other"}});
    space.apply(&closed)?;
    space.apply(&asking(pod("outsider"), space.name()))?;
    space.await_event("outsider", "namespaceSelector")?;
    ensure!(
        space.claims()?.is_empty(),
        "a claim was made for a namespace that the class does not select"
    );
    space.kubectl(&["label", "namespace", space.name(), "team=other"])?;
    space.await_ready("outsider")?;
    space.delete_pods(&["outsider"])
}

pub fn subnet_does_not_exist(space: &Space) -> anyhow::Result<()> {
    let mut wrong = class(space);
    wrong["spec"]["subnets"]["ids"] = json!(["subnet-0000000000000dead"]);
    space.apply(&wrong)?;
    space.apply(&asking(pod("subnetless"), space.name()))?;
    space.await_event("subnetless", "subnet-0000000000000dead")?;
    space.apply(&class(space))?;
    space.await_ready("subnetless")?;
    space.delete_pods(&["subnetless"])
}

pub fn group_does_not_exist(space: &Space) -> anyhow::Result<()> {
    let mut wrong = class(space);
    wrong["spec"]["securityGroups"]["ids"] = json!(["sg-0000000000000dead"]);
    space.apply(&wrong)?;
    space.apply(&asking(pod("groupless"), space.name()))?;
    space.await_event("groupless", "sg-0000000000000dead")?;
    space.apply(&class(space))?;
    space.await_ready("groupless")?;
    space.delete_pods(&["groupless"])
}

/// One pod more than the node has slots waits, with the scheduler's sentence, until another one goes.
/// Cases: A02.
pub fn node_full(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    let node = space.world.cluster.node(0).name();
    let capacity = space.world.get("eninode", &node)?["status"]["capacity"]
        .as_u64()
        .unwrap_or_default();
    ensure!(
        (1..=20).contains(&capacity),
        "the node's capacity is {capacity}"
    );
    let names: Vec<String> = (0..=capacity).map(|n| format!("full-{n}")).collect();
    for name in &names {
        space.apply(&on(asking(pod(name), space.name()), &node))?;
    }
    let mut waiting = Vec::new();
    space
        .world
        .wait("all pods but one to be Ready", 2 * SOON, || {
            let pods = space.list("pods")?;
            waiting = pods.into_iter().filter(|pod| !is_ready(pod)).collect();
            Ok(waiting.len() == 1)
        })?;
    let waiting = waiting[0]["metadata"]["name"].as_str().expect("a name");
    space.await_event(waiting, "Insufficient eniclaim.io/eni")?;
    let first = names.iter().find(|n| **n != waiting).expect("one is Ready");
    space.kubectl(&["delete", "pod", first])?;
    space.await_ready(waiting)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    space.delete_pods(&names)
}

/// The plugin on the node, called by hand with what no runtime should send.
/// Cases: C10.
pub fn malformed_cni_input(space: &Space) -> anyhow::Result<()> {
    let env = "CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/x CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin";
    // Only a plugin that is asked looks further than its configuration.
    let chained = r#"{"cniVersion":"1.1.0","name":"pods","type":"eniclaim","prevResult":{"cniVersion":"1.1.0"},
        "runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"eniclaim.io/class":"app"}}}"#;
    let cases = [
        (env, "this is not JSON", 6),
        (env, "{}", 7),
        ("CNI_COMMAND=ADD", chained, 4),
        ("CNI_COMMAND=JUMP", chained, 4),
        (env, &chained.replace("1.1.0", "0.1.0"), 1),
    ];
    for (env, stdin, code) in cases {
        let command = format!("printf '%s' '{stdin}' | env -i {env} /opt/cni/bin/eniclaim");
        let output = space.world.cluster.node(0).exec(&["sh", "-c", &command])?;
        let said: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        ensure!(
            !output.status.success() && said["code"] == code,
            "{env} {stdin}: {said}"
        );
        let message = said["msg"].as_str().unwrap_or_default();
        ensure!(
            message.len() > 10 && !message.contains('\n'),
            "not one sentence: {message:?}"
        );
    }
    Ok(())
}

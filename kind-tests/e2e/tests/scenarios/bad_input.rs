//! Bad input: one sentence where the user looks, nothing left, and it mends itself once the cause is gone.

use anyhow::ensure;
use e2e::world::{SOON, World};
use serde_json::json;

use super::super::{class, on, pod};

pub fn unknown_class(world: &World) -> anyhow::Result<()> {
    world.apply(&pod("lost", Some("nosuch")))?;
    world.await_event("lost", "there is no EniClass nosuch")?;
    ensure!(
        world.claims()?.is_empty(),
        "a claim was made for a class that does not exist"
    );
    world.apply(&class("nosuch"))?;
    world.await_ready("lost")?;
    world.delete_pods(&["lost"])?;
    world.kubectl(&["delete", "eniclass", "nosuch"]).map(|_| ())
}

pub fn namespace_not_selected(world: &World) -> anyhow::Result<()> {
    let mut closed = class("closed");
    closed["spec"]["namespaceSelector"] = json!({"matchLabels": {"team": "other"}});
    world.apply(&closed)?;
    world.apply(&pod("outsider", Some("closed")))?;
    world.await_event("outsider", "namespaceSelector")?;
    ensure!(
        world.claims()?.is_empty(),
        "a claim was made for a namespace that the class does not select"
    );
    world.kubectl(&["label", "namespace", "default", "team=other"])?;
    world.await_ready("outsider")?;
    world.delete_pods(&["outsider"])?;
    world.kubectl(&["label", "namespace", "default", "team-"])?;
    world.kubectl(&["delete", "eniclass", "closed"]).map(|_| ())
}

pub fn subnet_does_not_exist(world: &World) -> anyhow::Result<()> {
    let mut wrong = class("wrong-subnet");
    wrong["spec"]["subnets"]["ids"] = json!(["subnet-0000000000000dead"]);
    world.apply(&wrong)?;
    world.apply(&pod("subnetless", Some("wrong-subnet")))?;
    world.await_event("subnetless", "subnet-0000000000000dead")?;
    world.apply(&class("wrong-subnet"))?;
    world.await_ready("subnetless")?;
    world.delete_pods(&["subnetless"])?;
    world
        .kubectl(&["delete", "eniclass", "wrong-subnet"])
        .map(|_| ())
}

pub fn group_does_not_exist(world: &World) -> anyhow::Result<()> {
    let mut wrong = class("wrong-group");
    wrong["spec"]["securityGroups"]["ids"] = json!(["sg-0000000000000dead"]);
    world.apply(&wrong)?;
    world.apply(&pod("groupless", Some("wrong-group")))?;
    world.await_event("groupless", "InvalidGroup.NotFound")?;
    ensure!(
        world.claim_of("groupless")?["status"]["lastError"]["code"] == "InvalidGroup.NotFound",
        "lastError has no AWS code"
    );
    world.apply(&class("wrong-group"))?;
    world.wait("the pod to be Ready", 2 * SOON, || {
        Ok(world.claim_of("groupless")?["status"]["phase"] == "Ready")
    })?;
    world.await_ready("groupless")?;
    world.delete_pods(&["groupless"])?;
    world
        .kubectl(&["delete", "eniclass", "wrong-group"])
        .map(|_| ())
}

pub fn node_full(world: &World) -> anyhow::Result<()> {
    world.apply(&class("app"))?;
    let node = world.cluster.node(0).name();
    let capacity = world.get("eninode", &node)?["status"]["capacity"]
        .as_u64()
        .unwrap_or_default();
    ensure!(
        (1..=20).contains(&capacity),
        "the node's capacity is {capacity}"
    );
    let names: Vec<String> = (0..=capacity).map(|n| format!("full-{n}")).collect();
    for name in &names {
        world.apply(&on(pod(name, Some("app")), &node))?;
    }
    let ready = |name: &str| -> anyhow::Result<bool> {
        Ok(world.claim_of(name)?["status"]["phase"] == "Ready")
    };
    world.wait("all pods but one to be Ready", 2 * SOON, || {
        Ok(names
            .iter()
            .map(|n| ready(n))
            .collect::<Result<Vec<_>, _>>()?
            .iter()
            .filter(|r| **r)
            .count() as u64
            == capacity)
    })?;
    let waiting = names
        .iter()
        .find(|n| !ready(n).unwrap_or(true))
        .expect("one waits")
        .clone();
    world.await_event(&waiting, "Insufficient eniclaim.io/eni")?;
    let first = names.iter().find(|n| **n != waiting).expect("one is Ready");
    world.kubectl(&["delete", "pod", first])?;
    world.await_ready(&waiting)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.delete_pods(&names)
}

/// The plugin on the node, called by hand with what no runtime should send.
pub fn malformed_cni_input(world: &World) -> anyhow::Result<()> {
    let env = "CNI_COMMAND=ADD CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/x CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin";
    // Only a plugin that is asked looks further than its configuration.
    let chained = r#"{"cniVersion":"1.1.0","name":"pods","type":"eniclaim","prevResult":{"cniVersion":"1.1.0"},
        "runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"eniclaim.io/class":"app"}}}"#;
    let cases = [
        (env, "this is not JSON", 6),
        (env, "{}", 7),
        ("CNI_COMMAND=ADD", chained, 4),
        ("CNI_COMMAND=JUMP", chained, 4),
        (
            env,
            r#"{"cniVersion":"0.1.0","name":"pods","type":"eniclaim"}"#,
            1,
        ),
    ];
    for (env, stdin, code) in cases {
        let command = format!("printf '%s' '{stdin}' | env -i {env} /opt/cni/bin/eniclaim");
        let output = world.cluster.node(0).exec(&["sh", "-c", &command])?;
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

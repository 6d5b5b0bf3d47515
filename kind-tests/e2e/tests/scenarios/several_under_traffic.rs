//! A pod with four interfaces of two classes, of which one class has both families: what happens to one costs the others no packet.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use e2e::world::{Packets, SOON, Signal, Space, condition, peer_of};
use serde_json::{Value, json};

use super::{
    makers::{asking_several, on, pod},
    several::{NAMES, each_reaches_the_peer, four, of_interface, second_class, two_classes},
};

const FIRST_CLASS: [&str; 2] = ["eni1", "eni3"];
const SECOND_CLASS: [&str; 2] = ["eni2", "eni4"];
/// Whoever has it is let in by the peer.
const APP: &str = "sg-000000000000000a2";
/// Lets in its members.
const DEFAULT: &str = "sg-000000000000000a0";
const SET_GROUPS: &str = "ModifyNetworkInterfaceAttribute";

/// A pod that stays where it is, with an interface of each class, and the packets it sends all the time.
struct Beside {
    name: &'static str,
    packets: Packets,
}

/// Shape: IPv4 or IPv4+IPv6, 4 interfaces.
/// Another client of EC2 takes the ENI of one interface: the others lose no packet, and the pod's next sandbox has all four
/// again, one of them another ENI.
pub fn one_is_replaced(space: &Space) -> anyhow::Result<()> {
    let world = space.world;
    is_ready(space)?;
    let others: Vec<&str> = NAMES.into_iter().filter(|name| *name != "eni2").collect();
    let (victim, before) = (
        space.claim_of_interface("four", "eni2")?,
        claims(space, &others)?,
    );
    let packets = space.packets("four", of_interfaces(space, &others)?)?;
    let eni = victim["status"]["eni"]["id"].as_str().context("no ENI")?;
    let attachment = &victim["status"]["attachment"]["id"];
    let attachment = attachment.as_str().context("no attachment")?;
    world.ec2("DetachNetworkInterface", &[("AttachmentId", attachment)])?;
    world.wait("the ENI to be deleted", SOON, || {
        let deleted = world.ec2("DeleteNetworkInterface", &[("NetworkInterfaceId", eni)]);
        deleted.map(|_| true)
    })?;
    world.wait("another ENI of the same claim", 2 * SOON, || {
        let status = space.claim_of_interface("four", "eni2")?["status"].clone();
        Ok(status["eni"]["id"].is_string()
            && status["eni"]["id"] != eni
            && status["attachment"]["id"].is_string())
    })?;
    space.await_event("four", "interface eni2: ")?;
    let count = packets.end(world)?;
    println!("{count} packets by the others, none lost");
    let after = claims(space, &others)?;
    ensure!(after == before, "claims changed: {before:?}, {after:?}");
    let former = space.end_sandbox("four")?;
    space.await_sandbox("four", &former)?;
    each_reaches_the_peer(space, "four")?;
    space.delete_pods(&["four"])
}

/// Shape: IPv4 or IPv4+IPv6, 4 interfaces.
/// The groups of one class change twice: the first time all goes on, the second time the peer lets in no new connection from that
/// class; by the interfaces of the other one not a connection fails, and no packet is lost by any.
pub fn groups_of_one_class(space: &Space) -> anyhow::Result<()> {
    let world = space.world;
    is_ready(space)?;
    let before = claims(space, &FIRST_CLASS)?;
    let calls = world.calls(SET_GROUPS)?.len();
    let packets = space.packets("four", of_interfaces(space, &NAMES)?)?;
    let connections = of_interfaces(space, &FIRST_CLASS)?;
    let connections = connections
        .iter()
        .map(|from| space.traffic_from("four", from));
    let connections = connections.collect::<anyhow::Result<Vec<_>>>()?;
    for groups in [&[APP, DEFAULT][..], &[DEFAULT]] {
        let mut edited = second_class(space);
        edited["spec"]["securityGroups"]["ids"] = json!(groups);
        space.apply(&edited)?;
        for name in SECOND_CLASS {
            await_groups(space, name, groups)?;
        }
        packets.go_on(world)?;
        for from in of_interfaces(space, &SECOND_CLASS)? {
            let peer = peer_of(&from);
            let get = ["/probe", "get", &peer, "--from", &from, "--timeout", "1"];
            let is_let_in = space.exec("four", &get).is_ok();
            ensure!(
                is_let_in == groups.contains(&APP),
                "{from} under {groups:?}: {is_let_in}"
            );
        }
    }
    for traffic in connections {
        let seen = traffic.answered()?;
        world.wait("more connections", SOON, || {
            Ok(traffic.answered()? > seen + 5)
        })?;
        traffic.end()?;
    }
    let count = packets.end(world)?;
    println!("{count} packets by all interfaces, none lost");
    let after = claims(space, &FIRST_CLASS)?;
    ensure!(after == before, "claims changed: {before:?}, {after:?}");
    let of_first: Vec<&Value> = before.iter().map(|claim| &claim[0]["id"]).collect();
    let set = world.calls(SET_GROUPS)?.split_off(calls);
    let harmed = |call: &Value| of_first.contains(&&call["parameters"]["NetworkInterfaceId"]);
    ensure!(set.len() >= 4 && !set.iter().any(harmed), "calls: {set:#?}");
    space.delete_pods(&["four"])
}

/// Shape: IPv4 or IPv4+IPv6, 4 interfaces.
/// A container of the pod is killed, then its sandbox, then the pod goes to the other node: it has four interfaces each time, and the
/// pods beside it lose no packet, on neither node.
pub fn killed_and_moved(space: &Space) -> anyhow::Result<()> {
    let world = space.world;
    let nodes = [0, 1].map(|node| world.cluster.node(node).name());
    let beside = beside(space, &nodes)?;
    only_on(space, &nodes[1], &nodes[0])?;
    space.apply(&stateful(space))?;
    space.await_ready(POD)?;
    container_is_killed(space)?;
    let before = enis(space)?;
    let former = space.end_sandbox(POD)?;
    space.await_sandbox(POD, &former)?;
    each_reaches_the_peer(space, POD)?;
    ensure!(enis(space)? == before, "other ENIs in the next sandbox");
    only_on(space, &nodes[0], &nodes[1])?;
    moves_to(space, &nodes[1])?;
    let now = enis(space)?;
    ensure!(now.len() == 4, "its ENIs on the other node: {now:?}");
    for Beside { name, packets } in beside {
        let count = packets.end(world)?;
        println!("{count} packets by {name}, none lost");
    }
    space.kubectl(&["delete", "statefulset", "four", "--cascade=foreground"])?;
    space.delete_pods(&["near", "far"])
}

/// A pod on each node, with an interface of each class, which talks.
fn beside(space: &Space, nodes: &[String; 2]) -> anyhow::Result<Vec<Beside>> {
    two_classes(space)?;
    let both: Vec<String> = four(space).split(',').take(2).map(str::to_owned).collect();
    let names = ["near", "far"];
    for (name, node) in names.into_iter().zip(nodes) {
        let asking = asking_several(pod(name), space.name(), &both.join(","));
        space.apply(&on(asking, node))?;
    }
    let mut all = Vec::new();
    for name in names {
        space.await_ready(name)?;
        let from = of_interfaces_of(space, name, &NAMES[..2])?;
        let packets = space.packets(name, from)?;
        all.push(Beside { name, packets });
    }
    Ok(all)
}

/// The pod is deleted, and comes again on this node, with other ENIs.
fn moves_to(space: &Space, node: &str) -> anyhow::Result<()> {
    let before = enis(space)?;
    space.kubectl(&["delete", "pod", POD, "--wait=false"])?;
    space.world.wait("the pod on the other node", SOON, || {
        let pod = space.get("pod", POD)?;
        Ok(pod["spec"]["nodeName"] == node && enis(space)?.is_disjoint(&before))
    })?;
    space.await_ready(POD)?;
    each_reaches_the_peer(space, POD)
}

/// The pod of the `StatefulSet`.
const POD: &str = "four-0";

/// One pod of four interfaces, with a second container, which kubectl takes when none is named.
fn stateful(space: &Space) -> Value {
    let mut template = asking_several(pod("four"), space.name(), &four(space));
    template["metadata"]["labels"]["app"] = json!("four");
    template["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = json!("other");
    let other = json!({
        "name": "other", "image": "localhost/eniclaim/probe:dev",
        "command": ["/bin/busybox", "sleep", "3600"],
    });
    if let Some(containers) = template["spec"]["containers"].as_array_mut() {
        containers.push(other);
    }
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "four"},
        "spec": {
            "replicas": 1, "serviceName": "four", "selector": {"matchLabels": {"app": "four"}},
            "template": {"metadata": template["metadata"], "spec": template["spec"]},
        }
    })
}

/// What is made from now on comes to one of two nodes.
fn only_on(space: &Space, closed: &str, open: &str) -> anyhow::Result<()> {
    space.kubectl_at_end(&["uncordon", closed]);
    space.kubectl(&["cordon", closed])?;
    space.kubectl(&["uncordon", open]).map(drop)
}

/// Kubelet starts it again in the same sandbox, where the other container loses no packet meanwhile, and EC2 hears nothing of it.
fn container_is_killed(space: &Space) -> anyhow::Result<()> {
    let world = space.world;
    let packets = space.packets(POD, of_interfaces_of(space, POD, &NAMES)?)?;
    let changes = || -> anyhow::Result<usize> {
        let actions = [
            "CreateNetworkInterface",
            "AttachNetworkInterface",
            "DetachNetworkInterface",
        ];
        let counts = actions.map(|action| Ok(world.calls(action)?.len()));
        counts.into_iter().sum()
    };
    let before = changes()?;
    let uid = space.get("pod", POD)?["metadata"]["uid"].clone();
    for pid in world.pids_of_pod("probe", uid.as_str().context("no pod")?)? {
        world.signal(pid, Signal::KILL)?;
    }
    world.wait("the container to run again", SOON, || {
        let pod = space.get("pod", POD)?;
        let statuses = pod["status"]["containerStatuses"].as_array();
        let mut statuses = statuses.into_iter().flatten();
        Ok(statuses.any(|status| {
            status["name"] == "probe" && status["restartCount"] == 1 && status["ready"] == true
        }))
    })?;
    let count = packets.end(world)?;
    println!("{count} packets beside a container that was killed, none lost");
    ensure!(changes()? == before, "EC2 was asked for something");
    each_reaches_the_peer(space, POD)
}

/// The pod `four`, with its claims.
fn is_ready(space: &Space) -> anyhow::Result<()> {
    two_classes(space)?;
    space.apply(&asking_several(pod("four"), space.name(), &four(space)))?;
    space.await_ready("four")
}

fn of_interfaces(space: &Space, names: &[&str]) -> anyhow::Result<Vec<String>> {
    of_interfaces_of(space, "four", names)
}

fn of_interfaces_of(space: &Space, pod: &str, names: &[&str]) -> anyhow::Result<Vec<String>> {
    let each = names.iter().map(|name| of_interface(space, pod, name));
    Ok(each.collect::<anyhow::Result<Vec<_>>>()?.concat())
}

/// ENIs, attachments and devices of claims, all Ready.
fn claims(space: &Space, names: &[&str]) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    for name in names {
        let claim = space.claim_of_interface("four", name)?;
        let ready = condition(&claim, "Ready");
        ensure!(ready["status"] == "True", "{name}: {ready}");
        let status = &claim["status"];
        found.push(json!([
            status["eni"],
            status["attachment"],
            status["device"],
            ready
        ]));
    }
    Ok(found)
}

/// The ids of the ENIs of the `StatefulSet`'s pod.
fn enis(space: &Space) -> anyhow::Result<BTreeSet<String>> {
    let claims = space.claims_of(POD)?;
    let ids = claims
        .iter()
        .filter_map(|claim| claim["status"]["eni"]["id"].as_str());
    Ok(ids.map(str::to_owned).collect())
}

/// Waits until EC2 has these groups on the ENI of an interface.
fn await_groups(space: &Space, name: &str, wanted: &[&str]) -> anyhow::Result<()> {
    let claim = space.claim_of_interface("four", name)?;
    let eni = claim["status"]["eni"]["id"].as_str().context("no ENI")?;
    let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
    space.world.wait("the class's groups", SOON, || {
        let eni = space.world.eni(eni)?;
        let groups = eni["groups"].as_array().context("no groups")?;
        let groups: BTreeSet<&str> = groups.iter().filter_map(Value::as_str).collect();
        ensure!(groups == wanted, "{name} has {groups:?}");
        Ok(true)
    })
}

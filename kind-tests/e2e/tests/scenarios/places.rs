//! The plugin in the places of docs/cni.md where ptp is not: alone, as IPAM plugin, and behind host-device. Its pods are of a
//! `RuntimeClass` whose network is a list of that document.

use std::{fs, path::Path};

use anyhow::{Context, bail, ensure};
use e2e::world::{SOON, Signal, Space, condition, is_ready, peer_of, serving};
use serde_json::{Value, json};

use super::makers::{asking, class, on, pod};

const DOCUMENT: &str = "../../docs/cni.md";
/// Of the claim in the document.
const MAC: &str = "02:ec:00:00:00:0a";
/// A handler of the cluster's nodes for a network without any other interface.
pub const ALONE: &str = "eni";
/// One for networks in which host-device moves the device.
const HOST_DEVICE: &str = "host-device";
const METADATA: &str = "169.254.169.254:80";
const METADATA_V6: &str = "[fd00:ec2::254]:80";
const NETWORKS: &str = "k8s.v1.cni.cncf.io/network-status";
const IPV6_ALONE: &str = "subnet-000000000000000a6";
const APP: &str = "sg-000000000000000a2";
/// Lets in the VPC and the pods' networks.
pub const NODES: &str = "sg-000000000000000a1";
/// Lets in its members, of which there is none.
pub const DEFAULT: &str = "sg-000000000000000a0";
/// A port of the node that nobody has.
const HOST_PORT: u16 = 8081;

/// The ENI is the pod's `eth0`: its address is the pod's, kubelet's probes come to it by the VPC, and its security groups decide who
/// else does. A pod that does not ask is told so, and one in the node's network does not notice.
/// Shape: IPv4, Fallback, first.
/// Shape: IPv4+IPv6, Fallback, first.
/// Shape: IPv6, Fallback, first.
pub fn alone(space: &Space) -> anyhow::Result<()> {
    let [handler] = blocks("Alone", "toml")?;
    let [list] = blocks("Alone", "json")?;
    runtime_class(space, ALONE)?;
    for node in [0, 1] {
        let told = space
            .world
            .on_node(node, "cat /etc/containerd/config.toml")?;
        ensure!(told.contains(&handler), "containerd is told {told}");
        put_list(space, node, ALONE, &list)?;
    }
    apply_alone(space)?;
    space.await_event(
        "unasking",
        &format!(
            "pod {}/unasking does not ask for an ENI, and this network has nothing else for it: give it the label and the annotation \
             eniclaim.io/class",
            space.name()
        ),
    )?;
    for name in ["four", "dual", "six"] {
        space.await_ready(name)?;
        has_nothing_else(space, name).with_context(|| format!("pod {name}"))?;
    }
    groups_decide(space)?;
    let unready = space.get("pod", "unasking")?;
    ensure!(unready["status"]["podIP"].is_null(), "{unready:#}");
    space.delete_pods(&["four", "dual", "six", "closed", "unasking", "host", "other"])
}

fn apply_alone(space: &Space) -> anyhow::Result<()> {
    let [near, far] = [0, 1].map(|node| space.world.cluster.node(node).name());
    for (name, families, groups, node) in [
        ("four", json!(["IPv4"]), json!([APP]), &near),
        ("dual", json!(["IPv4", "IPv6"]), json!([APP, NODES]), &far),
        ("six", json!(["IPv6"]), json!([APP]), &near),
        ("closed", json!(["IPv4"]), json!([DEFAULT]), &far),
    ] {
        let named = of_families(space, name, &families, &groups)?;
        space.apply(&asking(of_handler(pod(name), ALONE, node), &named))?;
    }
    space.apply(&of_handler(pod("unasking"), ALONE, &near))?;
    let mut host = of_handler(pod("host"), ALONE, &far);
    host["spec"]["hostNetwork"] = json!(true);
    let container = &mut host["spec"]["containers"][0];
    container["args"] = json!(["serve", "--port", HOST_PORT.to_string()]);
    container["readinessProbe"]["httpGet"]["port"] = json!(HOST_PORT);
    space.apply(&host)?;
    space.apply(&on(pod("other"), &near))
}

/// The pod is where its ENI is, by all that anybody says, and what it starts leaves by the ENI.
fn has_nothing_else(space: &Space, pod: &str) -> anyhow::Result<()> {
    let claim = space.claim_of(pod)?;
    is_the_pods_own(space, pod, &claim)?;
    let device = &claim["status"]["device"];
    ensure!(device["ifName"] == "eth0", "{device}");
    let links = space.exec(pod, &["/bin/ip", "-o", "link"])?;
    let mac = mac(&claim)?;
    let others = links.lines().filter(|link| {
        let own = link.contains(": eth0@") && link.contains(&mac);
        !(own || link.contains(": lo: "))
    });
    ensure!(others.count() == 0, "links beside {mac}: {links}");
    reaches_the_peer(space, pod, &claim)?;
    metadata_is_refused(space, pod, &claim)?;
    space.world.wait("the annotation to name eth0", SOON, || {
        let pod = space.get("pod", pod)?;
        let text = pod["metadata"]["annotations"][NETWORKS].as_str();
        let list: Value = serde_json::from_str(text.context("no annotation")?)?;
        ensure!(list[0]["interface"] == "eth0", "{list}");
        Ok(true)
    })
}

/// Who comes in: by the groups of the ENI, wherever it is.
fn groups_decide(space: &Space) -> anyhow::Result<()> {
    space.await_pod("host", SOON)?;
    let other = space.await_pod("other", SOON)?;
    let [four, dual, six] = ["four", "dual", "six"].map(|pod| addresses(space, pod));
    let (four, dual, six) = (four?, dual?, six?);
    let host = space.world.cluster.node(1).address();
    let other = other["status"]["podIP"].as_str().context("no address")?;
    for (who, from, to) in [
        ("host", host.as_str(), four[0].as_str()),
        ("other", other, dual[0].as_str()),
        ("four", four[0].as_str(), dual[0].as_str()),
        ("six", six[0].as_str(), dual[1].as_str()),
    ] {
        let answer = space.exec(who, &["/probe", "get", &serving(to)])?;
        ensure!(answer == format!("hello {from}\n"), "{who}: {answer:?}");
    }
    let refused = space.exec(
        "other",
        &["/probe", "get", &serving(&four[0]), "--timeout", "1"],
    );
    ensure!(refused.is_err(), "the ENI let in a pod's network");
    space.await_event("closed", "Readiness probe failed")?;
    let closed = space.get("pod", "closed")?;
    ensure!(!is_ready(&closed), "kubelet reached it: {closed:#}");
    Ok(())
}

/// host-device moves the device, and gives it the claim's addresses. The claim does not say Ready, and nobody blocks the metadata
/// service.
/// Shape: IPv4, IPAM.
/// Shape: IPv4+IPv6, IPAM.
pub fn as_ipam_plugin(space: &Space) -> anyhow::Result<()> {
    let [list, _] = blocks("As IPAM plugin", "json")?;
    runtime_class(space, HOST_DEVICE)?;
    let pods = ["four", "dual"];
    apply_moved(space, &[&list, &list])?;
    for name in pods {
        let claim = space.claim_of(name)?;
        space.await_pod(name, 2 * SOON)?;
        is_the_pods_own(space, name, &claim)?;
        reaches_the_peer(space, name, &claim)?;
        space.exec(name, &["/probe", "connect", METADATA])?;
        let ready = condition(&space.claim_of(name)?, "Ready");
        ensure!(ready["status"] != "True", "the claim says {ready}");
    }
    space.delete_pods(&pods)
}

/// host-device moves the device, and the plugin behind it configures it there. DEL leaves it to host-device, which gives it back
/// under its old name. Without addresses from host-device's own IPAM plugin the runtime finds none in the result.
/// Shape: IPv4, after host-device.
/// Shape: IPv4+IPv6, after host-device.
pub fn behind_host_device(space: &Space) -> anyhow::Result<()> {
    let [without] = blocks("Behind host-device", "json")?;
    let [_, list] = blocks("As IPAM plugin", "json")?;
    runtime_class(space, HOST_DEVICE)?;
    let pods = ["four", "dual"];
    let names = apply_moved(space, &[&without, &list])?;
    space.await_event("four", "failed to find network info for sandbox")?;
    put_list_of(space, 0, "four", &list)?;
    for name in pods {
        space.await_ready(name)?;
        let claim = space.claim_of(name)?;
        is_the_pods_own(space, name, &claim)?;
        reaches_the_peer(space, name, &claim)?;
        metadata_is_refused(space, name, &claim)?;
        let plugged = condition(&claim, "Plugged");
        let message = plugged["message"].as_str().unwrap_or_default();
        ensure!(message.contains("another CNI plugin"), "{plugged}");
    }
    // Long enough to look at the node meanwhile.
    space.fault(
        &json!({"action": "DetachNetworkInterface", "times": pods.len(), "delayMs": 3000}),
    )?;
    let macs = [
        mac(&space.claim_of("four")?)?,
        mac(&space.claim_of("dual")?)?,
    ];
    let delete = ["delete", "pod", "four", "dual", "--wait=false"];
    space.kubectl(&delete)?;
    for (node, (mac, name)) in macs.iter().zip(&names).enumerate() {
        space.world.wait("the device on the host", SOON, || {
            let link = link_of(space, node, mac)?;
            ensure!(link == *name, "it is {link}, and was {name}");
            Ok(true)
        })?;
    }
    space.delete_pods(&pods)
}

/// Applies the pods `four` and `dual`, one on each node, with the list there that names the MAC address of its ENI; gives the names of
/// their devices on the host. Kubelet sees the pods once the devices are there: host-device does not wait.
fn apply_moved(space: &Space, lists: &[&str; 2]) -> anyhow::Result<[String; 2]> {
    let mut names = [String::new(), String::new()];
    for (node, families) in [json!(["IPv4"]), json!(["IPv4", "IPv6"])]
        .iter()
        .enumerate()
    {
        let name = ["four", "dual"][node];
        let class = of_families(space, name, families, &json!([APP]))?;
        space.at_end(move |world| world.signal_kubelet(node, Signal::CONT));
        space.world.signal_kubelet(node, Signal::STOP)?;
        let on = space.world.cluster.node(node).name();
        space.apply(&asking(of_handler(pod(name), HOST_DEVICE, &on), &class))?;
    }
    for (node, list) in lists.iter().enumerate() {
        let name = ["four", "dual"][node];
        space.world.wait("the device on the host", SOON, || {
            names[node] = link_of(space, node, &mac(&space.claim_of(name)?)?)?;
            Ok(true)
        })?;
        put_list_of(space, node, name, list)?;
        space.world.signal_kubelet(node, Signal::CONT)?;
    }
    Ok(names)
}

/// The list with the MAC address of the pod's ENI.
pub fn put_list_of(space: &Space, node: usize, pod: &str, list: &str) -> anyhow::Result<()> {
    ensure!(list.contains(MAC), "no MAC address in {list}");
    let list = list.replace(MAC, &mac(&space.claim_of(pod)?)?);
    put_list(space, node, HOST_DEVICE, &list)
}

/// The pod's addresses are those of its ENI, and on its `eth0`.
fn is_the_pods_own(space: &Space, pod: &str, claim: &Value) -> anyhow::Result<()> {
    let own = of_claim(claim)?;
    let seen = addresses(space, pod)?;
    ensure!(seen == own, "the pod's addresses are {seen:?}, not {own:?}");
    let link = space.exec(pod, &["/bin/ip", "address", "show", "eth0"])?;
    let here = |address: &String| link.contains(&format!(" {address}/"));
    ensure!(
        link.contains(&mac(claim)?) && own.iter().all(here),
        "eth0 without {own:?}: {link}"
    );
    Ok(())
}

/// What it starts without choosing an address comes from the ENI's.
fn reaches_the_peer(space: &Space, pod: &str, claim: &Value) -> anyhow::Result<()> {
    for own in of_claim(claim)? {
        let answer = space.exec(pod, &["/probe", "get", &peer_of(&own)])?;
        ensure!(
            answer == format!("hello {own}\n"),
            "the peer saw {answer:?}"
        );
    }
    Ok(())
}

/// In the first family that it has.
fn metadata_is_refused(space: &Space, pod: &str, claim: &Value) -> anyhow::Result<()> {
    let is_v6 = of_claim(claim)?.iter().all(|own| own.contains(':'));
    let to = if is_v6 { METADATA_V6 } else { METADATA };
    match space.exec(pod, &["/probe", "connect", to]) {
        // The kernel's answer to a socket whose way is a black hole.
        Err(error) if format!("{error:#}").contains("Invalid argument") => Ok(()),
        other => bail!("not the block of the metadata service: {other:?}"),
    }
}

/// A class of the scenario's with these families and groups.
fn of_families(
    space: &Space,
    name: &str,
    families: &Value,
    groups: &Value,
) -> anyhow::Result<String> {
    let named = format!("{}-{name}", space.name());
    let mut class = class(space);
    class["metadata"]["name"] = json!(named);
    class["spec"]["ipFamilies"] = families.clone();
    class["spec"]["securityGroups"]["ids"] = groups.clone();
    if *families == json!(["IPv6"]) {
        class["spec"]["subnets"]["ids"] = json!([IPV6_ALONE]);
    }
    space.apply(&class)?;
    Ok(named)
}

/// A `RuntimeClass`, whose nodes have no list when the scenario ends. Its pods go first: without a list the runtime ends no sandbox.
pub fn runtime_class(space: &Space, handler: &'static str) -> anyhow::Result<()> {
    space.kubectl_at_end(&["delete", "runtimeclass", handler, "--ignore-not-found"]);
    for node in [0, 1] {
        let remove = format!("rm -f {}", file(handler));
        space.at_end(move |world| world.on_node(node, &remove).map(drop));
    }
    let delete = ["-n", space.name(), "delete", "pods", "--all"];
    space.kubectl_at_end(&[&delete[..], &["--timeout=60s"]].concat());
    space.apply(&json!({
        "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": handler}, "handler": handler,
    }))
}

pub fn of_handler(pod: Value, handler: &str, node: &str) -> Value {
    let mut pod = on(pod, node);
    pod["spec"]["runtimeClassName"] = json!(handler);
    pod
}

fn file(handler: &str) -> String {
    format!("/etc/cni/{handler}.d/10-{handler}.conflist")
}

pub fn put_list(space: &Space, node: usize, handler: &str, list: &str) -> anyhow::Result<()> {
    space.world.put_on_node(node, &file(handler), list)
}

/// The blocks of a language below a heading of the document.
pub fn blocks<const N: usize>(heading: &str, language: &str) -> anyhow::Result<[String; N]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut sections = text.split("\n## ");
    let section = sections.find(|section| section.lines().next() == Some(heading));
    let section = section.with_context(|| format!("no heading {heading}"))?;
    let opening = format!("```{language}\n");
    let blocks = section.split(&opening).skip(1);
    let blocks = blocks.filter_map(|block| Some(block.split("```").next()?.to_owned()));
    let blocks: Vec<String> = blocks.collect();
    <[String; N]>::try_from(blocks)
        .map_err(|blocks| anyhow::anyhow!("below {heading} there are {blocks:?}"))
}

/// The name of a link on a node by its MAC address.
fn link_of(space: &Space, node: usize, mac: &str) -> anyhow::Result<String> {
    let links = space.world.on_node(node, "ip -o link")?;
    let link = links.lines().find(|link| link.contains(mac));
    let name = link.and_then(|link| link.split([':', '@']).nth(1));
    Ok(name
        .with_context(|| format!("no {mac} in {links}"))?
        .trim()
        .to_owned())
}

fn mac(claim: &Value) -> anyhow::Result<String> {
    let mac = claim["status"]["eni"]["mac"].as_str();
    Ok(mac.context("the claim has no MAC address")?.to_owned())
}

/// The addresses of a claim's ENI.
fn of_claim(claim: &Value) -> anyhow::Result<Vec<String>> {
    listed(&claim["status"]["ipam"]["addresses"], "address")
}

/// The addresses of a pod, by its object.
fn addresses(space: &Space, pod: &str) -> anyhow::Result<Vec<String>> {
    listed(&space.get("pod", pod)?["status"]["podIPs"], "ip")
}

fn listed(list: &Value, key: &str) -> anyhow::Result<Vec<String>> {
    let all = list.as_array().context("no addresses")?.iter();
    let all = all.map(|one| Some(one[key].as_str()?.to_owned()));
    all.collect::<Option<_>>().context("no address")
}

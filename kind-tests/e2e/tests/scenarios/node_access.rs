//! Pods whose only interfaces are their ENIs, and a bridge of their node: who reaches whom, and which way.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use anyhow::{Context, ensure};
use e2e::world::{PORT, SOON, SYSTEM, Space};
use serde_json::json;

use super::{
    default_route::{DNS, of_the_host, service},
    default_route_asked::{Family, at},
    dual_stack,
    makers::{asking, class, on, pod},
    places::{ALONE, DEFAULT, NODES, blocks, of_handler, put_list, runtime_class},
};

/// The table that this scenario measures.
const TABLE: &str = "../../docs/reference/node-access.md";
/// A pod whose ENI lets nobody in, and one whose ENI lets in the VPC.
const PODS: [&str; 2] = ["closed", "open"];
const HOST_PORT: u16 = 8090;
/// What `NodeLocal` `DNSCache` and the agent of Amazon ECS have on a node.
const ON_NODE: [&str; 2] = ["169.254.20.10", "169.254.170.2"];
const SECONDS: u8 = 1;
/// How many connections an answer is measured with. Each has two packets at least either way.
const TIMES: u64 = 5;
const REMOVE_BRIDGE: &str = "! ip link show eniclaim0 > /dev/null 2>&1 || ip link del eniclaim0";

type Table = BTreeMap<(Family, usize, &'static str), Vec<&'static str>>;

/// What is asked, by whom, and where.
struct Question {
    what: &'static str,
    who: String,
    to: String,
    /// The address that is asked from, if it is not the kernel's choice.
    from: Option<String>,
}

/// Shape: IPv4+IPv6, Fallback, first.
/// kubelet's probes, Services, DNS, credentials and the node itself are reached over the bridge, whatever the ENI's security groups say;
/// what the node forwards, if these let it in; other pods over the bridge, the metadata service and from a foreign address, never.
pub fn who_reaches_whom(space: &Space) -> anyhow::Result<()> {
    dual_stack::on_the_first_node(space)?;
    runtime_class(space, ALONE)?;
    let [list] = blocks("Alone, with node access", "json")?;
    put_list(space, 0, ALONE, &list)?;
    space.at_end(|world| world.on_node(0, REMOVE_BRIDGE).map(drop));
    apply(space)?;
    for name in PODS.iter().chain(&["other", "host", "neighbour"]) {
        // Ready: kubelet's probes are answered.
        space
            .await_pod(name, SOON)
            .with_context(|| (*name).to_owned())?;
    }
    says_its_address(space)?;
    let mut table = Table::new();
    for family in [Family::V4, Family::V6] {
        for name in PODS {
            for (row, question) in questions(space, name, family)?.into_iter().enumerate() {
                let by = ask(space, name, &question)?;
                let key = (family, row, question.what);
                table.entry(key).or_default().push(by);
            }
        }
    }
    compare(&render(&table))?;
    let pods = ["closed", "open", "other", "host", "neighbour"];
    space.kubectl(&[&["delete", "pod", "--timeout=60s"], &pods[..]].concat())?;
    nothing_is_left(space)?;
    // The bridge stays, for others of the node.
    space.world.on_node(0, REMOVE_BRIDGE)?;
    space.delete_pods(&pods)
}

fn apply(space: &Space) -> anyhow::Result<()> {
    let [near, far] = [0, 1].map(|node| space.world.cluster.node(node).name());
    let [settings] = blocks("Alone, with node access", "yaml")?;
    for (name, group) in PODS.into_iter().zip([DEFAULT, NODES]) {
        let named = format!("{}-{name}", space.name());
        let mut class = class(space);
        class["metadata"]["name"] = json!(named);
        class["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
        class["spec"]["securityGroups"]["ids"] = json!([group]);
        space.apply(&class)?;
        space.kubectl(&["patch", "eniclass", &named, "--type=merge", "-p", &settings])?;
        let mut pod = asking(of_handler(pod(name), ALONE, &near), &named);
        pod["metadata"]["labels"]["app"] = json!(name);
        let port = HOST_PORT + u16::from(name == "open");
        pod["spec"]["containers"][0]["ports"] = json!([{"containerPort": PORT, "hostPort": port}]);
        space.apply(&pod)?;
        space.apply(&service(name, name, None))?;
    }
    let mut other = on(pod("other"), &near);
    other["metadata"]["labels"] = json!({"app": "other"});
    space.apply(&other)?;
    space.apply(&service("other", "other", None))?;
    space.apply(&service("dns", "other", Some(DNS)))?;
    space.apply(&of_the_host("host", &near, 80))?;
    space.apply(&of_the_host("neighbour", &far, 8081))?;
    let credentials = [Family::V4, Family::V6].map(Family::credentials);
    for address in ON_NODE.iter().chain(&credentials) {
        let delete = format!("ip address del {address} dev lo");
        space.at_end(move |world| world.on_node(0, &delete).map(drop));
        space
            .world
            .on_node(0, &format!("ip address add {address} dev lo"))?;
    }
    Ok(())
}

/// Each in its claim, and both in the agent's own table.
fn says_its_address(space: &Space) -> anyhow::Result<()> {
    let agent = space.world.agent_pod(0)?;
    let status = [
        "-n",
        SYSTEM,
        "exec",
        &agent,
        "--",
        "/eniclaim-agent",
        "status",
    ];
    let said = space.world.kubectl(&status)?;
    for name in PODS {
        let claim = space.claim_of(name)?;
        let device = &claim["status"]["device"];
        let addresses = device["nodeAccess"].as_array().context("no nodeAccess")?;
        ensure!(
            addresses.len() == 2 && device["ifName"] == "eth0",
            "{device}"
        );
        let address = addresses[0].as_str().unwrap_or_default();
        ensure!(said.contains(address), "{address} is not in:\n{said}");
    }
    Ok(())
}

fn questions(space: &Space, pod: &str, family: Family) -> anyhow::Result<Vec<Question>> {
    let own = |what, to: String| Question {
        what,
        who: pod.to_owned(),
        to,
        from: None,
    };
    let other = PODS
        .iter()
        .find(|other| **other != pod)
        .context("one pod")?;
    let (eni, node) = (family.pod(space, pod)?, family.node(space, 0)?);
    let of = |name: &str| on_bridge(space, name, family);
    let mut all = vec![
        own("asks a Service", at(&family.service(space, "other")?, 53)?),
        own(
            "asks its own Service",
            at(&family.service(space, pod)?, 53)?,
        ),
        own("asks cluster DNS", at(&family.service(space, "dns")?, 53)?),
        own("asks its node", at(&node, 80)?),
        own(
            "asks for credentials of EKS Pod Identity",
            at(family.credentials(), 80)?,
        ),
    ];
    if family == Family::V4 {
        all.push(own(
            "asks NodeLocal DNSCache at 169.254.20.10",
            at(ON_NODE[0], 80)?,
        ));
        all.push(own(
            "asks for credentials at 169.254.170.2",
            at(ON_NODE[1], 80)?,
        ));
    }
    let metadata = match family {
        Family::V4 => "169.254.169.254",
        Family::V6 => "fd00:ec2::254",
    };
    all.extend([
        own("asks the instance metadata service", at(metadata, 80)?),
        own(
            "asks the other pod of the bridge at its address there",
            at(&of(other)?, PORT)?,
        ),
        Question {
            from: Some(eni.clone()),
            ..own("asks its node from the ENI's address", at(&node, 80)?)
        },
        own("asks somebody outside the VPC", at(family.outside(), 80)?),
    ]);
    let asked = |what, who: &str, to| Question {
        what,
        who: who.to_owned(),
        to,
        from: None,
    };
    let port = HOST_PORT + u16::from(pod == "open");
    all.extend([
        asked("is asked by its node", "host", at(&eni, PORT)?),
        asked(
            "is asked by its node at its Service",
            "host",
            at(&family.service(space, pod)?, 53)?,
        ),
        asked("is asked by a pod of its node", "other", at(&eni, PORT)?),
        asked(
            "is asked by a pod of its node at its Service",
            "other",
            at(&family.service(space, pod)?, 53)?,
        ),
        asked(
            "is asked by a neighbour of the node at its host port",
            "neighbour",
            at(&node, port)?,
        ),
        asked(
            "is asked by a neighbour of the node at the ENI's address",
            "neighbour",
            at(&eni, PORT)?,
        ),
    ]);
    Ok(all)
}

/// The pod's address on the bridge.
fn on_bridge(space: &Space, pod: &str, family: Family) -> anyhow::Result<String> {
    let claim = space.claim_of(pod)?;
    let address = family.of(&claim["status"]["device"]["nodeAccess"]);
    let address = address.and_then(|address| address.split('/').next());
    Ok(address
        .with_context(|| format!("{pod} is not on the bridge"))?
        .to_owned())
}

/// By which interface of the pod the packets of connections go; `no` without one.
fn ask(space: &Space, pod: &str, question: &Question) -> anyhow::Result<&'static str> {
    let before = sent_by_eni(space, pod)?;
    let from = question
        .from
        .as_deref()
        .map(|from| format!(" --from {from}"));
    let connect = format!(
        "/probe connect {} --timeout {SECONDS}{}",
        question.to,
        from.unwrap_or_default()
    );
    let script = format!("for i in $(seq {TIMES}); do {connect} || exit 1; done");
    // Outside the VPC nobody serves what the probe expects: that the connection stands is the answer.
    if space
        .exec(&question.who, &["/bin/sh", "-c", &script])
        .is_err()
    {
        return Ok("no");
    }
    // kubelet's probes go by node0 all the time. Of the ENI there is at most ARP or neighbour discovery besides.
    let sent = sent_by_eni(space, pod)? - before;
    Ok(if sent >= 2 * TIMES { "eth0" } else { "node0" })
}

/// How many packets the pod's ENI has sent.
fn sent_by_eni(space: &Space, pod: &str) -> anyhow::Result<u64> {
    let script = "cat /sys/class/net/eth0/statistics/tx_packets";
    let said = space.exec(pod, &["/bin/sh", "-c", script])?;
    Ok(said.trim().parse()?)
}

/// Bridge and table are the node's; what was of the pods is gone.
fn nothing_is_left(space: &Space) -> anyhow::Result<()> {
    let script = "ip -j link show master eniclaim0; ip rule show priority 256; ip -6 rule show priority 256; \
                  ip route show table 23599 2>&1; nft list tables | grep eniclaim || true";
    let said = space.world.on_node(0, script)?;
    let left: Vec<&str> = said
        .lines()
        .filter(|line| {
            ![
                "[]",
                "Error: ipv4: FIB table does not exist.",
                "Dump terminated",
            ]
            .contains(line)
        })
        .collect();
    ensure!(left.is_empty(), "left on the node: {left:#?}");
    Ok(())
}

fn render(table: &Table) -> String {
    let mut text = String::from(
        "# Who reaches a pod with node access, and whom it reaches\n\n\
         Measured by the scenario `pod_with_node_access_reaches_its_node_and_no_neighbour` on a cluster with ptp, kube-proxy and portmap. Make it \
         again with: `ENICLAIM_WRITE=1 make e2e SCENARIO=pod_with_node_access_reaches_its_node_and_no_neighbour`.\n\n\
         Pods whose class says `nodeAccess`, with their ENI as `eth0` and `node0` on the bridge of their node. `closed` has an ENI whose security \
         group lets nobody in, that of `open` lets in the VPC and the pods' networks. `no`: there is no answer.\n",
    );
    let mut title = None;
    for ((family, _, what), by) in table {
        if title.replace(*family) != Some(*family) {
            let name = family.name();
            let _ = write!(
                text,
                "\n## {name}\n\n| the pod | closed | open |\n|---|---|---|\n"
            );
        }
        let _ = writeln!(text, "| {what} | {} |", by.join(" | "));
    }
    text
}

fn compare(measured: &str) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    if env::var_os("ENICLAIM_WRITE").is_some() {
        return Ok(fs::write(path, measured)?);
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    ensure!(
        measured == written,
        "docs/reference/node-access.md says otherwise; measured was:\n{measured}"
    );
    Ok(())
}

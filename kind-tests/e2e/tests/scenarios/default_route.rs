//! Who answers a pod, and whom it answers, by which interface, under each default route: ENI, node and a neighbour are in one subnet.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use anyhow::{Context, ensure};
use e2e::world::{PEER, PORT, SOON, Space};
use serde_json::{Value, json};

use super::makers::{asking, class, on, pod};

/// One pod of each mode.
const MODES: [&str; 3] = ["Never", "Fallback", "Primary"];
/// The table that this scenario measures.
const TABLE: &str = "../../docs/reference/default-route.md";
/// Where EC2 answers, outside the VPC.
const OUTSIDE: &str = "192.0.2.1:80";
/// Cluster DNS, as kubelet tells it to pods.
const DNS: &str = "10.96.0.10";
/// EKS Pod Identity, on every node.
const CREDENTIALS: &str = "169.254.170.23";
/// A TCP connection sends at least so many packets; neighbour discovery and the like, fewer.
const CONNECTION: u64 = 3;

/// A question to somebody, or by somebody: what a person calls it, and where to.
type Question = (&'static str, String);

/// Shape: IPv4.
/// Shape: IPv4, Fallback.
/// Shape: IPv4, Primary.
/// Everybody who answered before does, by the interface that the table says, as the counters of the interface show.
pub fn who_answers(space: &Space) -> anyhow::Result<()> {
    apply(space)?;
    let own = MODES.map(str::to_lowercase);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let others = ["other", "far", "host", "neighbour"];
    // Ready: kubelet's probes are answered.
    for name in own.iter().chain(&others) {
        space.await_pod(name, SOON)?;
    }
    let mut table: BTreeMap<(usize, &str), Vec<String>> = BTreeMap::new();
    for pod in &own {
        let seen = outward(space, pod)?.into_iter().chain(inward(space, pod)?);
        for (row, (what, by)) in seen.enumerate() {
            table.entry((row, what)).or_default().push(by);
        }
    }
    compare(&render(&table))?;
    space.delete_pods(&[&own[..], &others].concat())
}

fn apply(space: &Space) -> anyhow::Result<()> {
    let [near, far] = [0, 1].map(|node| space.world.cluster.node(node).name());
    primary_class(space)?;
    for mode in MODES {
        let name = mode.to_lowercase();
        if mode != "Primary" {
            let mut class = class(space);
            class["metadata"]["name"] = json!(name);
            class["spec"]["interface"] = json!({"defaultRoute": mode});
            space.apply(&class)?;
        }
        let mut asking = asking(on(pod(&name), &near), &name);
        asking["metadata"]["labels"]["app"] = json!(name);
        space.apply(&asking)?;
        space.apply(&service(&name, &name, None))?;
    }
    for (name, node) in [("other", &near), ("far", &far)] {
        let mut plain = on(pod(name), node);
        plain["metadata"]["labels"] = json!({"app": name});
        space.apply(&plain)?;
    }
    space.apply(&service("other", "other", None))?;
    space.apply(&service("dns", "other", Some(DNS)))?;
    space.apply(&of_the_host("host", &near, 80))?;
    space.apply(&of_the_host("neighbour", &far, 8081))?;
    let address = format!("{CREDENTIALS}/32 dev lo");
    space.at_end(|world| {
        let delete = format!("ip address del {CREDENTIALS}/32 dev lo");
        world.on_node(0, &delete).map(drop)
    });
    let add = format!("ip address add {address}");
    space.world.on_node(0, &add).map(drop)
}

/// That of docs/examples, in this namespace.
fn primary_class(space: &Space) -> anyhow::Result<()> {
    space.owns_class("primary");
    space.kubectl(&["apply", "-f", &space.world.example("primary-class.yaml")])?;
    let here = json!({"spec": {"namespaceSelector": null}});
    let everywhere = json!({"spec": {"namespaceSelector": {}}});
    for patch in [here, everywhere] {
        let patch = patch.to_string();
        space.kubectl(&["patch", "eniclass", "primary", "--type=merge", "-p", &patch])?;
    }
    Ok(())
}

/// A Service that leads to the pods of an app.
fn service(name: &str, app: &str, address: Option<&str>) -> Value {
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": app}, "ports": [{"port": 53, "targetPort": PORT}]},
    });
    if let Some(address) = address {
        service["spec"]["clusterIP"] = json!(address);
    }
    service
}

/// A pod in the network of its node.
fn of_the_host(name: &str, node: &str, port: u16) -> Value {
    let mut host = on(pod(name), node);
    host["spec"]["hostNetwork"] = json!(true);
    let container = &mut host["spec"]["containers"][0];
    container["args"] = json!(["serve", "--port", port.to_string()]);
    container["readinessProbe"]["httpGet"]["port"] = json!(port);
    host
}

/// What the pod starts, without choosing an address: each answer's way.
fn outward(space: &Space, pod: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    let nodes = [0, 1].map(|node| space.world.cluster.node(node).address());
    let services: Vec<String> = ["other", pod]
        .into_iter()
        .map(|name| {
            Ok(format!(
                "{}:53",
                text_at(space, "service", name, "{.spec.clusterIP}")?
            ))
        })
        .collect::<anyhow::Result<_>>()?;
    let questions: Vec<Question> = vec![
        ("asks a Service", services[0].clone()),
        ("asks its own Service", services[1].clone()),
        ("asks cluster DNS", format!("{DNS}:53")),
        (
            "asks for credentials at 169.254.170.23",
            format!("{CREDENTIALS}:80"),
        ),
        ("asks its node", format!("{}:80", nodes[0])),
        (
            "asks a pod of its node",
            format!("{}:{PORT}", address(space, "other")?),
        ),
        (
            "asks a pod of another node",
            format!("{}:{PORT}", address(space, "far")?),
        ),
        (
            "asks a neighbour in the subnet of ENI and node",
            format!("{}:8081", nodes[1]),
        ),
        (
            "asks a peer that lets in the ENI's security group alone",
            format!("{PEER}:{PORT}"),
        ),
        ("asks somebody outside the VPC", OUTSIDE.to_owned()),
    ];
    let mut script =
        String::from("eni() { /bin/busybox awk '/eni0:/ { print $11 }' /proc/net/dev; }\n");
    for (_, to) in &questions {
        // Outside the VPC nobody serves what the probe expects: that the connection stands is the answer.
        let verb = if to == OUTSIDE { "connect" } else { "get" };
        writeln!(
            script,
            "before=$(eni); /probe {verb} {to} --timeout 1 >/dev/null 2>&1; echo $before $? $(eni)"
        )?;
    }
    let said = space.exec(pod, &["/bin/sh", "-c", &script])?;
    let lines: Vec<&str> = said.lines().collect();
    ensure!(lines.len() == questions.len(), "{pod}: {said}");
    (questions.iter().zip(lines))
        .map(|((what, _), line)| Ok((*what, way(line).with_context(|| format!("{pod} {what}"))?)))
        .collect()
}

/// Who asks the pod, at its usual address and at the ENI's: by which interface it answers.
fn inward(space: &Space, pod: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    let (usual, eni) = (address(space, pod)?, space.eni_address(pod)?);
    let mut seen = vec![
        // It is Ready, so they were answered; and they go to the pod's usual address.
        ("is asked by kubelet's probes", "eth0".to_owned()),
    ];
    for (what, who, to) in [
        ("is asked by its node", "host", &usual),
        (
            "is asked by a neighbour in the subnet of ENI and node",
            "neighbour",
            &usual,
        ),
        ("is asked by a pod of its node", "other", &usual),
        ("is asked by a pod of another node", "far", &usual),
        (
            "is asked by a neighbour at the ENI's address",
            "neighbour",
            &eni,
        ),
    ] {
        let sent = || -> anyhow::Result<u64> {
            let awk = [
                "/bin/busybox",
                "awk",
                "/eni0:/ { print $11 }",
                "/proc/net/dev",
            ];
            Ok(space.exec(pod, &awk)?.trim().parse()?)
        };
        let before = sent()?;
        let asked = space.exec(
            who,
            &["/probe", "get", &format!("{to}:{PORT}"), "--timeout", "1"],
        );
        let failed = i32::from(asked.is_err());
        let line = format!("{before} {failed} {}", sent()?);
        seen.push((what, way(&line).with_context(|| format!("{pod} {what}"))?));
    }
    Ok(seen)
}

/// From what the ENI had sent before and after, and whether there was an answer.
fn way(line: &str) -> anyhow::Result<String> {
    let numbers: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>()?;
    let [before, failed, after] = numbers[..] else {
        anyhow::bail!("not three numbers: {line}");
    };
    let by_eni = after - before >= CONNECTION;
    Ok(match (failed, by_eni) {
        (0, true) => "eni0",
        (0, false) => "eth0",
        _ => "no answer",
    }
    .to_owned())
}

fn address(space: &Space, pod: &str) -> anyhow::Result<String> {
    text_at(space, "pod", pod, "{.status.podIP}")
}

fn text_at(space: &Space, kind: &str, name: &str, path: &str) -> anyhow::Result<String> {
    let text = space.kubectl(&["get", kind, name, "-o", &format!("jsonpath={path}")])?;
    ensure!(!text.is_empty(), "{kind} {name} has no {path}");
    Ok(text)
}

fn render(table: &BTreeMap<(usize, &str), Vec<String>>) -> String {
    let mut text = String::from(
        "# Which interface answers\n\n\
         Measured by the scenario `who_answers_by_which_interface` on a cluster with ptp and kube-proxy, where the VPC routes the pods' networks; \
         make it again with: `ENICLAIM_WRITE=1 make e2e SCENARIO=who_answers_by_which_interface`.\n\n\
         A pod with `eth0` of the cluster and an ENI as `eni0`, by `interface.defaultRoute` of its class. What it asks, it asks without choosing \
         an address or interface.\n\n\
         | the pod | Never | Fallback | Primary |\n|---|---|---|---|\n",
    );
    for ((_, what), by) in table {
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
        "docs/reference/default-route.md says otherwise; measured was:\n{measured}"
    );
    Ok(())
}

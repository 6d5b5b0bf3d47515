//! Who answers a pod, and whom it answers, by which interface, under each default route: ENI, node and a neighbour are in one subnet.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use anyhow::ensure;
use e2e::world::{PORT, SOON, Space};
use serde_json::{Value, json};

use super::{
    default_route_asked::{Family, inward, outward},
    dual_stack,
    makers::{asking, class, on, pod},
};

/// Pods of each mode: one whose ENI has IPv4, and one whose ENI has both families.
const MODES: [&str; 3] = ["Never", "Fallback", "Primary"];
/// The table that this scenario measures.
const TABLE: &str = "../../docs/reference/default-route.md";
/// Cluster DNS, as kubelet tells it to pods.
pub const DNS: &str = "10.96.0.10";

/// Which interface answers under each mode, by family, the number of the row, and what a person calls it.
type Table = BTreeMap<(Family, usize, &'static str), Vec<String>>;

/// Shape: IPv4 or IPv4+IPv6, Never or Fallback or Primary.
/// Everybody who answered before does, by the interface that the table says, as the counters of the interface show.
pub fn who_answers(space: &Space) -> anyhow::Result<()> {
    dual_stack::on_the_first_node(space)?;
    apply(space)?;
    let own: Vec<(Family, String)> = MODES.into_iter().flat_map(own).collect();
    let names: Vec<&str> = own.iter().map(|(_, name)| name.as_str()).collect();
    let others = ["other", "far", "host", "neighbour"];
    // Ready: kubelet's probes are answered.
    for name in names.iter().chain(&others) {
        space.await_pod(name, SOON)?;
    }
    let mut table = Table::new();
    for (family, pod) in &own {
        let answers = outward(space, pod, *family)?;
        let seen = answers.into_iter().chain(inward(space, pod, *family)?);
        for (row, (what, by)) in seen.enumerate() {
            table.entry((*family, row, what)).or_default().push(by);
        }
    }
    compare(&render(&table))?;
    space.delete_pods(&[&names[..], &others].concat())
}

/// The pods of a mode, by the family in which each is asked and asks.
fn own(mode: &str) -> [(Family, String); 2] {
    let name = mode.to_lowercase();
    [
        (Family::V4, name.clone()),
        (Family::V6, format!("{name}-6")),
    ]
}

fn apply(space: &Space) -> anyhow::Result<()> {
    let [near, far] = [0, 1].map(|node| space.world.cluster.node(node).name());
    primary_class(space)?;
    for mode in MODES {
        for (family, name) in own(mode) {
            if name != "primary" {
                let mut class = class(space);
                class["metadata"]["name"] = json!(name);
                class["spec"]["interface"] = json!({"defaultRoute": mode});
                if family == Family::V6 {
                    class["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
                }
                space.apply(&class)?;
            }
            let mut asking = asking(on(pod(&name), &near), &name);
            asking["metadata"]["labels"]["app"] = json!(name);
            space.apply(&asking)?;
            space.apply(&service(&name, &name, None))?;
        }
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
    for family in [Family::V4, Family::V6] {
        let address = format!("{} dev lo", family.credentials());
        let delete = format!("ip address del {address}");
        space.at_end(move |world| world.on_node(0, &delete).map(drop));
        let add = format!("ip address add {address}");
        space.world.on_node(0, &add)?;
    }
    Ok(())
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
pub fn service(name: &str, app: &str, address: Option<&str>) -> Value {
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {
            "selector": {"app": app}, "ports": [{"port": 53, "targetPort": PORT}],
            "ipFamilyPolicy": "PreferDualStack",
        },
    });
    if let Some(address) = address {
        service["spec"]["clusterIP"] = json!(address);
    }
    service
}

/// A pod in the network of its node.
pub fn of_the_host(name: &str, node: &str, port: u16) -> Value {
    let mut host = on(pod(name), node);
    host["spec"]["hostNetwork"] = json!(true);
    let container = &mut host["spec"]["containers"][0];
    container["args"] = json!(["serve", "--port", port.to_string()]);
    container["readinessProbe"]["httpGet"]["port"] = json!(port);
    host
}

fn render(table: &Table) -> String {
    let mut text = String::from(
        "# Which interface answers\n\n\
         Measured by the scenario `who_answers_by_which_interface` on a cluster with ptp and kube-proxy. In IPv4 the VPC routes the pods' networks; \
         in IPv6 their node masquerades what they send. Make it again with: \
         `ENICLAIM_WRITE=1 make e2e SCENARIO=who_answers_by_which_interface`.\n\n\
         A pod with `eth0` of the cluster and an ENI as `eni0`, by `interface.defaultRoute` of its class. What it asks, it asks without choosing \
         an address or interface.\n",
    );
    let mut title = None;
    for ((family, _, what), by) in table {
        if title.replace(*family) != Some(*family) {
            let of_family = match family {
                Family::V4 => "The ENI has IPv4 alone.",
                Family::V6 => "`eth0` and ENI have both families.",
            };
            let _ = write!(
                text,
                "\n## {}\n\n{of_family}\n\n| the pod | Never | Fallback | Primary |\n|---|---|---|---|\n",
                family.name()
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
        "docs/reference/default-route.md says otherwise; measured was:\n{measured}"
    );
    Ok(())
}

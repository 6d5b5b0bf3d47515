//! Nodes that are shared with the AWS VPC CNI, and an ENI that forwards for others.

use std::fs;

use anyhow::ensure;
use e2e::world::{SOON, Space, condition};
use serde_json::{Value, json};

use super::makers::{asking, class, pod};

const SYSTEM: &str = "kube-system";

/// What the node offers follows the VPC CNI's settings, and a pod that was there before keeps its ENI, which is made as the
/// class says.
pub fn with_the_vpc_cni(space: &Space) -> anyhow::Result<()> {
    let mut router = class(space);
    router["spec"]["sourceDestCheck"] = json!("Disabled");
    router["spec"]["connectionTracking"] = json!({"tcpEstablished": 350});
    space.apply(&router)?;
    space.apply(&asking(pod("nat"), space.name()))?;
    space.await_ready("nat")?;
    let eni = space.world.eni(&space.eni_of("nat")?)?;
    ensure!(eni["sourceDestCheck"] == false, "{eni}");
    ensure!(eni["connectionTracking"]["tcpEstablished"] == 350, "{eni}");
    card_is_printed(space)?;

    let node = space.world.cluster.node(0).name();
    offers(space, &node, 7, "True", "no AWS VPC CNI")?;
    let delete = ["-n", SYSTEM, "delete", "daemonset", "aws-node"];
    space.kubectl_at_end(&[&delete[..], &["--ignore-not-found"]].concat());
    set_max_eni(space, "3")?;
    offers(space, &node, 5, "True", "at most 3 ENIs")?;
    set_max_eni(space, "0")?;
    offers(space, &node, 6, "False", "set MAX_ENI=2")?;
    space.world.kubectl(&delete)?;
    offers(space, &node, 7, "True", "no AWS VPC CNI")?;
    space.delete_pods(&["nat"])
}

/// `kubectl get eniclaims --output wide` tells cards and indexes apart.
fn card_is_printed(space: &Space) -> anyhow::Result<()> {
    let printed = space.kubectl(&["get", "eniclaims", "--output", "wide"])?;
    let mut lines = printed.lines();
    let (head, row) = (lines.next(), lines.next());
    // By where it begins: a column may be empty.
    let shown = |name| {
        let of = row?.get(head?.find(name)?..)?;
        of.split_whitespace().next()
    };
    let attachment = &space.claim_of("nat")?["status"]["attachment"];
    for (column, field) in [("CARD", "networkCard"), ("INDEX", "deviceIndex")] {
        let is = attachment[field].to_string();
        ensure!(shown(column) == Some(is.as_str()), "{printed}");
    }
    Ok(())
}

fn offers(space: &Space, node: &str, slots: u64, fenced: &str, says: &str) -> anyhow::Result<()> {
    let what = format!("node {node} to offer {slots} slots");
    space.world.wait(&what, SOON, || {
        let status = &space.world.get("node", node)?["status"];
        let published = &status["allocatable"]["eniclaim.io/eni"];
        let report = space.world.get("eninode", node)?;
        let condition = condition(&report, "CapacityFenced");
        let message = condition["message"].as_str().unwrap_or_default();
        ensure!(
            published.as_str() == Some(slots.to_string().as_str()),
            "it offers {published}"
        );
        ensure!(report["status"]["capacity"] == slots, "{report}");
        ensure!(
            condition["status"] == fenced && message.contains(says),
            "{condition}"
        );
        Ok(true)
    })
}

fn set_max_eni(space: &Space, enis: &str) -> anyhow::Result<()> {
    let file = space.world.cluster.state_dir().join("aws-node.json");
    fs::write(&file, aws_node(enis).to_string())?;
    let file = file.display().to_string();
    space.world.kubectl(&["apply", "-f", &file]).map(drop)
}

/// The VPC CNI as far as it is read: its settings, on every node.
fn aws_node(max_eni: &str) -> Value {
    let labels = json!({"app": "aws-node"});
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "aws-node", "namespace": SYSTEM},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{
                        "name": "aws-node", "image": "localhost/eniclaim/probe:dev",
                        "command": ["/bin/busybox", "sleep", "3600"],
                        "env": [{"name": "MAX_ENI", "value": max_eni}],
                    }],
                },
            },
        }
    })
}

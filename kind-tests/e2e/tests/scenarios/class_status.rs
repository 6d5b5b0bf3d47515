//! What a class says of itself: what is wrong with it before any pod asks, and what it stands for.

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space, condition};
use serde_json::{Value, json};

use super::makers::{asking, class, pod};

const SUBNET: &str = "subnet-000000000000000a1";
const GROUP: &str = "sg-000000000000000a2";
const NO_SUBNET: &str = "subnet-0000000000000dead";
const NO_GROUP: &str = "sg-0000000000000dead";
/// What EC2 did not know is asked for again within half a minute; while a pod waits for it, within ten seconds.
const AGAIN: &str = "--timeout=45s";

/// A wrong subnet and a wrong group are named before any pod asks, and an edit mends them; a class by tags serves a pod as soon as
/// something has them.
pub fn told_and_mended(space: &Space) -> anyhow::Result<()> {
    let mut wrong = class(space);
    wrong["spec"]["subnets"]["ids"] = json!([SUBNET, NO_SUBNET]);
    wrong["spec"]["securityGroups"]["ids"] = json!([NO_GROUP]);
    space.apply(&wrong)?;
    await_wrong(space, "SubnetsReady", "SubnetNotFound", NO_SUBNET)?;
    await_wrong(
        space,
        "SecurityGroupsReady",
        "SecurityGroupNotFound",
        NO_GROUP,
    )?;
    let shown = space.kubectl(&["get", "eniclass", space.name(), "--no-headers"])?;
    let mut columns = shown.split_whitespace();
    ensure!(
        columns.nth(1) == Some("False"),
        "READY is not shown: {shown}"
    );
    let name = format!("involvedObject.name={}", space.name());
    space.world.wait("an Event of the class", SOON, || {
        let events = ["get", "events", "-n", "default", "--field-selector", &name];
        Ok(space.world.kubectl(&events)?.contains(NO_SUBNET))
    })?;

    space.apply(&class(space))?;
    await_ready(space)?;
    let status = status(space)?;
    ensure!(
        status["subnets"][0]
            == json!({"id": SUBNET, "zone": "us-east-1a", "cidr": "10.0.1.0/24", "ipv6Cidr": "2001:db8:ec2:a1::/64"})
            && status["securityGroupIds"] == json!([GROUP]),
        "the class shows {status}"
    );
    by_tags(space)
}

/// The pod waits until somebody tags a subnet and a group.
fn by_tags(space: &Space) -> anyhow::Result<()> {
    let tags = json!({"pods-of": space.name(), "Name": "*"});
    let mut tagged = class(space);
    tagged["spec"]["subnets"] = json!({"tags": tags, "policy": "MostFree"});
    tagged["spec"]["securityGroups"] = json!({"tags": tags});
    space.apply(&tagged)?;
    await_wrong(space, "SubnetsReady", "NoSubnetSelected", space.name())?;
    space.apply(&asking(pod("tagged"), space.name()))?;
    space.await_event("tagged", "selects by")?;
    let parameters = [
        ("ResourceId.1", SUBNET),
        ("ResourceId.2", GROUP),
        ("Tag.1.Key", "pods-of"),
        ("Tag.1.Value", space.name()),
        ("Tag.2.Key", "Name"),
        ("Tag.2.Value", "pods"),
    ];
    space.world.ec2("CreateTags", &parameters)?;
    await_ready(space)?;
    space.await_ready("tagged")?;
    let eni = &space.claim_of("tagged")?["status"]["eni"];
    ensure!(
        eni["subnetId"] == SUBNET && eni["securityGroupIds"] == json!([GROUP]),
        "the ENI is another one: {eni}"
    );
    space.delete_pods(&["tagged"])
}

fn status(space: &Space) -> anyhow::Result<Value> {
    let mut class = space.world.get("eniclass", space.name())?;
    let status = class.get_mut("status").map(Value::take);
    status.context("the class has no status")
}

fn await_ready(space: &Space) -> anyhow::Result<()> {
    let class = format!("eniclass/{}", space.name());
    let wait = ["wait", "--for=condition=Ready", AGAIN, &class];
    space.kubectl(&wait).map(drop)
}

/// Waits until a condition says why it is False, by a name that a person can search for.
fn await_wrong(space: &Space, of: &str, reason: &str, name: &str) -> anyhow::Result<()> {
    space.world.wait(&format!("{of} to be {reason}"), SOON, || {
        let class = space.world.get("eniclass", space.name())?;
        let said = condition(&class, of);
        let message = said["message"].as_str().unwrap_or_default();
        let is_said = said["reason"] == reason && message.contains(name);
        ensure!(is_said && said["status"] == "False", "{of} says {said}");
        Ok(condition(&class, "Ready")["status"] == "False")
    })
}

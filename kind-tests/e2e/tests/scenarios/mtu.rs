//! The MTU that a pod's interface has, whatever the device had before.

use anyhow::ensure;
use e2e::world::Space;
use serde_json::json;

use super::makers::{asking, capable, class, on, pod};

/// The device comes with 1500, in the simulator as in EC2 (amazon-vpc-cni-k8s#167): the pod has the class's MTU, or the
/// VPC's 9001; and so has its next sandbox, where the one before set 1200.
pub fn of_class_or_vpc(space: &Space) -> anyhow::Result<()> {
    let node = space.world.cluster.node(0).name();
    let (mut small, named) = (class(space), format!("{}-small", space.name()));
    small["metadata"]["name"] = json!(named);
    small["spec"]["interface"] = json!({"mtu": 1400});
    space.apply(&class(space))?;
    space.apply(&small)?;
    let large = capable(pod("large"), &["NET_ADMIN"]);
    space.apply(&on(asking(large, space.name()), &node))?;
    space.apply(&asking(pod("small"), &named))?;
    space.await_ready("large")?;
    has(space, "large", 9001)?;
    space.await_ready("small")?;
    has(space, "small", 1400)?;

    space.exec("large", &["/bin/ip", "link", "set", "eni0", "mtu", "1200"])?;
    let former = space.end_sandbox("large")?;
    space.await_sandbox("large", &former)?;
    has(space, "large", 9001)?;
    space.delete_pods(&["large", "small"])
}

fn has(space: &Space, pod: &str, mtu: u32) -> anyhow::Result<()> {
    let link = space.exec(pod, &["/bin/ip", "link", "show", "eni0"])?;
    ensure!(link.contains(&format!(" mtu {mtu} ")), "not {mtu}: {link}");
    Ok(())
}

//! A pod waits for its interface while the node's other pods go on.

use std::time::Duration;

use e2e::world::{SOON, Signal, Space, is_ready};

use super::makers::{asking, class, on, pod};

/// An ADD may wait for 20 s, and a reload of the runtime's configuration waits for it; the rest is a pod's usual start.
const USUAL: Duration = Duration::from_secs(30);

/// The runtime holds a read lock while a plugin runs, and a change in its folder queues for the write lock: whoever comes
/// later stands behind both (containerd/cri#1078).
pub fn add_waits_for_a_stopped_agent(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    let agent = world.agent_pid(0)?;
    space.at_end(move |world| {
        // Kubelet may have ended it meanwhile.
        let _ = world.signal(agent, Signal::CONT);
        Ok(())
    });
    world.signal(agent, Signal::STOP)?;
    space.apply(&on(asking(pod("asking"), space.name()), &node))?;
    world.wait("an ADD that waits", SOON, || {
        Ok(!world.plugin_pids(0)?.is_empty())
    })?;
    world.on_node(0, "cd /etc/cni/net.d; touch .a; mv .a .b; rm .b")?;
    space.apply(&on(pod("unasking"), &node))?;
    world.wait("the pod that does not ask", USUAL, || {
        let ready = is_ready(&space.get("pod", "unasking")?);
        world.node_is_ready(0)?;
        Ok(ready)
    })?;
    world.signal(agent, Signal::CONT)?;
    space.await_ready("asking")?;
    world.node_is_ready(0)?;
    space.delete_pods(&["asking", "unasking"])
}

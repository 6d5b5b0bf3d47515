//! A scenario that fails half-way.

use anyhow::ensure;
use e2e::world::{SOON, Signal, Space, outcome};
use serde_json::json;

use super::{
    full_node::add_seats,
    hostile::attacked,
    makers::{asking, class, pod},
};

/// It leaves nothing: what it did to the cluster, the nodes and the simulator is put back, whatever state it ended in.
pub fn leaves_nothing(space: &Space) -> anyhow::Result<()> {
    let world = space.world;
    let before = world.snapshot()?;
    let inner = world.space(&format!("{}-inner", space.name()))?;
    let failed = outcome(|| fails(&inner));
    let ended = inner.end();
    let said = failed.err().map(|error| format!("{error:#}"));
    ensure!(
        said.as_deref() == Some("it panicked: half-way"),
        "it failed otherwise: {said:?}"
    );
    ended?;
    world.await_snapshot(&before)?;
    world.await_clean()
}

/// All that scenarios do to others than their own objects, and then nothing of it is undone.
fn fails(space: &Space) -> anyhow::Result<()> {
    let (world, node) = (space.world, space.world.cluster.node(0).name());
    space.apply(&class(space))?;
    attacked(space, &node)?;
    world.wait("the claim to name the sandbox", SOON, || {
        Ok(!space.sandbox("hostile")?.is_null())
    })?;
    space.count_metadata(&space.eni_of("hostile")?)?;
    space.keep_netns("hostile", 0, "/run/kept-netns")?;
    add_seats(space, &node, 1)?;
    space
        .fault(&json!({"action": "CreateNetworkInterface", "times": 1_000, "delayMs": 600_000}))?;
    space.settings(&json!({"staleMs": 5_000, "denied": ["DetachNetworkInterface"]}))?;
    space.apply(&asking(pod("waits"), space.name()))?;
    space.keep_agent(&world.cluster.node(1).name())?;
    space.agents_need_label()?;
    space.stop_operator()?;
    space.at_end(|world| world.signal_kubelet(0, Signal::CONT));
    world.signal_kubelet(0, Signal::STOP)?;
    panic!("half-way")
}

//! How many objects operator and agents write through the API server for one pod.

use std::{collections::BTreeMap, time::Duration};

use anyhow::ensure;
use e2e::world::{Space, Write};

use super::makers::{asking, class, pod};

/// Writes in a pod's whole life, Events included.
const LIMIT: usize = 12;
/// Whoever writes nothing for so long is at rest: longer than any debounce.
const REST: Duration = Duration::from_secs(8);

/// One pod from its creation to the end of its claim costs at most twelve writes.
pub fn one_pod(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    // The first pod of a class may make others write: labels of nodes, for instance.
    life(space, "first")?;
    let before = space.world.await_rest(REST)?;
    life(space, "second")?;
    let after = space.world.await_rest(REST)?;
    let writes = space.world.writes()?;
    let counted = counts(writes.iter().take(after).skip(before));
    println!(
        "API writes in a pod's life: {} {counted:#?}",
        after - before
    );
    ensure!(
        after - before <= LIMIT,
        "{} writes, not {LIMIT}: {counted:#?}",
        after - before
    );
    Ok(())
}

fn life(space: &Space, name: &str) -> anyhow::Result<()> {
    space.apply(&asking(pod(name), space.name()))?;
    space.await_ready(name)?;
    space.world.await_rest(REST)?;
    space.delete_pods(&[name])
}

fn counts<'a>(writes: impl Iterator<Item = &'a Write>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for Write {
        who,
        verb,
        resource,
        code,
    } in writes
    {
        let key = format!("{who} {verb} {resource} {code}");
        *counts.entry(key).or_default() += 1;
    }
    counts
}

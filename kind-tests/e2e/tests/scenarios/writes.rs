//! How many objects operator and agents write through the API server for one pod.

use std::{collections::BTreeMap, time::Duration};

use anyhow::ensure;
use e2e::world::{Space, Write};

use super::makers::{asking, class, pod};

/// Writes in a pod's whole life, Events included; one of them is its first DHCP lease.
const LIMIT: usize = 15;
/// Whoever writes nothing for so long is at rest: longer than any debounce, of which 30 s are the longest.
const REST: Duration = Duration::from_secs(35);
/// Writes that come late: the slots of the EniNode, once after the pod came up and once after it went.
const LATE: &str = "eniclaim-operator patch eninodes/status 200";

/// One pod from its creation to the end of its claim costs at most fifteen writes.
pub fn one_pod(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    // The first pod of a class may make others write: labels of nodes, for instance.
    comes_up(space, "first")?;
    space.delete_pods(&["first"])?;
    let before = space.world.await_no_writes(REST)?;
    comes_up(space, "second")?;
    let up = space.world.await_no_writes(REST)?;
    space.delete_pods(&["second"])?;
    let down = space.world.await_no_writes(REST)?;
    let writes = space.world.writes()?;
    for (way, from, to) in [("up", before, up), ("down", up, down)] {
        let counted = counts(writes.iter().take(to).skip(from));
        println!("API writes on the way {way}: {} {counted:#?}", to - from);
        ensure!(
            counted.get(LATE) == Some(&1),
            "on the way {way} there is not one {LATE}: {counted:#?}"
        );
    }
    let all = down - before;
    ensure!(all <= LIMIT, "{all} writes in a pod's life, not {LIMIT}");
    Ok(())
}

fn comes_up(space: &Space, name: &str) -> anyhow::Result<()> {
    space.apply(&asking(pod(name), space.name()))?;
    space.await_ready(name)
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

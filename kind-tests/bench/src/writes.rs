//! b-writes: writes to the API server in the whole life of a pod, and at rest.

use std::collections::BTreeMap;

use operator_core::claim::Phase;

use crate::{
    cluster,
    interval::Interval,
    row::Row,
    world::{Counts, World, region::Region},
};

/// Writes in a whole life, of these to a status on the way up, and on the way down.
const LIFE: u32 = 14;
const UP: u32 = 7;
const DOWN: u32 = 4;
/// Virtual milliseconds of a pod's life, and of rest.
const LIVES: i64 = 300_000;
const REST: i64 = 600_000;

/// One pod, then nothing.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let mut world = cluster::at_rest()?;
    let pod = cluster::pod(3, &world);
    let key = pod.key.clone();
    world.put_pod(pod);
    world.run_until(|world| cluster::count(world, Phase::Ready) == 1)?;
    world.pass(LIVES);
    let up = std::mem::take(&mut world.counts);
    world.delete_pod(&key);
    world.run_until(|world| world.kubernetes.claims.is_empty())?;
    world.pass(LIVES);
    let down = std::mem::take(&mut world.counts);
    let rest = rest(&mut world);
    let life = total(&up) + total(&down);
    let how = format!("up: {}; down: {}", list(&up), list(&down));
    Ok(vec![
        row("b-writes life", life, LIFE, how),
        row(
            "b-writes status up",
            statuses(&up),
            UP,
            "the agent's included".to_owned(),
        ),
        row(
            "b-writes status down",
            statuses(&down),
            DOWN,
            "the agent's included".to_owned(),
        ),
        rest,
    ])
}

/// Beside a pod that is ready.
fn rest(world: &mut World<Region>) -> Row {
    let pod = cluster::pod(5, world);
    world.put_pod(pod);
    world.pass(LIVES);
    world.counts = Counts::default();
    world.pass(REST);
    let writes = total(&world.counts);
    Row {
        id: "b-writes rest",
        ours: format!("{writes} writes"),
        peer: "none".to_owned(),
        ratio: Interval::exact(f64::from(writes)),
        goal: 0.0,
        how: "ten minutes of virtual time beside a pod that is ready".to_owned(),
    }
}

fn row(id: &'static str, writes: u32, most: u32, how: String) -> Row {
    Row {
        id,
        ours: format!("{writes} writes"),
        peer: format!("{most}"),
        ratio: Interval::exact(f64::from(writes) / f64::from(most)),
        goal: 1.0,
        how,
    }
}

fn total(counts: &Counts) -> u32 {
    counts.writes.values().sum::<u32>() + counts.agents
}

fn statuses(counts: &Counts) -> u32 {
    counts.writes.get("status").copied().unwrap_or(0) + counts.agents
}

fn list(counts: &Counts) -> String {
    let mut all: BTreeMap<&str, u32> = counts.writes.clone();
    all.insert("status by the agent", counts.agents);
    let writes = all.iter().map(|(kind, count)| format!("{kind} {count}"));
    let events = counts.events.iter().map(|reason| format!("Event {reason}"));
    writes.chain(events).collect::<Vec<_>>().join(", ")
}

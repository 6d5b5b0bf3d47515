//! b-burst: 500 pods at once, and their end, against the time that the budget allows.

use std::collections::BTreeMap;

use operator_core::{claim::Phase, order::Action};

use crate::{
    cluster,
    interval::{Interval, float},
    row::{Row, seconds},
    world::{Counts, World, region::Region},
};

/// Pods.
const PODS: usize = 500;
/// The operator's share of AWS's rates, unless it is configured otherwise.
const SHARE: f64 = 0.6;
/// Over the time that the budget allows.
const GOAL: f64 = 1.05;
/// Describe calls a claim.
const DESCRIBES: f64 = 0.25;

/// Both ways, each with its calls.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let mut world = cluster::at_rest()?;
    for number in 0..PODS {
        let pod = cluster::pod(number, &world);
        world.put_pod(pod);
    }
    let up = took(&mut world, |world| {
        cluster::count(world, Phase::Ready) == PODS
    })?;
    let reads = described("b-burst reads up", &world.counts, up);
    // The last ENIs are marked a moment after they are in use.
    world.pass(60_000);
    let marks = calls(&world.counts, Action::ModifyNetworkInterfaceAttribute);
    let mut rows = vec![time("b-burst up", up, Action::AttachNetworkInterface)];
    let changes = [
        Action::CreateNetworkInterface,
        Action::AttachNetworkInterface,
    ];
    rows.push(changed("b-burst calls up", &world.counts, &changes, 2.0));
    rows.push(marked(marks));
    rows.push(reads);
    world.counts = Counts::default();
    let pods: Vec<_> = world.kubernetes.pods.keys().cloned().collect();
    for key in pods {
        world.delete_pod(&key);
    }
    let down = took(&mut world, |world| world.kubernetes.claims.is_empty())?;
    rows.push(time("b-burst down", down, Action::DetachNetworkInterface));
    let changes = [
        Action::DetachNetworkInterface,
        Action::DeleteNetworkInterface,
    ];
    rows.push(changed("b-burst calls down", &world.counts, &changes, 2.0));
    rows.push(described("b-burst reads down", &world.counts, down));
    anyhow::ensure!(
        world.counts.refused == 0,
        "refused: {}",
        world.counts.refused
    );
    let left = world
        .cloud
        .vpc
        .enis()
        .filter(|eni| !eni.is_primary())
        .count();
    anyhow::ensure!(left == 0, "{left} ENIs are left");
    Ok(rows)
}

/// Virtual seconds until that holds.
fn took(world: &mut World<Region>, done: impl Fn(&World<Region>) -> bool) -> anyhow::Result<f64> {
    let start = world.now;
    world.run_until(done)?;
    let millis = u32::try_from(world.now.since(start))?;
    Ok(f64::from(millis) / 1_000.0)
}

fn time(id: &'static str, took: f64, action: Action) -> Row {
    let (burst, rate) = operator_core::budget::published(action);
    let at_once = f64::from(burst) * SHARE;
    let bound = (float(PODS) - at_once) / (f64::from(rate) * SHARE);
    Row {
        id,
        ours: seconds(took),
        peer: format!("budget: {}", seconds(bound)),
        ratio: Interval::exact(took / bound),
        goal: GOAL,
        how: format!(
            "{PODS} pods in virtual time; {at_once} calls of {action} at once, then {} a second",
            f64::from(rate) * SHARE
        ),
    }
}

fn changed(id: &'static str, counts: &Counts, actions: &[Action], goal: f64) -> Row {
    let changes: u32 = actions.iter().map(|action| calls(counts, *action)).sum();
    let each = f64::from(changes) / float(PODS);
    Row {
        id,
        ours: format!("{each} changes a claim"),
        peer: format!("{goal}"),
        ratio: Interval::exact(each / goal),
        goal: 1.0,
        how: format!("{}; {} refused", list(&counts.calls), counts.refused),
    }
}

fn marked(marks: u32) -> Row {
    let each = f64::from(marks) / float(PODS);
    Row {
        id: "b-burst marks",
        ours: format!("{each} marks a claim"),
        peer: "1".to_owned(),
        ratio: Interval::exact(each),
        goal: 1.0,
        how: "ModifyNetworkInterfaceAttribute, for DeleteOnTermination".to_owned(),
    }
}

fn described(id: &'static str, counts: &Counts, took: f64) -> Row {
    let reads = counts
        .calls
        .iter()
        .filter(|(action, _)| action.starts_with("Desc"));
    let reads: u32 = reads.map(|(_, count)| count).sum();
    let each = f64::from(reads) / float(PODS);
    Row {
        id,
        ours: format!("{each:.3} Describes a claim"),
        peer: format!("{DESCRIBES}"),
        ratio: Interval::exact(each / DESCRIBES),
        goal: 1.0,
        how: format!("{reads} calls in {}", seconds(took)),
    }
}

fn calls(counts: &Counts, action: Action) -> u32 {
    counts.calls.get(action.as_str()).copied().unwrap_or(0)
}

fn list(calls: &BTreeMap<&'static str, u32>) -> String {
    let text = calls
        .iter()
        .map(|(action, count)| format!("{action} {count}"));
    text.collect::<Vec<_>>().join(", ")
}

//! b-leader: a restart of the whole operator against a list of the same objects.

// JSON objects of known shape: an index of one answers null where there is nothing.
#![allow(
    clippy::indexing_slicing,
    clippy::similar_names,
    clippy::format_collect
)]

mod ec2;
mod objects;
mod peer;
mod server;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use tempfile::TempDir;

use self::server::Site;
use crate::{
    interval::{Interval, worst},
    process::{self, Running},
    row::{Row, seconds},
    scale,
};

/// Pairs of a start of the operator and a list.
const PAIRS: usize = 7;
/// Over the time of the list.
const GOAL: f64 = 3.0;
/// Resident memory, in MiB.
const MEMORY: f64 = 400.0;
/// The first call must come by then.
const LIMIT: Duration = Duration::from_mins(2);
/// So long afterwards, changes are still counted.
const AFTER: Duration = Duration::from_secs(5);

/// What one start came to.
struct Start {
    seconds: f64,
    mebibytes: f64,
    /// Changes of EC2, that of the unfinished claim included.
    changes: Vec<String>,
}

/// Starts and lists in turn.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let operator = process::built(
        "release/eniclaim-operator",
        "cargo build --release --package operator",
    )?;
    let site = Arc::new(site()?);
    let address = server::start(Arc::clone(&site))?;
    let folder = process::kubeconfig(&address)?;
    let (mut starts, mut lists) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let begin = Instant::now();
        let count = peer::list(&address)?;
        anyhow::ensure!(count == site.objects, "{count} objects are listed");
        lists.push(begin.elapsed().as_secs_f64());
        starts.push(start(&operator, &site, &folder, &address)?);
    }
    Ok(vec![
        time(&starts, &lists),
        memory(&starts),
        changes(&starts),
    ])
}

fn time(starts: &[Start], lists: &[f64]) -> Row {
    let ours: Vec<f64> = starts.iter().map(|start| start.seconds).collect();
    let ratios: Vec<f64> = ours.iter().zip(lists).map(|(o, l)| o / l).collect();
    Row {
        id: "b-leader time",
        ours: format!("first call: {}", seconds(Interval::median(&ours).value)),
        peer: format!("list: {}", seconds(Interval::median(lists).value)),
        ratio: Interval::median(&ratios),
        goal: GOAL,
        how: format!(
            "median of {PAIRS} pairs on the wall's clock; worst start {}",
            seconds(worst(&ours))
        ),
    }
}

fn memory(starts: &[Start]) -> Row {
    let all: Vec<f64> = starts.iter().map(|start| start.mebibytes).collect();
    let most = worst(&all);
    Row {
        id: "b-leader memory",
        ours: format!("VmHWM: {most:.0} MiB"),
        peer: format!("{MEMORY} MiB"),
        ratio: Interval::exact(most / MEMORY),
        goal: 1.0,
        how: format!("the most of {PAIRS} starts"),
    }
}

fn changes(starts: &[Start]) -> Row {
    let others = starts.iter().flat_map(|start| &start.changes);
    let others: Vec<&String> = others.filter(|action| *action != server::CREATE).collect();
    let creates = starts
        .iter()
        .map(|start| start.changes.len())
        .sum::<usize>()
        - others.len();
    let wrong = others.len() + creates.abs_diff(starts.len());
    Row {
        id: "b-leader changes",
        ours: format!("{wrong} others"),
        peer: "none".to_owned(),
        ratio: Interval::exact(crate::interval::float(wrong)),
        goal: 0.0,
        how: format!(
            "changes of EC2 besides the one Create, until {} s after it",
            AFTER.as_secs()
        ),
    }
}

/// A fleet with one unfinished claim, as the API server and EC2 show it.
fn site() -> anyhow::Result<Site> {
    let mut world = scale::settled();
    let key = scale::plant(&mut world);
    anyhow::ensure!(
        world.kubernetes.claims.contains_key(&key),
        "no claim is planted"
    );
    let lists = objects::lists(&world.kubernetes)?;
    Ok(Site::new(lists, ec2::Pages::new(world.cloud)))
}

fn start(
    operator: &PathBuf,
    site: &Site,
    folder: &TempDir,
    address: &str,
) -> anyhow::Result<Start> {
    site.clear();
    let log = fs::File::create(folder.path().join("log")).context("make a log")?;
    let begin = Instant::now();
    let child = Command::new(operator)
        .args(["--http-port", "0"])
        .env("KUBECONFIG", folder.path().join("kubeconfig"))
        .env("AWS_ENDPOINT_URL", address)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .context("start the operator")?;
    let mut child = Running(child);
    let called = site.wait_for_change(LIMIT);
    let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let called = called.with_context(|| format!("no call within {LIMIT:?}: {}", log()))?;
    thread::sleep(AFTER);
    child.ensure(log).context("the operator")?;
    let mebibytes = process::mebibytes(child.0.id(), "VmHWM")?;
    Ok(Start {
        seconds: called.duration_since(begin).as_secs_f64(),
        mebibytes,
        changes: site.changes(),
    })
}

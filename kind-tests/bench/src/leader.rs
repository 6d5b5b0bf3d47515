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
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use tempfile::TempDir;

use self::server::Site;
use crate::{
    interval::{Interval, worst},
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

/// The program that is measured, beside this one.
const OPERATOR: &str = "eniclaim-operator";

/// What one start came to.
struct Start {
    seconds: f64,
    mebibytes: f64,
    /// Changes of EC2, that of the unfinished claim included.
    changes: Vec<String>,
}

/// Starts and lists in turn.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let operator = operator()?;
    let site = Arc::new(site()?);
    let address = server::start(Arc::clone(&site))?;
    let folder = kubeconfig(&address)?;
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

fn operator() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let operator = own.with_file_name(OPERATOR);
    anyhow::ensure!(
        operator.exists(),
        "{} is missing: cargo build --release --package operator",
        operator.display()
    );
    Ok(operator)
}

fn kubeconfig(address: &str) -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bench",
        "clusters": [{ "name": "bench", "cluster": { "server": address } }],
        "contexts": [{ "name": "bench", "context": { "cluster": "bench", "user": "bench" } }],
        "users": [{ "name": "bench", "user": {} }],
    });
    fs::write(folder.path().join("kubeconfig"), config.to_string())
        .context("write a kubeconfig")?;
    Ok(folder)
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
    let ended = child.0.try_wait()?;
    anyhow::ensure!(ended.is_none(), "the operator has ended: {}", log());
    let mebibytes = memory_of(child.0.id())?;
    Ok(Start {
        seconds: called.duration_since(begin).as_secs_f64(),
        mebibytes,
        changes: site.changes(),
    })
}

/// A process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The most memory that a process has had, in MiB.
fn memory_of(process: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    let kibibytes: f64 = kibibytes.context("/proc shows no VmHWM")?.parse()?;
    Ok(kibibytes / 1_024.0)
}

//! How a cluster begins where another one is or was, and how it ends.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cluster::{Cluster, Options};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    SOON, kubectl,
    left::{Before, alive, processes, state},
    options,
};

#[test]
fn second_cluster_of_a_name_is_refused_and_the_first_stays() {
    let first = Cluster::api_server("taken").unwrap();
    let second = Cluster::api_server("taken").unwrap_err().to_string();
    let down = program(&["down", "--name", "taken"]).output().unwrap();
    assert!(!down.status.success());
    let own = std::process::id();
    for said in [second, String::from_utf8(down.stderr).unwrap()] {
        for part in [
            "the cluster taken (its files are in /var/cache/eniclaim-clusters/taken) is up already",
            &format!("process {own} (`"),
            "has had it for",
            &format!("`kill {own}`"),
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }
    kubectl(&first, &["get", "--raw", "/readyz"]);
    first.down().unwrap();
    assert!(!state("taken").exists());
}

#[test]
fn what_the_cluster_did_not_make_is_left_alone() {
    let mut foreign = ["alike-n1", "eniclaim-alike-n9", "eniclaim-alike2-n1"].map(Foreign::new);
    Cluster::api_server("alike").unwrap().down().unwrap();
    for foreign in &mut foreign {
        assert!(foreign.is_alive(), "{}", foreign.name);
    }
    let mut same = Foreign::new("eniclaim-alike-cp");
    let refused = Cluster::api_server("alike").unwrap_err().to_string();
    let sentence = "the netns eniclaim-alike-cp is there already, and this cluster did not make it";
    assert!(refused.starts_with(sentence), "{refused}");
    assert!(same.is_alive());
    assert!(!state("alike").exists());
}

#[test]
fn killed_harness_is_cleaned_up_by_the_next_and_a_kept_cluster_stays() {
    let before = Before::look();
    let mut killed = harness("killed");
    await_that("a kubelet", || kubelet("killed").exists());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut seen = processes("killed");

    let next = Cluster::up(options("killed")).unwrap();
    let alive = alive(&seen);
    assert!(alive.is_empty(), "of the killed harness: {alive:?}");
    next.keep().unwrap();
    drop(next);
    let refused = Cluster::up(options("killed")).unwrap_err().to_string();
    assert!(refused.contains("it was kept "), "{refused}");
    assert!(
        refused.ends_with("down --name killed` takes it down"),
        "{refused}"
    );
    let ready = Command::new(cluster::kubectl_path("killed").unwrap())
        .args(["get", "--raw", "/readyz"])
        .status();
    assert!(ready.unwrap().success());
    seen.extend(processes("killed"));
    cluster::down("killed").unwrap();
    before.assert_nothing_is_left("killed", &seen);
}

#[test]
fn interrupted_harness_takes_everything_down() {
    let before = Before::look();
    let mut harness = harness("interrupted");
    await_that("a kubelet", || kubelet("interrupted").exists());
    let seen = processes("interrupted");
    kill(Pid::from_raw(harness.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(harness.wait().unwrap().code(), Some(130));
    before.assert_nothing_is_left("interrupted", &seen);
}

#[test]
fn closed_terminal_takes_everything_down() {
    let before = Before::look();
    let mut up = program(&["up", "--nodes", "0", "--name", "hungup"]);
    let mut harness = up.stderr(Stdio::piped()).spawn().unwrap();
    let seen = await_api_server("hungup");
    // As when a terminal is closed: whoever writes to it fails.
    drop(harness.stderr.take());
    assert_eq!(ended_by(harness, &[Signal::SIGHUP]), Signal::SIGHUP as i32);
    before.assert_nothing_is_left("hungup", &seen);
}

#[test]
fn sigterm_takes_everything_down_and_an_ignored_sighup_nothing() {
    let before = Before::look();
    // As nohup does it.
    let mut nohup = with_default_signals(&["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""]);
    nohup.args([PROGRAM, "up", "--nodes", "0", "--name", "terminated"]);
    let harness = nohup.spawn().unwrap();
    let seen = await_api_server("terminated");
    // Were both handled, the first one would count.
    let signals = [Signal::SIGHUP, Signal::SIGTERM];
    assert_eq!(ended_by(harness, &signals), Signal::SIGTERM as i32);
    before.assert_nothing_is_left("terminated", &seen);
}

#[test]
fn failed_cluster_leaves_its_evidence() {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/e2e-logs");
    let _ = fs::remove_dir_all(logs.join("evident"));
    let failing = Options {
        vpc_sim_args: vec!["--no-such-argument".to_owned()],
        ..options("evident")
    };
    Cluster::up(failing).unwrap_err();
    let said = fs::read_to_string(logs.join("evident/logs/vpc-sim.log")).unwrap();
    assert!(said.contains("--no-such-argument"), "{said}");

    drop(Cluster::api_server("evident").unwrap());
    for file in ["logs/kube-apiserver.log", "pods.yaml", "sim-calls.json"] {
        assert!(logs.join("evident").join(file).exists(), "{file}");
    }
    assert!(!state("evident").exists());
    fs::remove_dir_all(logs.join("evident")).unwrap();
}

/// Somebody else's network namespace, with a process in it.
struct Foreign {
    name: &'static str,
    process: Child,
}

impl Foreign {
    fn new(name: &'static str) -> Self {
        // What a killed run left.
        let _ = Command::new("ip").args(["netns", "del", name]).output();
        let netns = ["netns", "add", name];
        assert!(Command::new("ip").args(netns).status().unwrap().success());
        let path = format!("/run/netns/{name}");
        let mut enter = Command::new("nsenter");
        enter.args([&format!("--net={path}"), "sleep", "600"]);
        let process = enter.spawn().unwrap();
        let inode = |path: &str| fs::metadata(path).map(|file| file.ino()).ok();
        await_that("a process in the namespace", || {
            inode(&format!("/proc/{}/ns/net", process.id())) == inode(&path)
        });
        Self { name, process }
    }

    fn is_alive(&mut self) -> bool {
        let netns = Path::new("/run/netns").join(self.name);
        self.process.try_wait().unwrap().is_none() && netns.exists()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = Command::new("ip")
            .args(["netns", "del", self.name])
            .status();
    }
}

/// Waits for a cluster's API server; gives the cluster's processes.
fn await_api_server(name: &str) -> BTreeSet<(i32, String)> {
    let server = state(name).join("pid/kube-apiserver");
    await_that("an API server", || server.exists());
    processes(name)
}

/// Sends signals to a harness; gives that by which it says it ended.
fn ended_by(mut harness: Child, signals: &[Signal]) -> i32 {
    for signal in signals {
        kill(Pid::from_raw(harness.id().cast_signed()), *signal).unwrap();
    }
    harness.wait().unwrap().code().unwrap() - 128
}

/// The record of the first node's kubelet.
fn kubelet(name: &str) -> PathBuf {
    state(name).join(format!("pid/eniclaim-{name}-n1-kubelet"))
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_cluster");

fn program(args: &[&str]) -> Command {
    let mut command = with_default_signals(&[PROGRAM]);
    command.args(args);
    command
}

/// A command that ignores no signal, even if these tests run in the background or under nohup. No shell can do this.
fn with_default_signals(command: &[&str]) -> Command {
    let script = "import os, sys; from signal import *
for number in SIGHUP, SIGINT, SIGTERM: signal(number, SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])";
    let mut python = Command::new("python3");
    python.args(["-c", script]).args(command);
    python
}

/// A harness in a process of its own.
fn harness(name: &str) -> Child {
    program(&["up", "--name", name]).spawn().unwrap()
}

fn await_that(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < SOON, "timed out waiting for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

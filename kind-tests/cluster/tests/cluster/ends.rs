//! How a cluster begins where another one is or was, and how it ends.

use std::{
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
fn closed_terminal_and_sigterm_take_everything_down() {
    let before = Before::look();
    for (signal, name) in [(Signal::SIGHUP, "hungup"), (Signal::SIGTERM, "terminated")] {
        let mut up = program(&["up", "--nodes", "0", "--name", name]);
        let mut harness = up.stderr(Stdio::piped()).spawn().unwrap();
        let server = state(name).join("pid/kube-apiserver");
        await_that("an API server", || server.exists());
        let seen = processes(name);
        // As when a terminal is closed: whoever writes to it fails.
        drop(harness.stderr.take());
        kill(Pid::from_raw(harness.id().cast_signed()), signal).unwrap();
        assert_eq!(harness.wait().unwrap().code(), Some(128 + signal as i32));
        before.assert_nothing_is_left(name, &seen);
    }
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

/// The record of the first node's kubelet.
fn kubelet(name: &str) -> PathBuf {
    state(name).join(format!("pid/eniclaim-{name}-n1-kubelet"))
}

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command.args(args);
    command
}

/// A harness in a process of its own.
fn harness(name: &str) -> Child {
    program(&["up", "--name", name]).spawn().unwrap()
}

fn await_that(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < SOON, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

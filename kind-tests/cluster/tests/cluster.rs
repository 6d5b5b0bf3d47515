//! Clusters on this machine: pods reach each other, and nothing is left of a cluster however its harness ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use cluster::{Cluster, Options};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;

const SOON: Duration = Duration::from_mins(1);

#[test]
fn pods_reach_each_other_across_nodes_by_address_and_by_service() {
    let cluster = Cluster::up(options("reach")).unwrap();
    load_busybox(&cluster);
    for (name, node) in [("left", 0), ("right", 1)] {
        let serve = format!(
            "mkdir /www && echo {name} > /www/index.html && exec /bin/busybox httpd -f -p 8080 -h /www"
        );
        apply(
            &cluster,
            &pod(
                name,
                &cluster.node(node).name(),
                "localhost/cluster/busybox:1",
                &["/bin/busybox", "sh", "-c", &serve],
            ),
        );
    }
    apply(
        &cluster,
        &json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "right"},
            "spec": {"selector": {"name": "right"}, "clusterIP": "10.96.0.80", "ports": [{"port": 80, "targetPort": 8080}]},
        }),
    );
    kubectl(
        &cluster,
        &[
            "wait",
            "pod",
            "left",
            "right",
            "--for=condition=Ready",
            "--timeout=60s",
        ],
    );
    let right = kubectl(
        &cluster,
        &["get", "pod", "right", "-o", "jsonpath={.status.podIP}"],
    );
    let in_left = |command: &[&str]| {
        cluster.kubectl(&[&["exec", "left", "--", "/bin/busybox"], command].concat())
    };
    assert!(
        in_left(&["ping", "-c", "1", "-W", "2", &right])
            .unwrap()
            .status
            .success(),
        "no ping from left to {right}"
    );
    for url in [
        format!("http://{right}:8080/"),
        "http://10.96.0.80/".to_owned(),
    ] {
        let answers = || {
            in_left(&["wget", "-q", "-O", "-", &url])
                .is_ok_and(|output| output.stdout == b"right\n")
        };
        cluster
            .wait(&format!("{url} to answer"), SOON, answers)
            .unwrap();
    }

    let peer = cluster
        .peer(
            "peer",
            "10.0.0.20",
            "subnet-000000000000000a0",
            &["sg-000000000000000a3"],
        )
        .unwrap();
    let ping = cluster
        .in_netns(
            &peer,
            &[
                "busybox",
                "ping",
                "-c",
                "1",
                "-W",
                "2",
                &cluster.node(0).address(),
            ],
        )
        .unwrap();
    assert!(ping.status.success(), "no ping from the peer to a node");

    let failure = cluster
        .wait("a wonder", Duration::from_millis(100), || false)
        .unwrap_err();
    assert!(
        failure.to_string().contains("in vain for a wonder"),
        "{failure}"
    );

    cluster.restart_kubelet(0).unwrap();
    kubectl(
        &cluster,
        &["delete", "pod", "left", "right", "--wait", "--timeout=60s"],
    );
    let seen = processes("reach");
    cluster.down().unwrap();
    assert_nothing_is_left("reach", &seen);
}

#[test]
fn next_up_after_a_killed_harness_starts_anew_and_down_leaves_nothing() {
    assert!(harness("killed").wait().unwrap().success());
    let kubectl_of = |args: &[&str]| {
        Command::new(cluster::kubectl_path("killed").unwrap())
            .args(args)
            .status()
            .unwrap()
    };
    assert!(kubectl_of(&["run", "old", "--image=localhost/eniclaim/pause:1"]).success());
    assert!(
        kubectl_of(&[
            "wait",
            "pod",
            "old",
            "--for=condition=Ready",
            "--timeout=60s"
        ])
        .success()
    );
    let mut seen = processes("killed");

    let mut second = harness("killed");
    await_that("the second harness to start a kubelet", || {
        processes("killed").is_disjoint(&seen)
            && state("killed").join("pid/killed-n1-kubelet").exists()
    });
    second.kill().unwrap();
    second.wait().unwrap();
    seen.extend(processes("killed"));

    let third = Cluster::up(options("killed")).unwrap();
    assert_eq!(
        kubectl(&third, &["get", "pods", "-o", "name"]),
        "",
        "the pod of the first cluster"
    );
    seen.extend(processes("killed"));
    drop(third);
    assert_nothing_is_left("killed", &seen);
}

#[test]
fn interrupted_harness_takes_everything_down() {
    let mut harness = harness("interrupted");
    await_that("a kubelet", || {
        state("interrupted")
            .join("pid/interrupted-n1-kubelet")
            .exists()
    });
    let seen = processes("interrupted");
    kill(Pid::from_raw(harness.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(harness.wait().unwrap().code(), Some(130));
    assert_nothing_is_left("interrupted", &seen);
}

fn options(name: &str) -> Options {
    Options {
        name: name.to_owned(),
        ..Options::default()
    }
}

/// A harness in a process of its own.
fn harness(name: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_cluster"))
        .args(["up", "--name", name])
        .spawn()
        .unwrap()
}

fn state(name: &str) -> PathBuf {
    Path::new("/var/cache/eniclaim-clusters").join(name)
}

fn kubectl(cluster: &Cluster, args: &[&str]) -> String {
    let output = cluster.kubectl(args).unwrap();
    assert!(
        output.status.success(),
        "kubectl {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn apply(cluster: &Cluster, object: &serde_json::Value) {
    let file = cluster.state_dir().join("object.json");
    fs::write(&file, object.to_string()).unwrap();
    kubectl(cluster, &["apply", "-f", file.to_str().unwrap()]);
}

fn pod(name: &str, node: &str, image: &str, command: &[&str]) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"name": name}},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node}, "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": image, "command": command}],
        },
    })
}

fn load_busybox(cluster: &Cluster) {
    let context = cluster.state_dir().join("busybox");
    fs::create_dir(&context).unwrap();
    let path = std::env::var("PATH").unwrap();
    let busybox = path
        .split(':')
        .map(|folder| Path::new(folder).join("busybox"))
        .find(|file| file.exists());
    fs::copy(busybox.expect("busybox"), context.join("busybox")).unwrap();
    let dockerfile = context.join("Dockerfile");
    fs::write(&dockerfile, "FROM scratch\nCOPY busybox /bin/busybox\n").unwrap();
    let archive = cluster
        .build_image(&dockerfile, None, &context, "localhost/cluster/busybox:1")
        .unwrap();
    cluster.load_image(&archive).unwrap();
}

fn await_that(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < SOON, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Pid and start time of each process that belongs to a cluster by its namespace, control group or command line.
fn processes(name: &str) -> BTreeSet<(i32, String)> {
    let named = |folder: &str| {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    let prefix = format!("/run/netns/{name}-");
    let netns: BTreeSet<_> = named("/run/netns")
        .filter(|path| path.to_string_lossy().starts_with(&prefix))
        .filter_map(|path| fs::metadata(path).map(|file| file.ino()).ok())
        .collect();
    let belongs = |process: &Path| {
        let group = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
        let command = fs::read(process.join("cmdline")).unwrap_or_default();
        let network = fs::metadata(process.join("ns/net"))
            .map(|file| file.ino())
            .ok();
        group.contains(&format!("/{name}-n"))
            || String::from_utf8_lossy(&command).contains(&format!("/eniclaim-clusters/{name}"))
            || network.is_some_and(|inode| netns.contains(&inode))
    };
    let pids = named("/proc").filter(|path| belongs(path));
    pids.filter_map(|path| path.file_name()?.to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, started(pid)?)))
        .collect()
}

/// When a process started, unless it has ended.
fn started(pid: i32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    (fields[0] != "Z").then(|| fields[19].to_owned())
}

fn assert_nothing_is_left(name: &str, seen: &BTreeSet<(i32, String)>) {
    assert!(
        seen.len() > 5,
        "the test itself looks wrongly: it saw only {seen:?}"
    );
    let alive: Vec<_> = seen
        .iter()
        .filter(|(pid, start)| started(*pid).as_ref() == Some(start))
        .collect();
    assert!(alive.is_empty(), "processes are left: {alive:?}");
    assert_eq!(processes(name), BTreeSet::new(), "processes are left");
    let entries = |folder: &Path| {
        fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect::<Vec<_>>()
    };
    let hierarchies = entries(Path::new("/sys/fs/cgroup"));
    let groups = hierarchies
        .iter()
        .flat_map(|hierarchy| entries(hierarchy))
        .chain(hierarchies.clone());
    let namespaces = entries(Path::new("/run/netns"));
    let prefix = format!("{name}-");
    let left: Vec<_> = groups
        .chain(namespaces)
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(&prefix)
        })
        .collect();
    assert!(
        left.is_empty(),
        "control groups or namespaces are left: {left:?}"
    );
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        !mounts.contains(&format!("/eniclaim-clusters/{name}")),
        "mounts are left:\n{mounts}"
    );
    assert!(!state(name).exists(), "{} is left", state(name).display());
}

//! Clusters on this machine: pods reach each other, and nothing is left of a cluster however its harness ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "cluster/ends.rs"]
mod ends;
#[path = "cluster/left.rs"]
mod left;

use std::{fs, path::Path, time::Duration};

use cluster::{Cluster, Options};
use left::{Before, processes};
use serde_json::json;

const SOON: Duration = Duration::from_mins(1);

#[test]
fn pods_reach_each_other_across_nodes_by_address_and_by_service() {
    let before = Before::look();
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

    assert_apparmor_is_off(&cluster);
    a_peer_reaches_a_node(&cluster);
    a_wait_in_vain_says_for_what(&cluster);

    cluster.restart_kubelet(0).unwrap();
    kubectl(
        &cluster,
        &["delete", "pod", "left", "right", "--wait", "--timeout=60s"],
    );
    let seen = processes("reach");
    cluster.down().unwrap();
    before.assert_nothing_is_left("reach", &seen);
}

fn a_peer_reaches_a_node(cluster: &Cluster) {
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
}

fn a_wait_in_vain_says_for_what(cluster: &Cluster) {
    let failure = cluster
        .wait(
            "something that never happens",
            Duration::from_millis(100),
            || false,
        )
        .unwrap_err();
    assert!(
        failure
            .to_string()
            .contains("waiting for something that never happens"),
        "{failure}"
    );
}

/// Otherwise containerd leaves a profile in the machine's kernel.
fn assert_apparmor_is_off(cluster: &Cluster) {
    let config = cluster.node(0).exec(&["containerd", "config", "dump"]);
    let config = String::from_utf8(config.unwrap().stdout).unwrap();
    assert!(config.contains("disable_apparmor = true"), "{config}");
}

fn options(name: &str) -> Options {
    Options {
        name: name.to_owned(),
        ..Options::default()
    }
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

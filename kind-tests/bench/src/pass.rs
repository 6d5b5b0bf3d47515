//! b-pass: what every pod that asks for no ENI pays, against the start of a program that does nothing.

use serde_json::{Value, json};

use crate::{
    cni,
    interval::Interval,
    node::{
        claims::Pod,
        namespace::Namespace,
        plugin::{Container, Plugin},
    },
    process,
    row::{Row, seconds},
};

/// Rounds of all programs in turn.
const ROUNDS: usize = 1_000;
/// In seconds.
const GOAL: f64 = 0.001;

/// ADD of a pod without our annotation, behind a plugin that gave it its network.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let empty = process::built("release/empty", "cargo build --release --package bench")?;
    let upstream = ::cluster::cni_plugins()?.join("loopback");
    let programs = [process::built(cni::PLUGIN, cni::BUILD)?, empty, upstream]
        .map(|program| Plugin::new(program, &configuration()));
    let pod = Namespace::new("pass")?;
    // Upstream's loopback enters it; ours does not look at it.
    let container = Container::new(&pod, Pod(0), "lo");
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let [ours, empty, upstream] = &programs;
        rounds.push([
            ours.time("ADD", &container)?,
            empty.time("ADD", &container)?,
            upstream.time("ADD", &container)?,
        ]);
    }
    Ok(vec![row(&rounds)])
}

fn row(rounds: &[[f64; 3]]) -> Row {
    let median = |value: fn(&[f64; 3]) -> f64| {
        Interval::median(&rounds.iter().map(value).collect::<Vec<_>>())
    };
    let ours = median(|[ours, ..]| *ours);
    let (empty, upstream) = (
        median(|[_, empty, _]| *empty),
        median(|[.., upstream]| *upstream),
    );
    let (over_empty, over_upstream) = (
        median(|[ours, empty, _]| ours / empty),
        median(|[ours, _, upstream]| ours / upstream),
    );
    Row {
        id: "b-pass",
        ours: format!("ADD: {}", seconds(ours.value)),
        peer: seconds(GOAL),
        ratio: ours.over(GOAL),
        goal: 1.0,
        how: format!(
            "median of {ROUNDS} starts on the wall's clock, in turn with a static program that does nothing ({}, ratio {}) and upstream's loopback ({}, ratio {})",
            seconds(empty.value),
            over_empty,
            seconds(upstream.value),
            over_upstream,
        ),
    }
}

/// What the runtime sends for a pod without annotations of ours.
fn configuration() -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "pods", "type": "eniclaim",
        "capabilities": { "io.kubernetes.cri.pod-annotations": true },
        "runtimeConfig": { "io.kubernetes.cri.pod-annotations": {
            "kubernetes.io/config.seen": "2026-01-01T00:00:00.000000000Z", "kubernetes.io/config.source": "api",
        } },
        "prevResult": {
            "cniVersion": "1.0.0",
            "interfaces": [
                { "name": "veth1a2b3c4d", "mac": "0a:58:0a:f4:01:01" },
                { "name": "eth0", "mac": "0a:58:0a:f4:01:02", "sandbox": "/run/netns/cni-1" },
            ],
            "ips": [{ "interface": 1, "address": "10.244.1.2/24", "gateway": "10.244.1.1" }],
            "routes": [{ "dst": "0.0.0.0/0", "gw": "10.244.1.1" }], "dns": {},
        },
    })
}

//! The API server of the operator's simulation and a real one answer the same random scripts alike.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod conformance {
    pub mod real;
}

use std::{env, os::unix::net::UnixStream, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use cluster::Cluster;
use conformance::real::Real;
use kube_api::{
    Api, Kinds, Method, Request,
    conformance::{InProcess, Server, differences, preparation, run, script},
};
use serde_json::Value;

/// How many steps of a script are random; all of them are about 200 requests.
const LENGTH: usize = 150;
const SOON: Duration = Duration::from_mins(1);

#[test]
fn real_and_simulated_api_server_answer_alike() {
    compare(seeds()).unwrap_or_else(|error| panic!("{error:#}"));
}

/// `ENICLAIM_SEEDS=200` runs so many scripts.
fn seeds() -> u64 {
    env::var("ENICLAIM_SEEDS").map_or(5, |seeds| seeds.parse().expect("a number of seeds"))
}

fn compare(seeds: u64) -> anyhow::Result<()> {
    let cluster = Cluster::api_server("conformance")?;
    let kinds = Arc::new(install_kinds(&cluster)?);
    let socket = cluster.state_dir().join("api.sock");
    let listen = format!("--unix-socket={}", socket.display());
    let proxy = cluster.kubectl_spawn("proxy", &["proxy", &listen])?;
    cluster.poll("kubectl proxy", SOON, || {
        UnixStream::connect(&socket).is_ok()
    })?;
    let mut real = Real { socket };
    // A kind is established before its objects can be listed.
    for kind in kinds.iter().filter(|kind| kind.group == "eniclaim.io") {
        let path = format!("/apis/{}/{}", kind.api_version(), kind.plural);
        let list = Request::new(Method::Get, &path, Value::Null);
        cluster.poll(&path, SOON, || {
            real.call(&list).is_ok_and(|answer| answer.is_success())
        })?;
    }
    for request in preparation() {
        let answer = real.call(&request)?;
        ensure!(answer.is_success(), "{request:?}: {answer:?}");
    }
    let mut found = Vec::new();
    for seed in 1..=seeds {
        let script = script(seed, LENGTH);
        let Ok(ours) = run(&script, &mut InProcess::new(Api::new(kinds.clone())));
        let theirs = run(&script, &mut real)?;
        let differing = differences(&ours, &theirs);
        found.extend(differing.iter().map(|what| format!("seed {seed}, {what}")));
    }
    proxy.end()?;
    cluster.down()?;
    ensure!(
        found.is_empty(),
        "{} differences\n{}",
        found.len(),
        found.join("\n")
    );
    Ok(())
}

/// The kinds as the API server has them.
fn install_kinds(cluster: &Cluster) -> anyhow::Result<Kinds> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds/yaml");
    let folder = folder.to_str().context("a path that is no text")?;
    kubectl(cluster, &["create", "-f", folder])?;
    let kinds = "customresourcedefinitions";
    let established = ["wait", "--for=condition=Established", "--all", kinds];
    kubectl(cluster, &established)?;
    let crds = kubectl(cluster, &["get", kinds, "-o", "json"])?;
    let crds: Value = serde_json::from_str(&crds)?;
    Ok(Kinds::new(crds["items"].as_array().context("no list")?))
}

fn kubectl(cluster: &Cluster, args: &[&str]) -> anyhow::Result<String> {
    let output = cluster.kubectl(args)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kubectl {args:?}: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}

//! The API server of the operator's simulation and the real one answer the same random scripts alike.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use e2e::world::{SOON, Space, World, text};
use kube_api::{
    Answer, Api, Kinds, Method, Request,
    conformance::{InProcess, NAMESPACES, Outcome, Server, Transcript, run, script},
};
use serde_json::Value;

/// Scripts and their length: about 200 requests a script.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
const LENGTH: usize = 150;

/// Runs the same scripts against both and compares what they say.
pub fn same_scripts(space: &Space) -> anyhow::Result<()> {
    // The operator would act on the claims of the scripts.
    let replicas = space.stop_operator()?;
    for namespace in NAMESPACES {
        space.kubectl_at_end(&[
            "delete",
            "namespace",
            namespace,
            "--ignore-not-found",
            "--timeout=60s",
        ]);
    }
    let compared = compare(space.world);
    space.start_operator(replicas)?;
    compared
}

fn compare(world: &World) -> anyhow::Result<()> {
    for namespace in NAMESPACES {
        world.kubectl(&["create", "namespace", namespace])?;
        // Without it the API server takes no pod.
        world.wait("the default service account", SOON, || {
            Ok(world
                .kubectl(&["-n", namespace, "get", "serviceaccount", "default"])
                .is_ok())
        })?;
    }
    let socket = world.cluster.state_dir().join("api.sock");
    let proxy = format!("--unix-socket={}", text(&socket));
    let proxy = world.cluster.kubectl_spawn("proxy", &["proxy", &proxy])?;
    world.wait("kubectl proxy", SOON, || {
        Ok(UnixStream::connect(&socket).is_ok())
    })?;
    let mut real = Real { socket };
    let kinds = Arc::new(kinds(world)?);
    for seed in SEEDS {
        let script = script(seed, LENGTH);
        let Ok(ours) = run(&script, &mut InProcess::new(Api::new(kinds.clone())));
        let theirs = run(&script, &mut real)?;
        same(seed, &ours, &theirs)?;
    }
    proxy.end()?;
    Ok(())
}

/// The kinds as they are installed in the cluster.
fn kinds(world: &World) -> anyhow::Result<Kinds> {
    let crds = world.kubectl(&["get", "customresourcedefinitions", "-o", "json"])?;
    let crds: Value = serde_json::from_str(&crds)?;
    let items = crds["items"].as_array().context("no list")?;
    Ok(Kinds::new(
        items
            .iter()
            .filter(|crd| crd["spec"]["group"] == "eniclaim.io"),
    ))
}

fn same(seed: u64, ours: &Transcript, theirs: &Transcript) -> anyhow::Result<()> {
    let differing = |(at, (ours, theirs)): (usize, (&Outcome, &Outcome))| {
        (ours != theirs).then(|| {
            format!(
                "step {at}: {}\nours   {ours:?}\ntheirs {theirs:?}",
                ours.asked
            )
        })
    };
    let steps = ours.outcomes.iter().zip(&theirs.outcomes).enumerate();
    let mut found: Vec<String> = steps.filter_map(differing).collect();
    for (at, (ours, theirs)) in ours.watches.iter().zip(&theirs.watches).enumerate() {
        if ours != theirs {
            found.push(format!("watch {at}:\nours   {ours:?}\ntheirs {theirs:?}"));
        }
    }
    ensure!(
        found.is_empty(),
        "seed {seed}: {} differences\n{}",
        found.len(),
        found.join("\n")
    );
    Ok(())
}

/// The real API server, through a kubectl proxy.
struct Real {
    socket: PathBuf,
}

impl Server for Real {
    type Error = anyhow::Error;

    fn call(&mut self, request: &Request) -> anyhow::Result<Answer> {
        let (status, body) = self.exchange(request)?;
        let body = serde_json::from_slice(&body)
            .with_context(|| format!("{request:?}: {}", String::from_utf8_lossy(&body)))?;
        Ok(Answer {
            status,
            retry_after: None,
            body,
        })
    }

    fn watch(&mut self, request: &Request) -> anyhow::Result<Vec<Value>> {
        let (_, body) = self.exchange(request)?;
        let lines = serde_json::Deserializer::from_slice(&body).into_iter();
        Ok(lines.collect::<Result<_, _>>()?)
    }
}

impl Real {
    /// One request on a connection of its own; status and body.
    fn exchange(&self, request: &Request) -> anyhow::Result<(u16, Vec<u8>)> {
        let method = match request.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        };
        let body = if request.body.is_null() {
            String::new()
        } else {
            request.body.to_string()
        };
        let query = if request.query.is_empty() {
            String::new()
        } else {
            format!("?{}", request.query)
        };
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        write!(
            stream,
            "{method} {}{query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nuser-agent: {}\r\naccept: {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n{body}",
            request.path,
            request.user_agent,
            request.accept,
            request.content_type,
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        parse(&answer)
    }
}

fn parse(answer: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
    let end = answer
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .context("no head")?;
    let (head, body) = answer.split_at(end);
    let head = String::from_utf8_lossy(head).to_lowercase();
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let body = body.get(4..).unwrap_or_default();
    if head.contains("transfer-encoding: chunked") {
        return Ok((status, unchunked(body)?));
    }
    Ok((status, body.to_vec()))
}

fn unchunked(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest
            .windows(2)
            .position(|w| w == b"\r\n")
            .context("no chunk")?;
        let (size, after) = rest.split_at(end);
        let size = usize::from_str_radix(std::str::from_utf8(size)?.trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = after.get(2..2 + size).context("a chunk is cut")?;
        body.extend_from_slice(chunk);
        rest = after.get(4 + size..).unwrap_or_default();
    }
}

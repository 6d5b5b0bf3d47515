//! Named network namespaces, by `ip`.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use node_agent::kernel::namespace::Namespace;
use rustix::net::{
    AddressFamily, SocketType, bind, connect, socket,
    sockopt::{Timeout, set_socket_timeout},
};
use serde_json::Value;

pub const PORT: u16 = 80;

/// Runs `ip` with the words of `line`.
pub fn ip(line: &str) -> anyhow::Result<String> {
    let output = Command::new("ip")
        .args(line.split_whitespace())
        .output()
        .context("start ip")?;
    ensure!(
        output.status.success(),
        "ip {line}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// What `ip -j` with the words of `line` lists.
pub fn list(line: &str) -> anyhow::Result<Vec<Value>> {
    let text = ip(&format!("-j {line}"))?;
    // For nothing at all some lists are empty text.
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    Ok(serde_json::from_str(&text)?)
}

pub fn add(name: &str) -> anyhow::Result<Namespace> {
    ip(&format!("netns add {name}"))?;
    ip(&format!("-n {name} link set lo up"))?;
    Ok(Namespace::open(&format!("/run/netns/{name}"))?)
}

/// Lets a namespace die, if nobody holds it.
pub fn delete(name: &str) -> anyhow::Result<()> {
    ip(&format!("netns del {name}")).map(drop)
}

/// Accepts connections to every address of a namespace for ever.
pub fn serve(netns: &Namespace) -> anyhow::Result<()> {
    let listener = netns.inside(|| TcpListener::bind(("0.0.0.0", PORT)))??;
    thread::spawn(move || listener.incoming().for_each(drop));
    Ok(())
}

/// Connects to what `serve` serves.
pub fn reach(netns: &Namespace, from: IpAddr, to: IpAddr) -> anyhow::Result<()> {
    let attempt = || -> io::Result<()> {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        set_socket_timeout(&socket, Timeout::Send, Some(Duration::from_secs(5)))?;
        bind(&socket, &SocketAddr::new(from, 0))?;
        Ok(connect(&socket, &SocketAddr::new(to, PORT))?)
    };
    netns
        .inside(attempt)?
        .with_context(|| format!("connect from {from} to {to}"))
}

/// Waits for what the kernel does in its own time.
pub fn wait_until(what: &str, mut so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so()? {
        if Instant::now() > deadline {
            bail!("after 30 s it is still not so: {what}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

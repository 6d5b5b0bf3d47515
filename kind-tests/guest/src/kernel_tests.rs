//! The agent's kernel tests, as the first rungs run them.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::console::Console;

/// Modules of tests that ask the kernel for something; the others ask files, sockets and an API server, as on any kernel.
const OF_THE_KERNEL: [&str; 16] = [
    "addresses::",
    "borrowed::",
    "bridge::",
    "churn::",
    "engine::",
    "events::",
    "explicit::",
    "hang_up::",
    "hidden::",
    "home::",
    "journal::",
    "metadata::",
    "networks::",
    "nft::",
    "plug::",
    "xdp::",
];

/// Of the others those in whose names one of these is: they need the plugin's program, or upstream's.
const OTHERS: [&str; 4] = ["--skip", "instance_metadata::", "--skip", "replaced::"];

/// Runs the tests `wanted`, or all of the kernel's.
pub fn run(console: &Console, wanted: &[String]) -> anyhow::Result<()> {
    let all = OF_THE_KERNEL.iter().chain(&OTHERS);
    let all: Vec<_> = all.map(|word| (*word).to_owned()).collect();
    let status = Command::new("/kernel-tests")
        .args(if wanted.is_empty() { &all } else { wanted })
        .stdout(console.output()?)
        .stderr(console.output()?)
        .status()
        .context("start the kernel tests")?;
    ensure!(status.success(), "the kernel tests ended with {status}");
    Ok(())
}

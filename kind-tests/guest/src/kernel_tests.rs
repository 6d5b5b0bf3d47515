//! The agent's kernel tests, as the first rungs run them.

use std::process::Command;

use anyhow::{Context, ensure};

use crate::console::Console;

pub fn run(console: &Console, wanted: &[String]) -> anyhow::Result<()> {
    let status = Command::new("/kernel-tests")
        .args(wanted)
        .stdout(console.output()?)
        .stderr(console.output()?)
        .status()
        .context("start the kernel tests")?;
    ensure!(status.success(), "the kernel tests ended with {status}");
    Ok(())
}

//! Programs that are measured: where they are, how they end, how much memory they have.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command},
};

use anyhow::Context;
use tempfile::TempDir;

/// A program of this workspace by its path in the target folder, for example `release/empty`. `build` says how it is made.
pub fn built(path: &str, build: &str) -> anyhow::Result<PathBuf> {
    let own = env::current_exe()?;
    let target = own.ancestors().nth(2).context("where the programs are")?;
    let program = target.join(path);
    anyhow::ensure!(
        program.exists(),
        "{} is missing: {build}",
        program.display()
    );
    Ok(program)
}

/// A process that ends with this value.
pub struct Running(pub Child);

impl Running {
    /// Fails if the process has ended; `log` is added then.
    pub fn ensure(&mut self, log: impl FnOnce() -> String) -> anyhow::Result<()> {
        match self.0.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("it has ended with {status}: {}", log()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A line of `/proc/<process>/status` about memory, in MiB.
pub fn mebibytes(process: u32, name: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = value.and_then(|value| value.split_whitespace().next());
    let kibibytes: f64 = kibibytes
        .with_context(|| format!("/proc shows no {name}"))?
        .parse()?;
    Ok(kibibytes / 1_024.0)
}

/// Runs a program that must succeed; what it printed.
pub fn run(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| format!("start {program}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "{program} {}: {error}",
        arguments.join(" ")
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// A folder with a `kubeconfig` for the API server at `address`. It is in memory, as what an agent writes is on a node.
pub fn kubeconfig(address: &str) -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir_in("/dev/shm").context("make a folder")?;
    let config = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bench",
        "clusters": [{ "name": "bench", "cluster": { "server": address } }],
        "contexts": [{ "name": "bench", "context": { "cluster": "bench", "user": "bench" } }],
        "users": [{ "name": "bench", "user": {} }],
    });
    fs::write(folder.path().join("kubeconfig"), config.to_string())
        .context("write a kubeconfig")?;
    Ok(folder)
}

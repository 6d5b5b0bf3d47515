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

    /// Kills it.
    pub fn end(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A line of `/proc/<process>/status` about memory, in MiB.
pub fn mebibytes(process: u32, name: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    Ok(kibibytes(&status, name)? / 1_024.0)
}

/// A line `name: 123 kB` of a text of `/proc`.
fn kibibytes(text: &str, name: &str) -> anyhow::Result<f64> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kibibytes = value.and_then(|value| value.split_whitespace().next());
    let kibibytes = kibibytes.with_context(|| format!("/proc shows no {name}"))?;
    Ok(kibibytes.parse()?)
}

/// The proportional set size in KiB: a page that several processes have mapped counts for each of them by its share.
pub fn proportional(process: u32) -> anyhow::Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    kibibytes(&rollup, "Pss")
}

/// Seconds that all threads of a process, those that have ended too, spent on processors.
#[derive(Debug, Clone, Copy)]
pub struct ProcessorTime {
    /// In user mode.
    pub user: f64,
    /// In kernel mode.
    pub kernel: f64,
}

impl ProcessorTime {
    /// What was added to it since.
    pub fn since(self, before: Self) -> Self {
        Self {
            user: self.user - before.user,
            kernel: self.kernel - before.kernel,
        }
    }

    /// In both modes.
    pub fn both(self) -> f64 {
        self.user + self.kernel
    }
}

/// That of a process until now.
pub fn processor_time(process: u32) -> anyhow::Result<ProcessorTime> {
    /// `USER_HZ`, in which proc(5) counts; 100 on x86-64 (include/uapi/asm-generic/param.h).
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // A program's name may have spaces; the fields after it begin with the third.
    let (_, fields) = stat.rsplit_once(')').context("/proc shows no name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field = |number: usize| -> anyhow::Result<f64> {
        let field = fields.get(number - 3);
        Ok(field.context("/proc shows no processor time")?.parse()?)
    };
    Ok(ProcessorTime {
        user: field(14)? / TICKS,
        kernel: field(15)? / TICKS,
    })
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

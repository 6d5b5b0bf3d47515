//! Processes of containers on the cluster's nodes, found as an operator of machines would: by name and control group.

use std::fs;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{SOON, World};

impl World {
    /// Pids of this cluster's containers that run a program of this name.
    pub fn pids_of(&self, program: &str) -> anyhow::Result<Vec<i32>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok())
            else {
                continue;
            };
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            let first = command.split(|byte| *byte == 0).next().unwrap_or_default();
            let ours = group.contains(&format!("/{}-n", self.cluster.prefix()));
            if ours && first.ends_with(format!("/{program}").as_bytes()) {
                found.push(pid);
            }
        }
        Ok(found)
    }

    /// Pids of the containers of one pod that run a program of this name.
    pub fn pids_of_pod(&self, program: &str, pod_uid: &str) -> anyhow::Result<Vec<i32>> {
        let mut pids = self.pids_of(program)?;
        pids.retain(|pid| {
            let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            group.contains(&format!("pod{pod_uid}"))
        });
        Ok(pids)
    }

    /// The most memory that a process has ever had, in kilobytes.
    pub fn memory_peak(&self, pid: i32) -> anyhow::Result<u64> {
        kilobytes(pid, "VmHWM:")
    }

    /// The memory that a process has, in kilobytes.
    pub fn memory(&self, pid: i32) -> anyhow::Result<u64> {
        kilobytes(pid, "VmRSS:")
    }

    /// Sends a signal to one process.
    pub fn signal(&self, pid: i32, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_raw(pid).context("pid 0")?, signal)?)
    }

    /// Sends SIGKILL to every container process of this name, and fails when there is none.
    pub fn kill(&self, program: &str) -> anyhow::Result<()> {
        let pids = self.pids_of(program)?;
        if pids.is_empty() {
            bail!("no {program} runs");
        }
        for pid in pids {
            self.signal(pid, Signal::KILL)?;
        }
        Ok(())
    }

    /// Waits until a container process of this name runs again.
    pub fn await_process(&self, program: &str) -> anyhow::Result<()> {
        self.wait(&format!("{program} to run"), SOON, || {
            Ok(!self.pids_of(program)?.is_empty())
        })
    }
}

fn kilobytes(pid: i32, what: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.with_context(|| format!("no {what}"))?.parse()?)
}

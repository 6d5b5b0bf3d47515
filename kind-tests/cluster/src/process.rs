//! Commands that end, and daemons that are known by pid and start time.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, PoisonError},
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};

use crate::{
    error::{ClusterError, Result, at},
    signals,
};

/// A command that the kernel kills when the harness dies: for what works in no namespace or control group of a
/// cluster and would otherwise go on writing into folders that another harness has by then.
pub(crate) fn killed_with_harness(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

/// Runs a command to its end. None starts once a signal takes the cluster down.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let gate = signals::gate();
    let running = Running::start(command);
    drop(gate);
    running?.output(command)
}

/// Runs a command to its end with `input`, and fails when it fails; gives its standard output.
pub(crate) fn run(command: &mut Command, input: Stdio) -> Result<String> {
    command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = Running::start(command)?.output(command)?;
    succeeded(command, &output)
}

/// Runs a command that reads `input` to its end, and fails when it fails.
pub(crate) fn feed(command: &mut Command, input: &str) -> Result<()> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut running = Running::start(command)?;
    if let Some(mut stdin) = running.child.stdin.take() {
        // A program that stopped reading has said why on its standard error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = running.output(command)?;
    succeeded(command, &output).map(drop)
}

fn succeeded(command: &Command, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        // Writing to a string cannot fail.
        let _ = write!(line, " {}", argument.to_string_lossy());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ClusterError::Failed {
        command: line,
        status: output.status,
        stderr,
    })
}

pub(crate) fn start_error(command: &Command, source: std::io::Error) -> ClusterError {
    ClusterError::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    }
}

/// A process as the kernel knows it: a pid alone may belong to another one by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pid: i32,
    /// Clock ticks since boot; field 22 of /proc/PID/stat, proc(5).
    started: u64,
}

impl Process {
    /// The process that has this pid now, unless it has ended.
    pub(crate) fn running(pid: i32) -> Option<Self> {
        // A child of ours is a zombie until it is waited for; for others this says ECHILD.
        let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        (state != "Z" && state != "X").then_some(Self { pid, started })
    }

    pub(crate) fn is_running(self) -> bool {
        Self::running(self.pid) == Some(self)
    }

    /// Sends the signal, unless the process has ended.
    pub(crate) fn signal(self, signal: Signal) {
        if self.is_running() {
            // It may end in between; then there is nothing to do.
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }
}

/// Pids of the commands that this crate runs at the moment. Whoever starts one holds the lock meanwhile.
static COMMANDS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// The commands that this crate runs at the moment: other children of this process are not among them.
pub(crate) fn commands() -> Vec<Process> {
    let pids = COMMANDS.lock().unwrap_or_else(PoisonError::into_inner);
    pids.iter()
        .filter_map(|pid| Process::running(*pid))
        .collect()
}

/// A command that runs; while this exists it is one of [`commands`].
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) child: Child,
    listed: Listed,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut pids = COMMANDS.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command
            .spawn()
            .map_err(|source| start_error(command, source))?;
        let pid = child.id().cast_signed();
        pids.insert(pid);
        let listed = Listed(pid);
        Ok(Self { child, listed })
    }

    /// Waits for its end.
    fn output(self, command: &Command) -> Result<Output> {
        let Self { child, listed } = self;
        let output = child.wait_with_output();
        drop(listed);
        output.map_err(|source| start_error(command, source))
    }
}

/// A pid in [`COMMANDS`].
#[derive(Debug)]
struct Listed(i32);

impl Drop for Listed {
    fn drop(&mut self) {
        let mut pids = COMMANDS.lock().unwrap_or_else(PoisonError::into_inner);
        pids.remove(&self.0);
    }
}

/// The daemons of one cluster: each has a log and a record of its process, both named as it is.
#[derive(Debug, Clone)]
pub(crate) struct Daemons {
    logs: PathBuf,
    records: PathBuf,
}

impl Daemons {
    pub(crate) fn of(state: &Path) -> Self {
        Self {
            logs: state.join("log"),
            records: state.join("pid"),
        }
    }

    /// Starts a daemon in a process group of its own, so that Ctrl-C at the terminal is only the harness's.
    pub(crate) fn start(&self, name: &str, command: &mut Command) -> Result<Process> {
        let path = self.log(name);
        let log = at(&path, File::options().create(true).append(true).open(&path))?;
        let errors = at(&path, log.try_clone())?;
        let gate = signals::gate();
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .process_group(0)
            .spawn();
        let pid = child
            .map_err(|source| start_error(command, source))?
            .id()
            .cast_signed();
        // One that has ended already is recorded, too: the next wait reports it.
        let process = Process::running(pid).unwrap_or(Process { pid, started: 0 });
        let record = self.records.join(name);
        at(
            &record,
            fs::write(&record, format!("{} {}", process.pid, process.started)),
        )?;
        drop(gate);
        Ok(process)
    }

    /// Sends SIGTERM to a daemon and removes its record, so that no wait reports its end.
    pub(crate) fn stop(&self, name: &str) -> Option<Process> {
        let process = self.record(name)?;
        let _ = fs::remove_file(self.records.join(name));
        process.signal(Signal::SIGTERM);
        Some(process)
    }

    fn record(&self, name: &str) -> Option<Process> {
        let text = fs::read_to_string(self.records.join(name)).ok()?;
        let (pid, started) = text.split_once(' ')?;
        Some(Process {
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
        })
    }

    /// All that were started, by name.
    pub(crate) fn all(&self) -> Vec<(String, Process)> {
        let names = fs::read_dir(&self.records).into_iter().flatten().flatten();
        let mut all: Vec<_> = names
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter_map(|name| self.record(&name).map(|process| (name, process)))
            .collect();
        all.sort_by(|left, right| left.0.cmp(&right.0));
        all
    }

    /// One that was started and has ended by itself.
    pub(crate) fn ended(&self) -> Option<String> {
        self.all()
            .into_iter()
            .find(|(_, process)| !process.is_running())
            .map(|(name, _)| name)
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// The last lines of a daemon's log.
    pub(crate) fn tail(&self, name: &str, lines: usize) -> String {
        let text = fs::read(self.log(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<_> = text.lines().collect();
        all.get(all.len().saturating_sub(lines)..)
            .unwrap_or_default()
            .join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_listed_while_they_run_and_other_children_never() {
        let pids = || -> Vec<i32> { commands().iter().map(|command| command.pid).collect() };
        let mut sleep = Command::new("sleep");
        let mut foreign = sleep.arg("600").spawn().unwrap();
        let mut ours = Running::start(&mut sleep).unwrap();
        let pid = ours.child.id().cast_signed();
        assert!(pids().contains(&pid));
        assert!(!pids().contains(&foreign.id().cast_signed()));
        for child in [&mut foreign, &mut ours.child] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        drop(ours);
        assert!(!pids().contains(&pid));
    }
}

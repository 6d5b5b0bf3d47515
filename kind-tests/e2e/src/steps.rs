//! A process that is killed before its N-th step: the N-th system call by which it changes the kernel's network, a file
//! or another process. Between two steps nothing is different, so every N together are all the states that a crash can leave.

mod call;

use std::{
    collections::BTreeSet,
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use anyhow::Context;
use nix::{
    errno::Errno,
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// What became of the process.
#[derive(Debug)]
pub enum End {
    /// It was killed before this step.
    Killed(String),
    /// It had taken only these steps when the tracer was detached.
    Fewer(Vec<String>),
}

/// A process whose steps are counted, until this is dropped.
pub struct Steps {
    detach: Arc<AtomicBool>,
    /// Absent once it was waited for.
    tracer: Option<JoinHandle<anyhow::Result<End>>>,
}

impl Steps {
    /// Counts from now on, and kills before the step of this number, counted from 0.
    pub fn kill_before(pid: i32, step: usize) -> anyhow::Result<Self> {
        let detach = Arc::new(AtomicBool::new(false));
        let (send, seized) = mpsc::channel();
        let asked = detach.clone();
        // A tracer is a thread: it is detached from what it traces when the thread ends (ptrace(2)).
        let tracer = thread::spawn(move || {
            let mut tracer = Tracer {
                pid: Pid::from_raw(pid),
                inside: BTreeSet::new(),
                steps: Vec::new(),
                last: step,
            };
            // The receiver is gone only when this process ends.
            let _ = send.send(tracer.seize());
            tracer.run(&asked)
        });
        seized.recv().context("the tracer ended")??;
        let tracer = Some(tracer);
        Ok(Self { detach, tracer })
    }

    /// Whether it has been killed, or could not be traced.
    pub fn is_over(&self) -> bool {
        self.tracer.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Detaches from it, unless it has been killed.
    pub fn end(mut self) -> anyhow::Result<End> {
        self.detach().context("the tracer was detached before")?
    }

    fn detach(&mut self) -> Option<anyhow::Result<End>> {
        self.detach.store(true, Ordering::Relaxed);
        let ended = self.tracer.take()?.join();
        Some(ended.unwrap_or_else(|_| Err(anyhow::anyhow!("the tracer panicked"))))
    }
}

impl Drop for Steps {
    /// A scenario that fails must not leave a tracer that kills the process in the next one.
    fn drop(&mut self) {
        let _ = self.detach();
    }
}

struct Tracer {
    pid: Pid,
    /// Threads that are in a system call.
    inside: BTreeSet<i32>,
    steps: Vec<String>,
    last: usize,
}

impl Tracer {
    /// Attaches to every thread; threads that start later are attached to by the kernel.
    fn seize(&self) -> anyhow::Result<()> {
        let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE;
        let mut seized = BTreeSet::new();
        loop {
            let before = seized.len();
            for thread in threads(self.pid)? {
                if !seized.insert(thread) {
                    continue;
                }
                let thread = Pid::from_raw(thread);
                match ptrace::seize(thread, options) {
                    // It has ended, or the kernel was faster.
                    Err(Errno::ESRCH | Errno::EPERM) => {}
                    seized => seized.context("ptrace")?,
                }
                // Only a thread that has stopped once stops at system calls.
                let _ = ptrace::interrupt(thread);
            }
            if seized.len() == before {
                return Ok(());
            }
        }
    }

    fn run(&mut self, detach: &AtomicBool) -> anyhow::Result<End> {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        while !detach.load(Ordering::Relaxed) {
            match waitpid(Pid::from_raw(-1), Some(flags)) {
                Ok(WaitStatus::PtraceSyscall(thread)) => {
                    if let Some(step) = self.step(thread) {
                        kill(self.pid, Signal::SIGKILL)?;
                        return Ok(End::Killed(step));
                    }
                    go_on(thread, None)?;
                }
                // Before anything of a signal is seen here, the thread has stopped for it.
                Ok(WaitStatus::Stopped(thread, signal)) => go_on(thread, Some(signal))?,
                Ok(WaitStatus::PtraceEvent(thread, _, _)) => go_on(thread, None)?,
                Err(Errno::ECHILD) => return Ok(End::Killed("its own end".to_owned())),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(End::Fewer(std::mem::take(&mut self.steps)))
    }

    /// The step that is to be prevented, if this is it. A thread stops at the entry and at the end of each call.
    fn step(&mut self, thread: Pid) -> Option<String> {
        if self.inside.remove(&thread.as_raw()) {
            return None;
        }
        self.inside.insert(thread.as_raw());
        let step = call::step(self.pid.as_raw(), thread.as_raw())?;
        // Kubelet asks again and again to delete sandboxes that are gone, the more of them the more there were.
        if step == call::ANSWER && self.steps.last() == Some(&step) {
            return None;
        }
        if self.steps.len() == self.last {
            return Some(step);
        }
        self.steps.push(step);
        None
    }
}

fn go_on(thread: Pid, signal: Option<Signal>) -> anyhow::Result<()> {
    match ptrace::syscall(thread, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn threads(pid: Pid) -> io::Result<Vec<i32>> {
    let all = fs::read_dir(format!("/proc/{pid}/task"))?.flatten();
    Ok(all
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use std::{
        env,
        path::PathBuf,
        process::{self, Child, Command},
    };

    use super::*;

    /// A process that takes steps all the time, and its file.
    struct Writes(Child, PathBuf);

    impl Writes {
        fn start(file: &str) -> Self {
            let file = env::temp_dir().join(format!("{file}-{}", process::id()));
            let script = "while :; do echo step >\"$0\"; done";
            let child = Command::new("sh").args(["-c", script]).arg(&file).spawn();
            Self(child.unwrap(), file)
        }

        fn pid(&self) -> i32 {
            i32::try_from(self.0.id()).unwrap()
        }
    }

    impl Drop for Writes {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
            let _ = fs::remove_file(&self.1);
        }
    }

    #[test]
    fn process_is_killed_before_its_step() {
        let writes = Writes::start("killed");
        let steps = Steps::kill_before(writes.pid(), 3).unwrap();
        while !steps.is_over() {
            thread::yield_now();
        }
        let end = steps.end().unwrap();
        assert!(
            matches!(&end, End::Killed(step) if step.starts_with("write to ")),
            "{end:?}"
        );
    }

    #[test]
    fn process_is_detached_when_its_steps_are_dropped() {
        let mut writes = Writes::start("let-go");
        let pid = writes.pid();
        drop(Steps::kill_before(pid, usize::MAX).unwrap());
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains("TracerPid:\t0\n"), "{status}");
        assert!(writes.0.try_wait().unwrap().is_none(), "it has ended");
    }
}

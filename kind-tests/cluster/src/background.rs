//! A program that runs beside a test, and what it has said so far.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::error::{Result, at};
use crate::process::Running;
use crate::signals;

/// A running program; it ends when this is dropped.
#[derive(Debug)]
pub struct Background {
    running: Running,
    log: PathBuf,
}

impl Background {
    pub(crate) fn start(state: &Path, name: &str, command: &mut Command) -> Result<Self> {
        let log = state.join("log").join(format!("{name}.log"));
        let file = at(&log, File::create(&log))?;
        let errors = at(&log, file.try_clone())?;
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        let gate = signals::gate();
        let running = Running::start(command);
        drop(gate);
        Ok(Self {
            running: running?,
            log,
        })
    }

    /// All that it has said so far, on standard output and standard error.
    pub fn output(&self) -> Result<String> {
        at(&self.log, fs::read(&self.log)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Ends it.
    pub fn end(mut self) -> Result<()> {
        at(&self.log, self.running.child.kill())?;
        at(&self.log, self.running.child.wait()).map(drop)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.running.child.kill();
        let _ = self.running.child.wait();
    }
}

//! A program that runs beside a test, and what it has said so far.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::error::{Result, at};
use crate::process::start_error;
use crate::signals;

/// A running program; it ends when this is dropped.
#[derive(Debug)]
pub struct Background {
    child: Child,
    log: PathBuf,
}

impl Background {
    pub(crate) fn start(state: &Path, name: &str, command: &mut Command) -> Result<Self> {
        let log = state.join("log").join(format!("{name}.log"));
        let file = at(&log, File::create(&log))?;
        let errors = at(&log, file.try_clone())?;
        let gate = signals::gate();
        let spawned = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn();
        drop(gate);
        Ok(Self {
            child: spawned.map_err(|source| start_error(command, source))?,
            log,
        })
    }

    /// All that it has said so far, on standard output and standard error.
    pub fn output(&self) -> Result<String> {
        at(&self.log, fs::read(&self.log)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Ends it.
    pub fn end(mut self) -> Result<()> {
        at(&self.log, self.child.kill())?;
        at(&self.log, self.child.wait()).map(drop)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

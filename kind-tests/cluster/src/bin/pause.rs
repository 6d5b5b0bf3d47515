//! The first process of each pod: holds its namespaces until a signal ends it, and reaps what is left to it.

use std::process::ExitCode;

use nix::{
    sys::{
        signal::{SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// Signals are waited for, not handled: the kernel drops those that PID 1 of a namespace neither handles nor blocks.
fn main() -> ExitCode {
    let signals = SigSet::all();
    if signals.thread_block().is_err() {
        return ExitCode::FAILURE;
    }
    loop {
        match signals.wait() {
            Ok(Signal::SIGTERM | Signal::SIGINT) => return ExitCode::SUCCESS,
            Ok(Signal::SIGCHLD) => reap(),
            Ok(_) => {}
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

fn reap() {
    let any = Pid::from_raw(-1);
    while !matches!(
        waitpid(any, Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::StillAlive) | Err(_)
    ) {}
}

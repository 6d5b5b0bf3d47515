//! eniclaim-agent: the command.

use std::{io::Write, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use node_agent::{
    agent,
    install::uninstall,
    options::{Command, Options, Run, Uninstall},
    status,
};

/// Work that blocks is not waited for longer when the agent ends.
const LAST_WORK: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let Options { log, command } = Options::parse();
    match command {
        Command::Run(options) => {
            log.init(options.in_cluster().map(|cluster| &*cluster.node_name));
            logged(run(options))
        }
        Command::Uninstall(options) => {
            log.init(None);
            logged(leave(&options))
        }
        Command::Status(options) => shown(status::run(&options)),
    }
}

fn logged(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = telemetry::failure::chain(error.as_ref());
            tracing::error!(error, "ended");
            ExitCode::FAILURE
        }
    }
}

/// For a person: a sentence, and no log line.
fn shown(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let sentence = telemetry::failure::chain(error.as_ref());
            // Nobody is left to be told.
            let _ = writeln!(std::io::stderr(), "{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Run) -> anyhow::Result<()> {
    // Without this line rustls refuses to guess a provider.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        anyhow::bail!("another TLS provider is installed already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let outcome = runtime.block_on(agent::run(options));
    runtime.shutdown_timeout(LAST_WORK);
    outcome
}

fn leave(options: &Uninstall) -> anyhow::Result<()> {
    uninstall(&options.socket, &options.folders.places())?;
    tracing::info!("the CNI plugin eniclaim is removed from this node");
    Ok(())
}

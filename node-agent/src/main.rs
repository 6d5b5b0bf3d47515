//! eniclaim-agent: the command.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use node_agent::{
    agent,
    install::uninstall,
    options::{Command, Options, Run, Uninstall},
};

/// Work that blocks is not waited for longer when the agent ends.
const LAST_WORK: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let Options { log, command } = Options::parse();
    log.init(match &command {
        Command::Run(options) => Some(&options.node_name),
        Command::Uninstall(_) => None,
    });
    let outcome = match command {
        Command::Run(options) => run(options),
        Command::Uninstall(options) => leave(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = telemetry::failure::chain(error.as_ref());
            tracing::error!(error, "ended");
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

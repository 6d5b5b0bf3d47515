//! eniclaim-agent: the command.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use anyhow::Context;
use clap::Parser;
use node_agent::{
    agent,
    install::uninstall,
    options::{Command, LogFormat, Options},
};
use tracing_subscriber::EnvFilter;

/// Work that blocks is not waited for longer when the agent ends.
const LAST_WORK: Duration = Duration::from_secs(2);

fn main() -> anyhow::Result<()> {
    match Options::parse().command {
        Command::Run(options) => {
            log_to_stderr(options.log_format);
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
        Command::Uninstall(options) => {
            log_to_stderr(LogFormat::Text);
            uninstall(&options.socket, &options.folders.places())?;
            tracing::info!("the plugin eniclaim is removed");
            Ok(())
        }
    }
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

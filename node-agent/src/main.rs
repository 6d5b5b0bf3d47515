//! eniclaim-agent: the command.

use anyhow::Context;
use clap::Parser;
use node_agent::{
    agent,
    install::{Places, install, uninstall},
    options::{Command, Folders, LogFormat, Options},
};
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<()> {
    let places = |folders: Folders| Places {
        bin: folders.cni_bin_dir,
        conf: folders.cni_conf_dir,
    };
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
            runtime.block_on(agent::run(options))
        }
        Command::Install(options) => {
            log_to_stderr(LogFormat::Text);
            let network = install(&options.binary, &places(options.folders))?;
            tracing::info!(network, "the plugin eniclaim is installed");
            Ok(())
        }
        Command::Uninstall(folders) => {
            log_to_stderr(LogFormat::Text);
            uninstall(&places(folders))?;
            tracing::info!("the plugin eniclaim is removed");
            Ok(())
        }
    }
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

//! `vpc-sim serve`: plays AWS for a cluster on this machine until it is told to stop.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use jiff::SignedDuration;
use tracing_subscriber::EnvFilter;
use vpc_sim::{Identity, Options, serve};

/// AWS for one machine: EC2's API, instance metadata, and wires that behave as ENIs do.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT; prints `ready` when it does.
    Serve(Serve),
}

#[derive(Args)]
struct Serve {
    /// Names everything on this machine: the network namespace is `<prefix>-vpc`.
    #[arg(long)]
    prefix: String,
    /// Folder for the control socket, `sim.sock`.
    #[arg(long)]
    state_dir: PathBuf,
    /// Keep the state in this file and, if it is there, go on from it: with the links that a killed run left, its instances,
    /// interfaces, settings, faults, delays and calls.
    #[arg(long)]
    state_file: Option<PathBuf>,
    /// How long a new interface is pending.
    #[arg(long, default_value = "1s", value_parser = milliseconds)]
    create_delay: u64,
    /// How long an attachment is attaching.
    #[arg(long, default_value = "1500ms", value_parser = milliseconds)]
    attach_delay: u64,
    /// How long an attachment is detaching.
    #[arg(long, default_value = "1200ms", value_parser = milliseconds)]
    detach_delay: u64,
    /// Serve the EC2 API over TLS, too, with this certificate.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate.
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve the EC2 API over TLS, too, with the certificate of this folder, which is made if it is not there, and whose
    /// authority is `ca.crt`.
    #[arg(long, conflicts_with = "tls_cert")]
    tls_folder: Option<PathBuf>,
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let duration: SignedDuration = text
        .parse()
        .map_err(|error| format!("{error}; for example 1500ms"))?;
    u64::try_from(duration.as_millis()).map_err(|_| "a delay cannot be negative".to_owned())
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let Command::Serve(Serve {
        prefix,
        state_dir,
        state_file,
        create_delay,
        attach_delay,
        detach_delay,
        tls_cert,
        tls_key,
        tls_folder,
    }) = Cli::parse().command;
    let delays = vpc::Delays {
        create_ms: create_delay,
        attach_ms: attach_delay,
        detach_ms: detach_delay,
        ..vpc::Delays::default()
    };
    let files = tls_cert.zip(tls_key);
    let files = files.map(|(certificate, key)| Identity::Files { certificate, key });
    match serve(&Options {
        prefix,
        state_dir,
        delays,
        state_file,
        tls: files.or(tls_folder.map(Identity::Folder)),
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = error.chain(), "vpc-sim stops");
            ExitCode::FAILURE
        }
    }
}

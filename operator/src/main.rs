//! The operator's process: flags, logs, TLS provider, clients, signals.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use mimalloc::MiMalloc;
use operator::{
    Monitor, Options, ec2, hooks, http,
    options::{Command, Flags},
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// musl's allocator has one lock for all threads, and a restart with many objects spends most of its time there.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// After SIGTERM the process ends within this time, whatever answers or does not; kubelet allows 30 s by default.
const FAREWELL: Duration = Duration::from_secs(20);
/// Watches, the Lease and probes run beside the owner of the fleet: what it computes for long delays none of them.
const WORKERS: usize = 2;

fn main() -> ExitCode {
    let flags = Flags::parse();
    flags.log.init(None);
    match run(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = telemetry::failure::chain(error.as_ref());
            tracing::error!(%error, "ended");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> anyhow::Result<()> {
    // The AWS client and the Kubernetes client share one TLS provider; without this line rustls refuses to guess.
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        anyhow::bail!("another TLS provider is installed already");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("start the runtime")?;
    let result = match flags.command.clone() {
        None => runtime.block_on(operate(flags)),
        Some(command) => runtime.block_on(once(&flags, &command)),
    };
    // A call that never returns must not keep the process.
    runtime.shutdown_background();
    result
}

async fn operate(flags: Flags) -> anyhow::Result<()> {
    let monitor = Monitor::default();
    let shutdown = CancellationToken::new();
    let asked = asked_to_end()?;
    let probes = tokio::spawn(http::serve(flags.http_port, monitor.clone()));
    let operator = work(Options::new(flags, monitor), shutdown.clone());
    tokio::pin!(operator);
    tokio::select! {
        ended = &mut operator => return ended,
        ended = probes => return ended?.map_err(Into::into),
        () = asked => {}
    }
    tracing::info!("asked to end; waiting for calls in flight");
    shutdown.cancel();
    if let Ok(ended) = tokio::time::timeout(FAREWELL, operator).await {
        ended
    } else {
        tracing::warn!("calls in flight did not end in time; the next leader looks at them again");
        Ok(())
    }
}

async fn work(options: Options, shutdown: CancellationToken) -> anyhow::Result<()> {
    let client = kubernetes().await?;
    let Some(ec2) = ec2::client(&options.monitor, &shutdown).await else {
        return Ok(());
    };
    operator::run(client, ec2, options, shutdown).await?;
    Ok(())
}

async fn once(flags: &Flags, command: &Command) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let asked = asked_to_end()?;
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            asked.await;
            shutdown.cancel();
        }
    });
    let client = kubernetes().await?;
    match command {
        Command::Drain(options) => {
            let ec2 = ec2::client_at_once().await;
            hooks::drain(client, ec2, flags, options, &shutdown).await?;
        }
        Command::Check(options) => hooks::check(client, flags, options, &shutdown).await?,
    }
    Ok(())
}

/// Ends with SIGTERM or SIGINT. Process 1 of a container ignores them as long as nobody listens.
fn asked_to_end() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn kubernetes() -> anyhow::Result<kube::Client> {
    let config = kube::Config::infer()
        .await
        .context("find the Kubernetes API: no in-cluster configuration, no kubeconfig")?;
    operator::client(config).context("make a client of the Kubernetes API")
}

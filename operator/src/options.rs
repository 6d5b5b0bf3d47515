//! What is set from outside: flags, or the environment.

use clap::{Parser, ValueEnum};

use crate::Monitor;

/// Gives pods AWS network interfaces of their own: makes, attaches, detaches and deletes them as `EniClaims` say.
#[derive(Debug, Clone, Parser)]
#[command(name = "eniclaim-operator", version)]
pub struct Flags {
    /// Name of this cluster in AWS tags; every ENI of ours carries it. Default: the UID of the namespace kube-system.
    #[arg(long, env = "ENICLAIM_CLUSTER_ID")]
    pub cluster_id: Option<String>,
    /// Port of /livez, /readyz and /metrics.
    #[arg(long, env = "ENICLAIM_HTTP_PORT", default_value_t = 8080)]
    pub http_port: u16,
    /// How log lines look; what is logged follows `RUST_LOG`, default info.
    #[arg(long, env = "ENICLAIM_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What [`crate::run`] needs besides its clients.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Name of this cluster in AWS tags; none: the UID of kube-system.
    pub cluster_id: Option<String>,
    /// Where it tells how it is.
    pub monitor: Monitor,
}

//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use telemetry::log::LogOptions;

use crate::install::{CniChain, Places, Replaced};

/// Plugs the ENIs of this node's claims into pods and returns them to the host.
#[derive(Debug, Parser)]
#[command(name = "eniclaim-agent", version)]
pub struct Options {
    /// What is logged.
    #[command(flatten)]
    pub log: LogOptions,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent of this node.
    Run(Run),
    /// Show the ENI devices of this node as its running agent knows them, for root.
    Status(Status),
    /// Leave the node's CNI chain and remove the plugin. A running agent would install it again: it must have ended.
    Uninstall(Uninstall),
}

/// How to run.
#[derive(Debug, Args)]
pub struct Run {
    /// Serve networks whose configuration says all, on a host without Kubernetes: there are no claims, and the plugin joins no chain.
    #[arg(long)]
    pub standalone: bool,
    /// Where the agent runs in Kubernetes.
    #[command(flatten)]
    pub cluster: Option<Cluster>,
    /// Where the CNI plugin asks; the journal and the plugin's notes lie in the same folder.
    #[arg(long, env = "ENICLAIM_SOCKET", default_value = cni::config::SOCKET)]
    pub socket: PathBuf,
    /// Port of /livez, /readyz and /metrics on the node.
    #[arg(long, env = "ENICLAIM_HTTP_PORT", default_value_t = 9377)]
    pub http_port: u16,
    /// Where /proc/sys/net is writable.
    #[arg(long, env = "ENICLAIM_PROC_SYS_NET", default_value = "/proc/sys/net")]
    pub proc_sys_net: PathBuf,
    /// Kinds of virtual links that count as ENIs, for tests only, for example veth.
    #[arg(long, env = "ENICLAIM_TEST_DRIVERS", value_delimiter = ',')]
    pub test_drivers: Vec<String>,
    /// The CNI plugin that is installed on the node.
    #[arg(long, env = "ENICLAIM_PLUGIN", default_value = "/eniclaim")]
    pub plugin: PathBuf,
    /// How the plugin joins the node's CNI chain.
    #[arg(long, env = "ENICLAIM_CNI_CHAIN", default_value = "auto")]
    pub cni_chain: CniChain,
    /// Plugins under whose names the CNI plugin is installed as well. Alone it is installed where this names any.
    #[arg(long, env = "ENICLAIM_REPLACED_PLUGINS", value_delimiter = ',')]
    pub replaced_plugins: Vec<Replaced>,
    /// The node's folders.
    #[command(flatten)]
    pub folders: Folders,
}

/// Where the agent runs in Kubernetes.
#[derive(Debug, Clone, Args)]
pub struct Cluster {
    /// Name of this node.
    #[arg(
        long,
        env = "NODE_NAME",
        required = false,
        required_unless_present = "standalone"
    )]
    pub node_name: String,
    /// Namespace of the pod that the agent runs in, and of the operator's Lease.
    #[arg(
        long,
        env = "POD_NAMESPACE",
        required = false,
        required_unless_present = "standalone"
    )]
    pub pod_namespace: String,
    /// UID of the pod that the agent runs in.
    #[arg(
        long,
        env = "POD_UID",
        required = false,
        required_unless_present = "standalone"
    )]
    pub pod_uid: String,
}

impl Run {
    /// Where it runs in Kubernetes; `None`: alone.
    pub fn in_cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref().filter(|_| !self.standalone)
    }
}

/// What to show, and how.
#[derive(Debug, Args)]
pub struct Status {
    /// Where the agent listens.
    #[arg(long, env = "ENICLAIM_SOCKET", default_value = cni::config::SOCKET)]
    pub socket: PathBuf,
    /// How it is printed.
    #[arg(long, short, default_value = "table")]
    pub output: Output,
}

/// How a status is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One line a device.
    Table,
    /// Everything, for programs.
    Json,
}

/// Where to uninstall.
#[derive(Debug, Args)]
pub struct Uninstall {
    /// Where the CNI plugin asks the agent.
    #[arg(long, env = "ENICLAIM_SOCKET", default_value = cni::config::SOCKET)]
    pub socket: PathBuf,
    /// The node's folders.
    #[command(flatten)]
    pub folders: Folders,
}

/// The node's folders.
#[derive(Debug, Clone, Args)]
pub struct Folders {
    /// The node's folder of CNI plugins.
    #[arg(long, default_value = "/host/opt/cni/bin")]
    pub cni_bin_dir: PathBuf,
    /// The node's folder of CNI configurations.
    #[arg(long, default_value = "/host/etc/cni/net.d")]
    pub cni_conf_dir: PathBuf,
}

impl Folders {
    /// For the installer.
    pub fn places(&self) -> Places {
        Places {
            bin: self.cni_bin_dir.clone(),
            conf: self.cni_conf_dir.clone(),
        }
    }
}

//! `cluster`: brings a real Kubernetes up on this machine, and takes it down.

use std::{
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, ExitCode},
};

use clap::{Args, Parser, Subcommand};
use cluster::{Binaries, Cluster, Options};

/// A real Kubernetes on this machine, in a simulated VPC.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Bring a cluster up and leave it up.
    Up(Up),
    /// Take a cluster down: nothing of it is left.
    Down(Name),
    /// Run kubectl as the administrator of a cluster.
    Kubectl {
        #[command(flatten)]
        name: Name,
        /// What kubectl gets.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Build Kubernetes, containerd, etcd, the CNI plugins and helm into the user's cache folder, and say where.
    Binaries,
    /// Build the CNI plugins alone, with cnitool.
    CniPlugins,
}

#[derive(Args)]
struct Name {
    /// The cluster's name.
    #[arg(long, default_value = "try")]
    name: String,
}

#[derive(Args)]
struct Up {
    #[command(flatten)]
    name: Name,
    /// How many nodes.
    #[arg(long, default_value_t = 2)]
    nodes: usize,
    /// EC2 instance type of the nodes.
    #[arg(long, default_value = "m5.4xlarge")]
    instance_type: String,
    /// The binary that plays AWS; by default the one beside this program.
    #[arg(long)]
    vpc_sim: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<()> {
    match verb {
        Verb::Up(up) => bring_up(up),
        Verb::Down(Name { name }) => Ok(cluster::down(&name)?),
        Verb::Kubectl {
            name: Name { name },
            args,
        } => Err(Command::new(cluster::kubectl_path(&name)?)
            .args(args)
            .exec()
            .into()),
        Verb::Binaries => {
            println!("{:#?}", Binaries::build()?);
            Ok(())
        }
        Verb::CniPlugins => {
            println!("{}", cluster::cni_plugins()?.display());
            Ok(())
        }
    }
}

fn bring_up(
    Up {
        name: Name { name },
        nodes,
        instance_type,
        vpc_sim,
    }: Up,
) -> anyhow::Result<()> {
    let cluster = Cluster::up(Options {
        name,
        nodes,
        instance_type,
        vpc_sim,
        ..Options::default()
    })?;
    cluster.keep()?;
    println!("kubectl for it: {}", cluster.kubectl_command());
    println!("take it down:   {}", cluster.down_command());
    Ok(())
}

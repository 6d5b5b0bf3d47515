//! The end-to-end demo: a real cluster in a simulated VPC, a pod that gets its ENI, everything cleaned up afterwards.

use std::{process::ExitCode, time::Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use e2e::world::{PEER, PORT, Space, World};

#[derive(Parser)]
#[command(
    about = "Shows how a pod gets its ENI, on a real cluster in a simulated VPC, and cleans up"
)]
struct Args {
    /// Leave the cluster up, with the pod in it.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args.keep) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nthe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Numbers the steps and times them.
struct Progress {
    start: Instant,
    step: usize,
}

impl Progress {
    fn step(&mut self, what: &str) {
        self.step += 1;
        println!(
            "\n[{:>5.1}s] {}. {what}",
            self.start.elapsed().as_secs_f32(),
            self.step
        );
    }
}

fn show(text: &str) {
    for line in text.lines() {
        println!("         {line}");
    }
}

fn run(keep: bool) -> anyhow::Result<()> {
    let mut progress = Progress {
        start: Instant::now(),
        step: 0,
    };
    progress.step("Bring up a simulated VPC and a two-node Kubernetes in it");
    let world = World::up("demo")?;
    show(&world.kubectl(&["get", "nodes", "-o", "wide"])?);
    show_eni(&world, &mut progress, keep)?;
    if keep {
        println!(
            "\nThe cluster stays up. kubectl for it:\n  {}",
            world.cluster.kubectl_command()
        );
        println!("Take it down with:\n  {}", world.cluster.down_command());
        world.cluster.keep()?;
        return Ok(());
    }
    progress.step("Take the cluster and the VPC down");
    world.cluster.down()?;
    println!(
        "\nNo process, namespace, mount or control group is left. {:.1}s in all.",
        progress.start.elapsed().as_secs_f32()
    );
    Ok(())
}

/// From the installation to the deleted pods, or to the running pod that is to be kept.
fn show_eni(world: &World, progress: &mut Progress, keep: bool) -> anyhow::Result<()> {
    progress.step("Install eniclaim with Helm: operator, node agents, CNI plugin");
    world.install()?;
    world.await_agents()?;
    show(&world.kubectl(&["get", "eninodes"])?);

    progress.step("Apply a class, a pod that asks by its label, and a pod that does not");
    show(&world.kubectl(&["apply", "-f", &world.example("class.yaml")])?);
    let watch = world
        .cluster
        .kubectl_spawn("claims", &["get", "eniclaims", "-o", "wide", "--watch"])?;
    show(&world.kubectl(&[
        "apply",
        "-f",
        &world.example("pod.yaml"),
        "-f",
        &world.example("plain-pod.yaml"),
    ])?);

    progress.step("kubectl get eniclaims --watch, until the pod is Ready (kubelet's own probe passes on eth0)");
    let pods = world.existing("default");
    pods.await_ready("web")?;
    world.kubectl(&[
        "wait",
        "pod",
        "plain",
        "--for=condition=Ready",
        "--timeout=60s",
    ])?;
    show(&watch.output()?);
    watch.end()?;
    show(&world.kubectl(&["get", "pods", "-o", "wide"])?);

    progress.step("The interface in the pod");
    show(&pods.exec("web", &["/bin/ip", "address", "show", "eni0"])?);
    show(&pods.exec("web", &["/bin/ip", "rule"])?);

    reach(&pods, progress)?;
    if keep {
        return Ok(());
    }
    tear_down(&pods, progress)
}

/// Who reaches the peer, and that nobody reaches the metadata service.
fn reach(pods: &Space, progress: &mut Progress) -> anyhow::Result<()> {
    let (peer, address) = (format!("{PEER}:{PORT}"), pods.eni_address("web")?);
    progress.step(&format!(
        "The peer {peer} lets in only the security group of the class; through the ENI it answers"
    ));
    let answer = pods.exec("web", &["/probe", "get", &peer, "--from", &address])?;
    show(&answer);
    ensure!(
        answer.trim() == format!("hello {address}"),
        "the peer saw another address"
    );

    progress.step("The same peer refuses the pod without an ENI");
    let refused = pods.exec("plain", &["/probe", "get", &peer, "--timeout", "2"]);
    show(
        &refused
            .err()
            .context("the peer let in a pod without the security group")?
            .to_string(),
    );

    progress.step("The instance metadata service, and so the node's credentials: refused to a socket, and to a raw socket");
    show(&pods.metadata_is_refused("web")?);
    Ok(())
}

fn tear_down(pods: &Space, progress: &mut Progress) -> anyhow::Result<()> {
    progress.step("Delete the pods: the ENI is detached and deleted, the claim goes");
    pods.delete_pods(&["web", "plain"])?;
    show(&pods.kubectl(&["get", "eniclaims"])?);
    show("EC2 holds no ENI of ours; the nodes have no link, rule, table or journal file of one");
    Ok(())
}

//! A cluster with eniclaim installed by its charts, as a user has it.

mod agents;
mod api;
mod at_end;
mod cloud;
mod evidence;
mod left;
mod metadata;
mod nodes;
mod not_ready;
mod objects;
mod operator;
mod processes;
mod snapshot;
mod space;
mod traffic;
mod wire;
mod writes;

use std::{
    path::{Path, PathBuf},
    process::Output,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use cluster::{Cluster, Options};
use serde_json::json;

use api::Api;

pub use at_end::outcome;
pub use objects::{address, addresses, condition, is_ready, text};
pub use operator::Leader;
pub use rustix::process::Signal;
pub use snapshot::Snapshot;
pub use space::Space;
pub use traffic::{Packets, Traffic, peer_of, serving};
pub use writes::Write;

/// Where eniclaim is installed.
pub const SYSTEM: &str = "eniclaim-system";
/// How long one step of a pod may take here: EC2's delays are seconds, the rest is less.
pub const SOON: Duration = Duration::from_mins(1);
/// Time between two checks, beside that of the cluster's own waiting.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// The peer in the VPC that lets in only the security group of the class `app`.
pub const PEER: &str = "10.0.0.20";
/// The same peer, IPv6: the first address that its subnet hands out.
pub const PEER_V6: &str = "2001:db8:ec2:a0::10";
/// The port on which every probe serves.
pub const PORT: u16 = 8080;
const CONTROL_SUBNET: &str = "subnet-000000000000000a0";
const PEER_GROUP: &str = "sg-000000000000000a3";

/// A running cluster, and the peer.
pub struct World {
    /// The cluster; taken down when this is dropped.
    pub cluster: Cluster,
    api: Api,
    images: Vec<PathBuf>,
    repository: PathBuf,
}

impl World {
    /// Brings up a cluster of this name with two nodes, a peer in its VPC and the project's images on its nodes.
    pub fn up(name: &str) -> anyhow::Result<Self> {
        let options = Options {
            name: name.to_owned(),
            ..Options::default()
        };
        Self::with_images(options, Vec::new())
    }

    /// The same with images that another cluster built and still has; without any it builds them.
    pub fn with_images(options: Options, images: Vec<PathBuf>) -> anyhow::Result<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()?;
        let cluster = Cluster::up(options)?;
        let mut world = Self {
            api: Api::of(&cluster)?,
            cluster,
            images,
            repository,
        };
        if world.images.is_empty() {
            world.images = world.build_images()?;
        }
        for image in &world.images {
            world.cluster.load_image(image)?;
        }
        world.peer()?;
        Ok(world)
    }

    /// Archives of the project's images, for [`World::with_images`].
    pub fn images(&self) -> &[PathBuf] {
        &self.images
    }

    fn build_images(&self) -> anyhow::Result<Vec<PathBuf>> {
        let context = self.repository.join("target/images");
        let images = [
            ("Dockerfile", "operator"),
            ("Dockerfile", "agent"),
            ("kind-tests/e2e/Dockerfile", "probe"),
        ];
        let built = images.map(|(dockerfile, target)| {
            let dockerfile = self.repository.join(dockerfile);
            let tag = format!("localhost/eniclaim/{target}:dev");
            self.cluster
                .build_image(&dockerfile, Some(target), &context, &tag)
        });
        Ok(built.into_iter().collect::<Result<_, _>>()?)
    }

    /// An instance in the VPC that serves, and whose security group lets in only the class's.
    fn peer(&self) -> anyhow::Result<()> {
        let netns = self
            .cluster
            .peer("peer", PEER, CONTROL_SUBNET, &[PEER_GROUP])?;
        let probe = self.repository.join("target/images/probe");
        self.cluster.spawn_in(
            &netns,
            "peer",
            &[&text(&probe), "serve", "--port", &PORT.to_string()],
        )?;
        Ok(())
    }

    /// Installs both charts by Helm, as the README says, with credentials for the simulated EC2.
    pub fn install(&self) -> anyhow::Result<()> {
        self.kubectl(&["create", "namespace", SYSTEM])?;
        self.kubectl(&[
            "-n",
            SYSTEM,
            "create",
            "secret",
            "generic",
            "aws",
            "--from-literal=AWS_ACCESS_KEY_ID=AKIASIMULATED",
            "--from-literal=AWS_SECRET_ACCESS_KEY=simulated",
        ])?;
        self.helm(&[
            "install",
            "eniclaim-crds",
            &self.chart("eniclaim-crds"),
            "--wait",
        ])?;
        let values = json!({
            "image": {"registry": "localhost/eniclaim", "tag": "dev", "pullPolicy": "Never"},
            "logFormat": "text",
            "aws": {"region": "us-east-1", "endpointUrl": "http://192.0.2.1", "credentialsSecret": "aws"},
            "agent": {"testDrivers": ["veth"], "replacedPlugins": ["ecs-eni", "ecs-bridge", "ecs-ipam"]},
        });
        let file = self.cluster.state_dir().join("values.json");
        std::fs::write(&file, values.to_string())?;
        self.helm(&[
            "install",
            "eniclaim",
            &self.chart("eniclaim"),
            "-n",
            SYSTEM,
            "--values",
            &text(&file),
        ])?;
        self.await_rollout("deployment/eniclaim-operator")?;
        self.await_rollout("daemonset/eniclaim-agent")
    }

    /// Waits until a workload of eniclaim runs as it should.
    pub fn await_rollout(&self, workload: &str) -> anyhow::Result<()> {
        // An operator that stood still reads EC2 again every 30 s, and first by each connection that was closed meanwhile.
        self.kubectl(&[
            "-n",
            SYSTEM,
            "rollout",
            "status",
            "--timeout=180s",
            workload,
        ])
        .map(drop)
    }

    /// Folder of one of the project's charts.
    pub fn chart(&self, name: &str) -> String {
        text(&self.repository.join("charts").join(name))
    }

    /// A file of `docs/examples`.
    pub fn example(&self, name: &str) -> String {
        text(&self.repository.join("docs/examples").join(name))
    }

    /// Runs helm; its standard output, or an error with what it said.
    pub fn helm(&self, args: &[&str]) -> anyhow::Result<String> {
        succeeded("helm", args, &self.cluster.helm(args)?)
    }

    /// Runs kubectl; its standard output, or an error with what it said.
    pub fn kubectl(&self, args: &[&str]) -> anyhow::Result<String> {
        succeeded("kubectl", args, &self.cluster.kubectl(args)?)
    }

    /// Waits until `condition` holds; fails with `what` and the condition's last error when it does not within `limit`.
    pub fn wait(
        &self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut last = None;
        let waited = self.cluster.poll(what, limit, || {
            let looked = condition();
            let holds = looked.as_ref().is_ok_and(|holds| *holds);
            last = looked.err();
            if !holds {
                // A check takes time from the work on this machine that it waits for.
                thread::sleep(POLL_INTERVAL);
            }
            holds
        });
        match (waited, last) {
            (Ok(()), _) => Ok(()),
            (Err(waited), Some(error)) => {
                Err(anyhow::Error::from(waited)
                    .context(format!("the last check failed: {error:#}")))
            }
            (Err(waited), None) => Err(waited.into()),
        }
    }

    /// Checks again and again for as long as `span`; fails with the first check that does.
    pub fn holds(
        &self,
        what: &str,
        span: Duration,
        mut look: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut broken = None;
        self.wait(what, span + SOON, || {
            broken = look().err();
            Ok(broken.is_some() || start.elapsed() >= span)
        })?;
        let after = start.elapsed().as_secs_f32();
        broken.map_or(Ok(()), |error| {
            Err(error.context(format!("{what} ended after {after:.1} s")))
        })
    }
}

/// Standard output of a command that ended well.
fn succeeded(program: &str, args: &[&str], output: &Output) -> anyhow::Result<String> {
    if !output.status.success() {
        bail!(
            "{program} {}: {}{}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
    }
    String::from_utf8(output.stdout.clone()).context("output is not text")
}

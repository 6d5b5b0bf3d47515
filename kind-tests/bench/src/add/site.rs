//! Where b-add is measured: a host with an agent, a VPC, and a device for us and one for the peers.

use std::fmt::Write;

use crds::interface::DhcpMode;
use serde_json::Value;

use crate::{
    add::rounds::{Pauses, Round, Rounds},
    cni,
    node::{
        agent::Agent,
        api_server::ApiServer,
        claims::{self, Pod, Report},
        link::Links,
        namespace::Namespace,
        plugin::Plugin,
        upstream::Upstream,
    },
    process,
};

/// The pod whose device the agent moves.
pub const OURS: Pod = Pod(0);
/// The pod whose device the peers move. The agent knows no claim for it.
pub const PEERS: Pod = Pod(1);

/// The pod with several interfaces, whose devices the agent moves.
pub const SEVERAL: Pod = Pod(2);
/// Their ENIs.
pub const ENIS: [Pod; 4] = [Pod(3), Pod(4), Pod(5), Pod(6)];
/// How many that are.
pub const MOVES: f64 = 4.0;

/// Host and VPC.
pub struct Site {
    host: Namespace,
    vpc: Namespace,
}

impl Site {
    /// A host with the two devices and so many other links.
    pub fn new(others: usize) -> anyhow::Result<Self> {
        let (host, vpc) = (Namespace::new("host")?, Namespace::new("vpc")?);
        let mut links = String::new();
        for pod in [OURS, PEERS].into_iter().chain(ENIS) {
            writeln!(links, "{}", pod.wire(&vpc))?;
        }
        for number in 0..others {
            writeln!(links, "link add other{number} type bridge")?;
            writeln!(links, "link set other{number} up")?;
        }
        host.ip(&links)?;
        let mut links = String::new();
        for pod in [OURS, PEERS].into_iter().chain(ENIS) {
            writeln!(links, "link set {} up", pod.other_end())?;
        }
        writeln!(links, "addr add 10.0.1.1/24 dev {}", PEERS.other_end())?;
        vpc.ip(&links)?;
        Ok(Self { host, vpc })
    }

    /// Starts everything, and goes round.
    pub fn measure(&self) -> anyhow::Result<Vec<Round>> {
        let empty = process::built("release/empty", "cargo build --release --package bench")?;
        let ours = process::built(cni::PLUGIN, cni::BUILD)?;
        self.host.inside(|| {
            let (server, address) = ApiServer::start()?;
            claims::write(&server, [OURS].into_iter(), DhcpMode::Maintain)?;
            claims::write_several(&server, SEVERAL, &ENIS)?;
            let agent = Agent::start(&server, &address)?;
            claims::wait_for_reports(&server, 1 + ENIS.len(), Report::Device)?;
            let upstream = Upstream::start(&self.vpc, &PEERS.other_end(), PEERS)?;
            let configuration = agent.network();
            let mut several = configuration.clone();
            let annotations = several.pointer_mut(ANNOTATIONS);
            if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
                let interfaces = claims::interfaces(ENIS.len()).into();
                annotations.insert("eniclaim.io/interfaces".to_owned(), interfaces);
            }
            let rounds = Rounds {
                host: &self.host,
                links: Links::open()?,
                several: Plugin::new(ours.clone(), &several),
                empty: Plugin::new(empty, &configuration),
                ours: Plugin::new(ours, &configuration),
                upstream: &upstream.plugin,
                pauses: Pauses::default(),
            };
            rounds
                .all()
                .map_err(|error| error.context(format!("the agent has logged:\n{}", agent.log())))
        })
    }
}

/// Where the runtime hands a pod's annotations to the plugin.
const ANNOTATIONS: &str = "/runtimeConfig/io.kubernetes.cri.pod-annotations";

//! A cluster of 72 nodes in a region with EC2's rules.

use operator_core::{claim::Phase, cluster::Pod};
use vpc::world::{SUBNET_CONTROL, SUBNET_NODES, SUBNET_ZONE_B, VPC};

use crate::world::{
    Counts, World,
    kubernetes::Kubernetes,
    makers::{self, START},
    region::Region,
};

/// Nodes in each of two zones: a subnet of the simulated region has 251 addresses.
const ZONES: [(usize, &str); 2] = [(50, SUBNET_NODES), (22, SUBNET_ZONE_B)];
/// ENIs that a node can hold besides its own.
pub const SLOTS: usize = 7;

/// A cluster at rest, its operator started long ago.
pub fn at_rest() -> anyhow::Result<World<Region>> {
    let mut kubernetes = Kubernetes::default();
    for name in ["kube-system", "shop"] {
        let namespace = makers::namespace(name);
        kubernetes
            .namespaces
            .insert(namespace.name.clone(), namespace);
    }
    let mut class = makers::class(0);
    class.subnets.ids = [SUBNET_NODES, SUBNET_CONTROL, SUBNET_ZONE_B]
        .map(str::parse)
        .into_iter()
        .collect::<Result<_, _>>()?;
    class.groups.ids = vec![vpc::world::GROUP_APP.parse()?];
    kubernetes.classes.insert(class.name.clone(), class);
    let mut region = Region::new();
    let subnets = ZONES
        .iter()
        .flat_map(|(count, subnet)| vec![*subnet; *count]);
    for (number, subnet) in subnets.enumerate() {
        let mut node = makers::node(number);
        node.instance = Ok(region.launch(node.name.as_str(), subnet, START)?);
        let agent = makers::agent_pod(number);
        kubernetes.nodes.insert(node.name.clone(), node);
        kubernetes.agents.insert(agent.key.clone(), agent);
    }
    anyhow::ensure!(!VPC.is_empty() && kubernetes.nodes.len() == 72, "72 nodes");
    let mut world = World::new(kubernetes, region, START);
    world.start();
    world.pass(600_000);
    world.counts = Counts::default();
    Ok(world)
}

/// The n-th pod, on a node with a free slot.
pub fn pod(number: usize, world: &World<Region>) -> Pod {
    let mut pod = makers::pod("shop", number * makers::CLASSES, Some(number / SLOTS));
    pod.created = world.now;
    pod
}

/// How many claims are in that phase.
pub fn count(world: &World<Region>, phase: Phase) -> usize {
    let claims = world.kubernetes.claims.values();
    claims
        .filter(|claim| claim.status.phase == Some(phase))
        .count()
}

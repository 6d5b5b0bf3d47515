//! b-scale: the fleet with 5,000 nodes and 50,000 claims.

mod later;

use std::collections::BTreeMap;

use operator_core::cluster::Key;

use crate::{
    interval::{Interval, worst},
    plan,
    row::{Row, seconds},
    world::{
        World,
        cloud::{Account, made},
        kubernetes::Kubernetes,
        makers::{self, START},
    },
};

/// Nodes of the fleet.
const NODES: usize = 5_000;
/// Its claims.
const CLAIMS: usize = NODES * makers::ON_NODE;
/// Pods that wait for their namespace's label.
pub const WAITING: usize = 2_000;
/// Starts that are measured.
const STARTS: usize = 9;
/// The claim that is not finished.
const PLANTED: usize = CLAIMS / 2 + 3;
/// From complete lists to the first order.
const FIRST: f64 = 5.0;
/// 99.9 % of later facts.
const FACT: f64 = 0.001;
/// The worst of them.
const WORST: f64 = 0.020;
/// Virtual milliseconds at rest.
const REST: i64 = 600_000;

/// What is measured of the whole fleet.
pub fn rows() -> anyhow::Result<Vec<Row>> {
    let mut world = settled();
    let first = first(&mut world)?;
    let rest = rest(&mut world);
    let mut rows = vec![first, rest];
    rows.extend(later::rows(&mut world)?);
    Ok(rows)
}

/// A fleet for which nothing is left to be done.
pub fn settled() -> World<Account> {
    let mut world = World::new(cluster(), account(), START);
    world.start();
    // Reports are written, published capacity, the class labels.
    world.pass(60_000);
    world
}

/// Starts the operator beside an unfinished claim: until the order that finishes it.
fn first(world: &mut World<Account>) -> anyhow::Result<Row> {
    let key = plant(world);
    let unfinished = world.kubernetes.claims.get(&key).cloned();
    let mut spent = Vec::new();
    for _ in 0..STARTS {
        if let Some(claim) = &unfinished {
            world.kubernetes.claims.insert(key.clone(), claim.clone());
        }
        world.counts = crate::world::Counts::default();
        world.samples.clear();
        // What the start before this one made.
        world
            .cloud
            .remove(&makers::eni_id(made(world.cloud.number)));
        world.start();
        world.run_until(|world| {
            !world
                .counts
                .calls
                .keys()
                .all(|action| action.starts_with("Desc"))
        })?;
        spent.push(
            world
                .samples
                .iter()
                .map(|(_, seconds)| seconds)
                .sum::<f64>(),
        );
    }
    let changes: u32 = changes(&world.counts.calls);
    anyhow::ensure!(
        changes == 1,
        "{changes} changes of EC2 for one unfinished claim"
    );
    world.pass(120_000);
    let ratio = Interval::median(&spent);
    Ok(Row {
        id: "b-scale first",
        ours: format!("first order: {}", seconds(ratio.value)),
        peer: format!("{FIRST} s"),
        ratio: ratio.over(FIRST),
        goal: 1.0,
        how: format!(
            "median of {STARTS} starts, lists and pages included; worst {}",
            seconds(worst(&spent))
        ),
    })
}

/// Ten minutes without a change: nothing is written, nothing is changed in EC2, and no step looks at everything.
fn rest(world: &mut World<Account>) -> Row {
    world.pass(120_000);
    world.counts = crate::world::Counts::default();
    world.samples.clear();
    world.pass(REST);
    let writes: u32 = world.counts.writes.values().sum();
    let changes = changes(&world.counts.calls);
    let spent: f64 = world.samples.iter().map(|(_, seconds)| seconds).sum();
    Row {
        id: "b-scale rest",
        ours: format!("{writes} writes, {changes} changes of EC2"),
        peer: "none".to_owned(),
        ratio: Interval::exact(f64::from(writes + changes)),
        goal: 0.0,
        how: format!(
            "ten minutes of virtual time, {} of processor time",
            seconds(spent)
        ),
    }
}

fn changes(calls: &BTreeMap<&'static str, u32>) -> u32 {
    let changes = calls
        .iter()
        .filter(|(action, _)| !action.starts_with("Desc"));
    changes.map(|(_, count)| count).sum()
}

/// Takes what was made of one claim away again: its request is frozen, and EC2 has not been called.
pub fn plant(world: &mut World<Account>) -> Key {
    let claim = makers::unfinished(PLANTED);
    let id = makers::eni_id(PLANTED);
    world.cloud.remove(&id);
    let key = claim.key.clone();
    world.kubernetes.claims.insert(key.clone(), claim);
    key
}

fn cluster() -> Kubernetes {
    let mut kubernetes = Kubernetes::default();
    for name in (0..makers::NAMESPACES)
        .map(makers::namespace_of)
        .chain(["kube-system".to_owned()])
    {
        let namespace = makers::namespace(&name);
        kubernetes
            .namespaces
            .insert(namespace.name.clone(), namespace);
    }
    let mut later = makers::namespace("later");
    later.labels.clear();
    kubernetes.namespaces.insert(later.name.clone(), later);
    for class in (0..makers::CLASSES).map(makers::class) {
        kubernetes.classes.insert(class.name.clone(), class);
    }
    for number in 0..NODES {
        let (node, agent) = (makers::node(number), makers::agent_pod(number));
        kubernetes.nodes.insert(node.name.clone(), node);
        kubernetes.agents.insert(agent.key.clone(), agent);
    }
    for number in 0..CLAIMS {
        let (claim, pod) = (plan::ready(number).0, makers::pod_of(number));
        kubernetes.claims.insert(claim.key.clone(), claim);
        kubernetes.pods.insert(pod.key.clone(), pod);
    }
    kubernetes
}

fn account() -> Account {
    let mut account = Account {
        types: makers::types(),
        subnets: makers::subnets(),
        ..Account::default()
    };
    for number in 0..NODES {
        let instance = makers::instance(number);
        account.instances.insert(instance.id.clone(), instance);
    }
    for number in 0..CLAIMS {
        account.add(plan::ready(number).1);
    }
    account
}

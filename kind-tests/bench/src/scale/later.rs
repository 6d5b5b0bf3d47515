//! Facts that come while the fleet is complete.

use std::collections::BTreeMap;

use operator_core::{
    Change, Fact,
    cluster::{Class, NodeHealth},
};

use super::{FACT, NODES, WAITING, WORST};
use crate::{
    interval::{Interval, float},
    row::{Row, seconds},
    world::{World, cloud::Account, makers},
};

/// Rounds of changes; each is one of every kind on other objects.
const ROUNDS: usize = 1_500;
/// Virtual milliseconds of a round.
const ROUND: i64 = 250;
/// Rounds between two changes that concern thousands.
const WIDE: usize = 150;

/// Changes of pods, claims, nodes, agents, classes, namespaces and subnets, with everything that follows from them.
pub fn rows(world: &mut World<Account>) -> anyhow::Result<Vec<Row>> {
    for number in 0..WAITING {
        world.put_pod(makers::pod("later", 100_000 + number, None));
    }
    world.pass(30_000);
    world.samples.clear();
    for round in 0..ROUNDS {
        narrow(world, round);
        if round % WIDE == WIDE / 2 {
            wide(world, round / WIDE);
        }
        world.pass(ROUND);
    }
    let samples: Vec<f64> = world.samples.iter().map(|(_, seconds)| *seconds).collect();
    anyhow::ensure!(samples.len() > 10_000, "only {} facts", samples.len());
    let count = samples.len();
    let ratio = Interval::quantile(samples, 0.999);
    let (name, worst) = worst(&world.samples);
    let kinds = kinds(&world.samples);
    Ok(vec![
        Row {
            id: "b-scale facts",
            ours: format!("99.9 %: {}", seconds(ratio.value)),
            peer: seconds(FACT),
            ratio: ratio.over(FACT),
            goal: 1.0,
            how: format!("{count} times learn and next"),
        },
        Row {
            id: "b-scale worst",
            ours: format!("worst: {}", seconds(worst)),
            peer: seconds(WORST),
            ratio: Interval::exact(worst / WORST),
            goal: 1.0,
            how: format!("of {count}, {name}. By kind, worst (99.9 %, mean): {kinds}"),
        },
    ])
}

/// Changes that concern one object each.
fn narrow(world: &mut World<Account>, round: usize) {
    let number = round * 7 % NODES;
    let claim = number * makers::ON_NODE + 1;
    // A pod's and a node's other fields change all the time; most of it is no news.
    for n in [claim, claim + 1] {
        world.learn(Fact::Pods(Change::Set(Box::new(makers::pod_of(n)))));
    }
    if let Some(mut node) = world
        .kubernetes
        .nodes
        .get(&makers::node_name(number))
        .cloned()
    {
        if round.is_multiple_of(50) {
            node.health = NodeHealth::NotReady;
        }
        world.learn(Fact::Nodes(Change::Set(Box::new(node))));
    }
    if round % 50 == 1 {
        let mut agent = makers::agent_pod(number);
        for ready in [false, true] {
            agent.ready = ready;
            world.learn(Fact::AgentPods(Change::Set(Box::new(agent.clone()))));
        }
    }
    if round % 2 == 1 {
        return;
    }
    // One pod ends, and one begins, on another node; the budget of EC2's calls allows that rate.
    let mut ended = makers::pod_of(claim);
    ended.terminal = true;
    world
        .kubernetes
        .pods
        .insert(ended.key.clone(), ended.clone());
    world.learn(Fact::Pods(Change::Set(Box::new(ended))));
    let place = Some((number + 1) % NODES);
    let begun = makers::pod(&makers::namespace_of(round), 200_000 + round, place);
    world
        .kubernetes
        .pods
        .insert(begun.key.clone(), begun.clone());
    world.learn(Fact::Pods(Change::Set(Box::new(begun))));
}

/// Changes that concern thousands.
fn wide(world: &mut World<Account>, number: usize) {
    let Some(mut class) = world
        .kubernetes
        .classes
        .get(&makers::class_name(number))
        .cloned()
    else {
        return;
    };
    match number % 5 {
        0 => relabel(world),
        1 => class.groups.ids.push(makers::group(200)),
        2 => class.subnets.ids.reverse(),
        3 => {
            let subnet = add_subnet(world, number);
            class.subnets.ids.push(subnet);
        }
        _ => class.interface.instance_metadata = api::interface::InstanceMetadata::Allowed,
    }
    edit(world, class);
}

fn edit(world: &mut World<Account>, class: Class) {
    if world.kubernetes.classes.get(&class.name) == Some(&class) {
        return;
    }
    world
        .kubernetes
        .classes
        .insert(class.name.clone(), class.clone());
    world.learn(Fact::Classes(Change::Set(Box::new(class))));
}

/// The label that thousands of pods wait for; they ask for claims, and are not scheduled.
fn relabel(world: &mut World<Account>) {
    let namespace = makers::namespace("later");
    let unlabelled = world
        .kubernetes
        .namespaces
        .insert(namespace.name.clone(), namespace.clone());
    debug_assert!(WAITING > 0 && unlabelled.is_some());
    world.learn(Fact::Namespaces(Change::Set(Box::new(namespace))));
}

/// A subnet that EC2 shows for the first time.
fn add_subnet(world: &mut World<Account>, number: usize) -> api::id::SubnetId {
    let id = makers::subnet_id(1_000 + number);
    if let Some(mut subnet) = makers::subnets().into_values().next() {
        subnet.id = id.clone();
        world.cloud.subnets.insert(id.clone(), subnet);
    }
    id
}

fn worst(samples: &[(&'static str, f64)]) -> (&'static str, f64) {
    let worst = samples.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    worst.copied().unwrap_or(("", f64::NAN))
}

fn kinds(samples: &[(&'static str, f64)]) -> String {
    let mut kinds: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (kind, seconds) in samples {
        kinds.entry(kind).or_default().push(*seconds);
    }
    let text = kinds.iter().map(|(kind, of)| {
        let mean = of.iter().sum::<f64>() / float(of.len());
        let tail = Interval::quantile(of.clone(), 0.999).value;
        let worst = crate::interval::worst(of);
        format!(
            "{kind} {} ({}, {}, {} times)",
            seconds(worst),
            seconds(tail),
            seconds(mean),
            of.len()
        )
    });
    text.collect::<Vec<_>>().join("; ")
}

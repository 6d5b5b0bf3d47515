//! Whatever happens in whatever order: the invariants hold, and once faults stop it converges and rests.

use std::{collections::BTreeMap, env};

use api::id::{NodeName, SecurityGroupId};
use operator_core::{MINUTE, SECOND, Settings, cluster::NodeHealth, order::Action};
use proptest::{prelude::*, test_runner::RngSeed};
use vpc::{Detach, Request, world as aws};

use super::{
    ec2::Script,
    story::pod_key,
    world::{Shape, World},
};

/// Calls that one pod may cost, faults included.
const CALLS: usize = 60;

/// Two interfaces a pod, and nodes that hold all five pods.
const SEVERAL: Shape = Shape {
    nodes: "c6in.32xlarge",
    room: 13,
    interfaces: &["eni1", "eni2"],
};

/// A few minutes of bad luck.
fn trouble(world: &mut World, steps: u32) {
    for _ in 0..steps {
        faults(world);
        let name = format!("p{}", world.dice(5));
        match world.dice(25) {
            0..=3 => appear(world, &name),
            4 => world.remove_pod(&name),
            5 => change(world, &name, |pod| pod.deleting = true),
            6 => change(world, &name, |pod| pod.terminal = true),
            7 => delete_claim(world, &name),
            8 => reuse(world, &name),
            9 | 10 => {
                let op = usize::try_from(world.dice(2)).unwrap();
                world.crash(op);
            }
            11 => world.list(0),
            12 => hand_over(world),
            13 => somebody(world, &name),
            14 => lose_node(world),
            15 => agents(world),
            16 => restore(world),
            17 => second_claim(world, &name),
            18 => edit_class(world),
            19 => both_lead(world),
            20 => change_groups(world, &name),
            _ => {}
        }
        let pause = world.dice(6_000);
        world.run(i64::try_from(pause * pause / 3_000).unwrap());
    }
}

pub fn faults(world: &mut World) {
    let is_bad = world.percent(40);
    let mut level = |most: u64| if is_bad { world.dice(most) } else { 0 };
    world.script = Script {
        lose_reply: level(30),
        lose_call: level(15),
        late: level(20),
        unknown: level(15),
        throttle: level(15),
        deny: level(20),
        lose_read: level(20),
        slow_read: level(40),
        lose_write: level(15),
        lose_written: level(20),
        lag: i64::try_from(level(3_000)).unwrap(),
        ..Script::default()
    };
    world.vpc.settings.stale_ms = if is_bad && world.percent(30) {
        world.dice(5_000)
    } else {
        0
    };
}

fn appear(world: &mut World, name: &str) {
    let node = format!("n{}", world.dice(2) + 1);
    let exists = world.store.nodes.contains_key(&node.as_str().into());
    if exists && !world.store.pods.contains_key(&pod_key(name)) {
        world.add_pod(name, &node);
    }
}

fn change(world: &mut World, name: &str, change: impl FnOnce(&mut operator_core::cluster::Pod)) {
    if world.store.pods.contains_key(&pod_key(name)) {
        world.change_pod(name, change);
    }
}

fn delete_claim(world: &mut World, name: &str) {
    if let Some(key) = world.claim_of(name).map(|c| c.key.clone()) {
        world.delete_claim(&key);
    }
}

/// A pod is made again under its name at once, as a stateful set does.
fn reuse(world: &mut World, name: &str) {
    if let Some(node) = world
        .store
        .pods
        .get(&pod_key(name))
        .and_then(|p| p.node.clone())
    {
        world.remove_pod(name);
        world.add_pod(name, node.as_str());
    }
}

pub fn hand_over(world: &mut World) {
    let Some(leader) = world.leader else { return };
    if world.percent(50) {
        world.pause(leader);
    }
    world.elect(1 - leader);
    let wait = i64::try_from(world.dice(15_000)).unwrap();
    world.run(wait);
    world.resume(leader);
}

/// Two processes lead until the former leader's term ends, each without knowing of the other.
pub fn both_lead(world: &mut World) {
    let Some(leader) = world.leader else { return };
    world.usurp(1 - leader);
    if world.percent(30) {
        let wait = i64::try_from(world.dice(5_000)).unwrap();
        world.run(wait);
        world.usurp(leader);
    }
}

/// Another client of EC2 takes something away.
fn somebody(world: &mut World, name: &str) {
    let Some(eni) = world.eni_of(name) else {
        return;
    };
    let now = world.millis();
    let eni = vpc::EniId::from(eni.as_str());
    let attachment = world
        .vpc
        .eni(&eni)
        .and_then(|e| e.attachment())
        .map(|a| a.id.clone());
    let request = match attachment {
        Some(id) => Request::DetachNetworkInterface(Detach::from(id)),
        None => Request::DeleteNetworkInterface(eni.clone()),
    };
    // It may be refused: the ENI is on its way somewhere.
    let _ = world.vpc.call(request, now);
    world.agents.plugged.remove(&eni.as_str().parse().unwrap());
    world.stir();
}

/// An instance ends; its node goes, and perhaps comes back as another one.
pub fn lose_node(world: &mut World) {
    if !world.store.nodes.contains_key(&"n2".into()) {
        return;
    }
    let instance = world.instance_of("n2");
    world.terminate(&instance);
    if world.percent(50) {
        let wait = i64::try_from(world.dice(20_000)).unwrap();
        world.run(wait);
        world.set_health("n2", NodeHealth::NotReady);
    }
    world.remove_node("n2");
    if world.percent(50) {
        for n in 0..5 {
            let name = format!("p{n}");
            let pod = world.store.pods.get(&pod_key(&name));
            if pod.is_some_and(|p| p.node.as_ref().is_some_and(|n| n.as_str() == "n2")) {
                world.remove_pod(&name);
            }
        }
    }
    world.add_node_in("n2", world.shape.nodes, aws::SUBNET_NODES);
}

pub fn agents(world: &mut World) {
    world.agents.delay = i64::try_from(world.dice(8_000)).unwrap() + 1;
    if world.percent(50) {
        world.agents.away.insert("n1".into());
    } else {
        world.agents.away.clear();
        world.stir();
    }
}

/// The API server comes back from a backup that lacks the last versions' numbers.
pub fn restore(world: &mut World) {
    world.cut_off();
    world.store.version = world.store.version.saturating_sub(500);
    for key in world.store.claims.keys().cloned().collect::<Vec<_>>() {
        let version = world.store.next_version();
        world.store.claims.get_mut(&key).unwrap().version = version;
    }
    for op in 0..world.ops.len() {
        world.list(op);
    }
}

fn second_claim(world: &mut World, name: &str) {
    let Some(first) = world.claim_of(name).cloned() else {
        return;
    };
    let key = operator_core::cluster::Key::new("shop", &format!("second-{name}"));
    if world.store.claims.contains_key(&key) {
        return world.delete_claim(&key);
    }
    let uid = world.store.uid("second").into();
    world.put_claim(operator_core::claim::Claim {
        key,
        uid,
        finalizer: false,
        deleting: false,
        status: api::ClaimStatus::default(),
        device: None,
        leased: None,
        ..first
    });
}

fn edit_class(world: &mut World) {
    let other = world.percent(50);
    world.set_class(|class| {
        let group = if other {
            aws::GROUP_APP
        } else {
            aws::GROUP_DEFAULT
        };
        class.groups.ids = vec![group.parse().unwrap()];
    });
}

/// Another client of EC2 changes an ENI's groups.
fn change_groups(world: &mut World, name: &str) {
    let Some(eni) = world.eni_of(name) else {
        return;
    };
    let change = vpc::Change::Groups([aws::GROUP_PEER.into()].into());
    let request = Request::ModifyNetworkInterfaceAttribute(eni.as_str().into(), change);
    let now = world.millis();
    // It may be gone.
    let _ = world.vpc.call(request, now);
}

/// No more faults: everything comes to an end.
pub fn mend(world: &mut World) {
    world.script = Script::default();
    world.vpc.settings.stale_ms = 0;
    world.agents.away.clear();
    world.agents.delay = 100;
    for op in 0..world.ops.len() {
        world.resume(op);
    }
    if world.leader.is_none() {
        world.elect(0);
    }
    for key in world.store.claims.keys().cloned().collect::<Vec<_>>() {
        if key.name.starts_with("second") {
            world.delete_claim(&key);
        }
    }
    // A pod that is being deleted is removed in the end.
    for key in world.store.pods.keys().cloned().collect::<Vec<_>>() {
        if world.store.pods[&key].deleting {
            world.remove_pod(&key.name);
        }
    }
    world.set_class(|class| class.drift_policy = api::DriftPolicy::Correct);
    world.stir();
}

pub fn settings() -> Settings {
    Settings {
        cluster_id: Some("c1".into()),
        ..Settings::default()
    }
}

fn converges(shape: Shape, seed: u64, steps: u32) {
    let mut world = World::of(shape, settings());
    world.start(settings());
    world.seed(seed);
    trouble(&mut world, steps);
    let calls = world.log.mutations.len();
    mend(&mut world);
    world.rest();
    everybody_is_served(&world);
    let served = world.log.mutations.len() - calls;
    assert!(
        served < CALLS * 5 * shape.enis(),
        "{served} calls without faults"
    );
    world.clear();
    world.run(30 * MINUTE);
    assert_eq!(world.made(), [], "{}", world.picture());
}

/// As many pods of each node as it takes have all their ENIs, and the others say that it is full.
fn everybody_is_served(world: &World) {
    let mut served: BTreeMap<NodeName, (usize, usize)> = BTreeMap::new();
    for pod in world.store.pods.values().filter(|pod| !pod.terminal) {
        let Some(node) = pod.node.clone() else {
            continue;
        };
        let name = &pod.key.name;
        let (pods, ready) = served.entry(node).or_default();
        *pods += 1;
        if world.is_ready(name) {
            *ready += 1;
            has_groups_of_class(world, name);
        } else {
            let why = world.why(name);
            let is_full = why.contains("all are taken");
            assert!(is_full, "{name} ends with {why:?}\n{}", world.picture());
        }
    }
    for (node, (pods, ready)) in served {
        let picture = world.picture();
        let room = world.shape.room / world.shape.enis();
        assert_eq!(
            ready,
            pods.min(room),
            "{ready} of {pods} on {node}\n{picture}"
        );
    }
}

fn has_groups_of_class(world: &World, name: &str) {
    let eni = world.eni_of(name).unwrap();
    let eni = world.vpc.eni(&eni.as_str().into()).unwrap();
    let status = &world.claim_of(name).unwrap().status;
    let in_sync = status.condition(api::condition::kind::SECURITY_GROUPS_IN_SYNC);
    if in_sync.is_some_and(|condition| condition.reason == "Halted") {
        return;
    }
    let wanted = &world.store.classes[&"app".into()].groups.ids;
    let wanted: Vec<&str> = wanted.iter().map(SecurityGroupId::as_str).collect();
    let has: Vec<&str> = eni.groups.iter().map(vpc::GroupId::as_str).collect();
    assert_eq!(has, wanted, "{name}\n{}", world.picture());
}

/// As many scripts as `ENICLAIM_SEEDS` says, from the generator that `ENICLAIM_SEED` starts; by default always the same.
// The core reads no environment; who runs its tests says how many.
#[allow(clippy::disallowed_methods)]
pub fn config() -> ProptestConfig {
    let read = |name: &str| env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    ProptestConfig {
        cases: read("ENICLAIM_SEEDS").map_or(120, |n| u32::try_from(n).unwrap()),
        rng_seed: RngSeed::Fixed(read("ENICLAIM_SEED").unwrap_or(1)),
        failure_persistence: None,
        max_shrink_iters: 30,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn it_converges_whatever_happens(seed: u64, steps in 5_u32..80) {
        converges(Shape::default(), seed, steps);
    }

    #[test]
    fn pods_with_several_interfaces_converge_whatever_happens(seed: u64, steps in 5_u32..60) {
        converges(SEVERAL, seed, steps);
    }

    #[test]
    fn what_was_decided_is_decided_again(seed: u64, steps in 5_u32..40) {
        // Asked twice without news, the fleet orders nothing more.
        let mut world = World::new();
        world.start(settings());
        world.seed(seed);
        trouble(&mut world, steps);
        world.run(SECOND);
        let now = world.now;
        for op in &mut world.ops {
            if !op.paused {
                let _ = op.fleet.next(now);
                prop_assert_eq!(op.fleet.next(now), []);
            }
        }
    }
}

#[test]
fn a_pod_costs_few_calls_in_good_times() {
    let mut world = World::new();
    for n in 0..4 {
        world.ready(&format!("p{n}"), if n < 2 { "n1" } else { "n2" });
    }
    world.rest();
    world.clear();
    assert_eq!(world.calls(Action::CreateNetworkInterface), 4);
    assert_eq!(world.log.mutations.len(), 20, "five a pod");
}

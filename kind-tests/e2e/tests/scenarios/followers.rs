//! Pods whose ENIs have the security groups of one class, and what some of them say to each other meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use e2e::world::{PEER, SOON, Space, Traffic, address, is_ready};
use serde_json::{Value, json};

use super::makers::{asking, on, pod};

/// Pods beside those that follow: the ENI of one drifts, that of the other is on hold.
pub const OTHERS: usize = 2;
/// How many follow, unless `ENICLAIM_FOLLOWERS` says otherwise.
const FOLLOWERS: usize = 6;
/// ENIs of pods on two nodes as the clusters have them.
const FIT: usize = 14;
/// An instance type that holds 59 ENIs of pods.
const LARGE: &str = "p4d.24xlarge";
/// How many of them talk, and how many try to.
const TALKERS: usize = 5;

/// How many pods follow.
pub fn followers() -> anyhow::Result<usize> {
    let followers = env::var("ENICLAIM_FOLLOWERS");
    Ok(followers.map_or(Ok(FOLLOWERS), |followers| followers.parse())?)
}

/// The instance type that the nodes need for them and the others; none: the usual one.
pub fn nodes() -> anyhow::Result<Option<&'static str>> {
    Ok((followers()? + OTHERS > FIT).then_some(LARGE))
}

/// The pods and their ENIs, in one order.
pub struct Pods {
    pub names: Vec<String>,
    pub enis: Vec<String>,
    addresses: Vec<String>,
}

impl Pods {
    /// So many pods over two nodes, Ready.
    pub fn start(space: &Space, count: usize) -> anyhow::Result<Self> {
        let start = Instant::now();
        let names: Vec<String> = (0..count).map(|n| format!("g{n}")).collect();
        let pod = |(n, name): (usize, &String)| {
            let node = space.world.cluster.node(n / 2 % 2).name();
            on(asking(pod(name), space.name()), &node)
        };
        let pods: Vec<Value> = names.iter().enumerate().map(pod).collect();
        space.apply(&json!({"apiVersion": "v1", "kind": "List", "items": pods}))?;
        let limit = 2 * SOON + SOON / 10 * u32::try_from(count)?;
        space.world.wait("all pods to be Ready", limit, || {
            let count_of = |objects: Vec<Value>| objects.iter().filter(|o| is_ready(o)).count();
            let ready = (count_of(space.list("pods")?), count_of(space.claims()?));
            ensure!(ready == (count, count), "of pods and claims {ready:?} are");
            Ok(true)
        })?;
        println!("{count} pods were Ready after {:.0?}", start.elapsed());
        let claims = claims(space)?;
        let of = |name: &String| {
            claims
                .get(name)
                .with_context(|| format!("no claim of {name}"))
        };
        let eni = |claim: &Value| claim["status"]["eni"]["id"].as_str().map(str::to_owned);
        let (mut enis, mut addresses) = (Vec::new(), Vec::new());
        for name in &names {
            enis.push(eni(of(name)?).with_context(|| format!("{name} has no ENI"))?);
            addresses.push(address(of(name)?)?);
        }
        Ok(Self {
            names,
            enis,
            addresses,
        })
    }

    /// Some of the first `count` begin to talk to the peer, and others to try to reach their neighbours.
    pub fn talk(&self, space: &Space, count: usize) -> anyhow::Result<Talk> {
        let talkers = TALKERS.min(count / 2);
        let mut talk = Talk::default();
        for first in (0..talkers).map(|n| n * count / talkers) {
            let (from, to) = (first + 1, (first + 2) % count);
            let tries = space.tries(
                &self.names[from],
                &self.addresses[from],
                &self.addresses[to],
            );
            talk.tries.push((self.names[from].clone(), tries?));
            let says = space.tries(&self.names[first], &self.addresses[first], PEER);
            talk.says.push((self.names[first].clone(), says?));
        }
        await_all(space, &talk.says, true)?;
        await_all(space, &talk.tries, false)?;
        for (pod, _) in &talk.says {
            let count = space.retransmitted(pod)?;
            talk.retransmitted.insert(pod.clone(), count);
        }
        Ok(talk)
    }
}

/// Connections that go on all the time, each with the name of the pod that begins them.
#[derive(Default)]
pub struct Talk {
    /// To the peer, which lets in whoever has the group of the class.
    says: Vec<(String, Traffic)>,
    /// To another pod, which lets nobody in at first.
    tries: Vec<(String, Traffic)>,
    retransmitted: BTreeMap<String, u64>,
}

impl Talk {
    /// Waits until those that try are let in: how long that took for each since `start`.
    pub fn await_let_in(&self, space: &Space, start: Instant) -> anyhow::Result<Vec<Duration>> {
        times(space, &self.tries, true, start)
    }

    /// Waits until those that talk to the peer are kept out: how long that took for each since `start`.
    pub fn await_kept_out(&self, space: &Space, start: Instant) -> anyhow::Result<Vec<Duration>> {
        times(space, &self.says, false, start)
    }

    /// Fails when one that talks to the peer has lost a connection or a packet.
    pub fn nothing_is_lost(&self, space: &Space) -> anyhow::Result<()> {
        for (pod, traffic) in &self.says {
            let answered = traffic.answered().with_context(|| pod.clone())?;
            let what = format!("{pod} to talk on");
            space
                .world
                .wait(&what, SOON, || Ok(traffic.answered()? > answered + 5))?;
            let (before, now) = (self.retransmitted[pod], space.retransmitted(pod)?);
            ensure!(
                before == now,
                "{pod} retransmitted {before} segments before, {now} after"
            );
        }
        Ok(())
    }

    /// How many connections of those that try have failed so far.
    pub fn failed(&self) -> anyhow::Result<Vec<usize>> {
        self.tries
            .iter()
            .map(|(_, traffic)| traffic.failed())
            .collect()
    }

    /// Ends it, and fails when somebody was answered last who is kept out, or the other way round.
    pub fn end(self) -> anyhow::Result<()> {
        for (pods, answered) in [(self.tries, true), (self.says, false)] {
            for (pod, traffic) in pods {
                let last = traffic.is_answered()?;
                ensure!(last == Some(answered), "{pod}: {last:?}");
                traffic.end()?;
            }
        }
        Ok(())
    }
}

fn await_all(space: &Space, pods: &[(String, Traffic)], answered: bool) -> anyhow::Result<()> {
    times(space, pods, answered, Instant::now()).map(drop)
}

/// How long after `start` the connections of each were answered, or not any more.
fn times(
    space: &Space,
    pods: &[(String, Traffic)],
    answered: bool,
    start: Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut times = BTreeMap::new();
    let what = format!("answered: {answered}");
    space.world.wait(&what, SOON, || {
        for (pod, traffic) in pods {
            if !times.contains_key(pod) && traffic.is_answered()? == Some(answered) {
                times.insert(pod, start.elapsed());
            }
        }
        let wait = pods.iter().map(|(pod, _)| pod);
        let wait: Vec<_> = wait.filter(|pod| !times.contains_key(pod)).collect();
        ensure!(wait.is_empty(), "not so for {wait:?}");
        Ok(true)
    })?;
    Ok(times.into_values().collect())
}

/// The claims of the namespace, by their pods.
pub fn claims(space: &Space) -> anyhow::Result<BTreeMap<String, Value>> {
    let claims = space.claims()?.into_iter();
    let named = |claim: Value| Some((claim["spec"]["owner"]["name"].as_str()?.to_owned(), claim));
    Ok(claims.filter_map(named).collect())
}

/// Waits until ENIs have these groups in EC2.
pub fn await_groups(
    space: &Space,
    enis: &[String],
    wanted: &[&str],
    limit: Duration,
) -> anyhow::Result<()> {
    let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
    space.world.wait("the ENIs to have the groups", limit, || {
        let all = space.world.cluster.sim("GET", "/sim/snapshot", None)?;
        let all = all["enis"].as_array().context("no ENIs in the snapshot")?;
        let by_id: BTreeMap<_, _> = all.iter().map(|eni| (eni["id"].as_str(), eni)).collect();
        for id in enis {
            let eni = by_id.get(&Some(id.as_str()));
            let eni = eni.with_context(|| format!("EC2 has no {id}"))?;
            let groups = eni["groups"].as_array().into_iter().flatten();
            let has: BTreeSet<&str> = groups.filter_map(Value::as_str).collect();
            ensure!(has == wanted, "{id} has {has:?}");
        }
        Ok(true)
    })
}

//! Clusters on which scenarios run at the same time, one on each, and how a scenario finds its cluster and leaves it.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError, RwLock},
    thread,
    time::Instant,
};

use anyhow::{Context, anyhow};
use cluster::Options;
use e2e::world::{Snapshot, Space, World, outcome};

pub type Scenario = fn(&Space) -> anyhow::Result<()>;

/// What may run on other clusters meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// It waits nearly all of its time: anything.
    Quiet,
    /// It measures time: only what is quiet.
    Measured,
    /// All but what measures time.
    Usual,
}

/// The clusters, of which each has one scenario at a time.
pub struct Clusters {
    free: Mutex<Vec<TestCluster>>,
    /// Whoever measures time holds it alone, and who is quiet not at all.
    rest: RwLock<()>,
}

impl Clusters {
    /// Brings so many clusters up, all at once but for the first, which builds the images. None: nodes are of the usual instance
    /// type.
    pub fn up(name: &str, count: usize, nodes: Option<&str>) -> anyhow::Result<Self> {
        let first = TestCluster::up(name, nodes, Vec::new())?;
        let images = first.world.images();
        let others = thread::scope(|scope| {
            let up =
                |number: usize| TestCluster::up(&format!("{name}{number}"), nodes, images.to_vec());
            let threads: Vec<_> = (1..count)
                .map(|number| scope.spawn(move || up(number)))
                .collect();
            let others = threads.into_iter().map(|up| up.join().expect("no panic"));
            others.collect::<anyhow::Result<Vec<_>>>()
        })?;
        Ok(Self {
            free: Mutex::new(others.into_iter().chain([first]).collect()),
            rest: RwLock::default(),
        })
    }

    /// Runs a scenario on a free cluster, in a namespace of this name.
    pub fn run(
        &self,
        name: &str,
        load: Load,
        space: &str,
        scenario: Scenario,
    ) -> anyhow::Result<()> {
        let _others = (load == Load::Usual).then(|| self.rest.read());
        let _alone = (load == Load::Measured).then(|| self.rest.write());
        let cluster = self.free().pop();
        let mut cluster = cluster.context("there is no cluster for each thread")?;
        let start = Instant::now();
        let ended = cluster.run(name, space, scenario);
        let seconds = start.elapsed().as_secs_f32();
        println!("{name}: {seconds:.0} s on {}", cluster.world.cluster.name());
        self.free().push(cluster);
        ended
    }

    /// Takes all clusters down; the first that could not be is returned.
    pub fn down(&self) -> anyhow::Result<()> {
        let clusters = self.free();
        let ended = clusters.iter().map(|cluster| cluster.world.cluster.down());
        let ended: Vec<_> = ended.collect();
        Ok(ended.into_iter().collect::<Result<_, _>>()?)
    }

    fn free(&self) -> MutexGuard<'_, Vec<TestCluster>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cluster, and how it is when no scenario runs.
struct TestCluster {
    world: World,
    usual: Snapshot,
    /// How many ENIs each node can hold: a slot that is left alone would be taken from the next scenario.
    capacities: Vec<u64>,
}

impl TestCluster {
    fn up(name: &str, nodes: Option<&str>, images: Vec<PathBuf>) -> anyhow::Result<Self> {
        let start = Instant::now();
        let usual = Options::default();
        let options = Options {
            name: name.to_owned(),
            instance_type: nodes.map_or(usual.instance_type, str::to_owned),
            ..Options::default()
        };
        let world = World::with_images(options, images)?;
        world.shorten_ec2_delays()?;
        world.install()?;
        world.await_agents()?;
        world.await_plugins()?;
        let capacities = world.await_capacities(None)?;
        let usual = world.snapshot()?;
        eprintln!("{name} is ready after {:.0?}", start.elapsed());
        Ok(Self {
            world,
            usual,
            capacities,
        })
    }

    /// Runs a scenario. The next one starts from nothing, whatever this one left.
    fn run(&mut self, name: &str, space: &str, scenario: Scenario) -> anyhow::Result<()> {
        let ended = outcome(|| self.scenario(name, space, scenario));
        ended.map_err(|error| match outcome(|| self.reset()) {
            Ok(()) => error,
            Err(left) => error.context(format!("and the cluster could not be cleaned: {left:#}")),
        })
    }

    /// Runs a scenario in its own namespace. The evidence of a failure is kept before anything is put back.
    fn scenario(&self, name: &str, space: &str, scenario: Scenario) -> anyhow::Result<()> {
        let world = &self.world;
        let kept = |error: anyhow::Error| match world.keep_evidence(name) {
            Ok(folder) => error.context(format!("see {}", folder.display())),
            Err(lost) => error.context(format!("the evidence is lost: {lost:#}")),
        };
        let space = world.space(space).map_err(kept)?;
        let ended = outcome(|| scenario(&space).and_then(|()| world.faults_are_spent()));
        let ended = ended.map_err(|error| match space.not_ready() {
            Ok(pods) => anyhow!("{error:#}; pods that are not Ready: {pods:#?}"),
            Err(lost) => anyhow!("{error:#}; which pods are not Ready is lost: {lost:#}"),
        });
        match (ended.map_err(kept), space.end()) {
            (Ok(()), left) => left
                .and_then(|()| world.await_clean())
                .and_then(|()| world.await_snapshot(&self.usual))
                .and_then(|()| world.await_capacities(Some(&self.capacities)).map(drop))
                .map_err(kept),
            (Err(error), Ok(())) => Err(error),
            (Err(error), Err(left)) => Err(error.context(format!("{left:#}"))),
        }
    }

    fn reset(&mut self) -> anyhow::Result<()> {
        self.world.force_clean()?;
        self.world.restart_eniclaim()?;
        self.world.await_capacities(Some(&self.capacities))?;
        self.usual = self.world.snapshot()?;
        Ok(())
    }
}

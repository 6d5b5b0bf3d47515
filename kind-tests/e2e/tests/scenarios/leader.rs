//! The leading replica is killed, stopped or asked to end while twenty pods start and end: no ENI twice, none left.

use std::time::{Duration, Instant};

use anyhow::ensure;
use e2e::world::{SOON, SYSTEM, Signal, Space};

use super::{
    full_node::await_job,
    makers::{asking, class, job, pod},
};

/// How many pods start and end.
const PODS: u32 = 20;
/// How long the leader is stopped: longer than its lease.
const STOPPED: Duration = Duration::from_secs(30);
/// How long a leader has to end after SIGTERM: five seconds before kubelet kills it.
const FAREWELL: Duration = Duration::from_secs(25);
/// How soon after the end of a leader that gave its lease back another one leads; a lease that must expire takes 10 s at least.
const HANDED_OVER: Duration = Duration::from_secs(6);

/// SIGKILL: the other replica goes on.
pub fn killed(space: &Space) -> anyhow::Result<()> {
    let first = space.world.await_leader(None)?;
    pods_start_and_end(space, || {
        space.world.signal(first.pid, Signal::KILL)?;
        space.world.await_leader(Some(&first)).map(drop)
    })
}

/// SIGSTOP for longer than the lease, then SIGCONT: the former leader does nothing more as one.
pub fn stopped(space: &Space) -> anyhow::Result<()> {
    let first = space.world.await_leader(None)?;
    pods_start_and_end(space, || {
        // The process may have been ended by kubelet, whose probe it did not answer.
        space.at_end(move |world| {
            let _ = world.signal(first.pid, Signal::CONT);
            Ok(())
        });
        space.world.signal(first.pid, Signal::STOP)?;
        let start = Instant::now();
        let second = space.world.await_leader(Some(&first))?;
        let over = || Ok(start.elapsed() >= STOPPED);
        space
            .world
            .wait("the leader's long stop", 2 * STOPPED, over)?;
        let _ = space.world.signal(first.pid, Signal::CONT);
        space.world.await_rollout("deployment/eniclaim-operator")?;
        let now = space.world.await_leader(None)?;
        ensure!(now == second, "{now:?} leads, not {second:?}");
        Ok(())
    })
}

/// SIGTERM: the leader ends what it has begun, gives its lease back and ends in time; the other replica goes on at once.
pub fn terminated(space: &Space) -> anyhow::Result<()> {
    let first = space.world.await_leader(None)?;
    pods_start_and_end(space, || {
        space.world.signal(first.pid, Signal::TERM)?;
        space.world.wait("the leader to end", FAREWELL, || {
            Ok(!space
                .world
                .pids_of("eniclaim-operator")?
                .contains(&first.pid))
        })?;
        let ended = Instant::now();
        space.world.await_leader(Some(&first))?;
        let took = ended.elapsed();
        ensure!(took <= HANDED_OVER, "nobody led for {took:?}");
        space.world.await_rollout("deployment/eniclaim-operator")
    })
}

fn pods_start_and_end(
    space: &Space,
    accident: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let deployment = space
        .world
        .existing(SYSTEM)
        .get("deployment", "eniclaim-operator")?;
    ensure!(
        deployment["status"]["readyReplicas"] == 2,
        "not two replicas are ready: {}",
        deployment["status"]
    );
    space.apply(&class(space))?;
    let before = space.world.calls("CreateNetworkInterface")?.len();
    space.apply(&job("many", space.name(), PODS, PODS / 2, 2))?;
    space.world.wait("the first pods to end", 2 * SOON, || {
        let succeeded = space.get("job", "many")?["status"]["succeeded"].as_u64();
        Ok(succeeded.is_some_and(|n| n >= 3))
    })?;
    accident()?;
    await_job(space, "many", PODS.into())?;
    space.world.await_clean()?;
    let made = space.world.made_for_claims(before)?;
    ensure!(
        made.len() == PODS as usize && made.values().all(|enis| enis.len() == 1),
        "not one ENI for each of {PODS} claims: {made:#?}"
    );
    space.apply(&asking(pod("after"), space.name()))?;
    space.await_ready("after")?;
    space.delete_pods(&["after"])
}

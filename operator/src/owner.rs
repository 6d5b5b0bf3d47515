//! The one task that owns the fleet: facts in, orders out.

use std::sync::Arc;

use operator_core::{Fact, Fleet, Order, Time};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Duration, Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{Clock, Error, Options, execute::Executor, monitor::HEARTBEAT, watch};

/// Facts from watches that may wait to be learnt.
const QUEUE: usize = 1024;
/// Effects in flight have this long after the order to end; main has a little more.
const FAREWELL: Duration = Duration::from_secs(10);

/// Runs the operator until `shutdown`; then effects in flight are ended and nothing new is begun.
pub async fn run(
    client: kube::Client,
    ec2: aws_sdk_ec2::Client,
    options: Options,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let Options {
        cluster_id,
        monitor,
        ..
    } = options;
    let clock = Clock::start();
    let (facts, mut incoming) = mpsc::channel(QUEUE);
    let mut watches = watch::start(&client, &facts);
    drop(facts);
    let executor = Arc::new(Executor::new(client, ec2, &monitor));
    let mut at_work = JoinSet::new();
    let mut fleet = Fleet::new(cluster_id.map(Into::into));

    loop {
        let now = clock.now();
        for order in fleet.next(now) {
            begin(&mut at_work, &executor, order, now);
        }
        monitor.set_ready(fleet.readiness());
        monitor.metrics.set_claims(&fleet.census());
        monitor.beat();
        let wake = fleet
            .wake()
            .map_or(HEARTBEAT, |at| clock.until(at).min(HEARTBEAT));
        tokio::select! {
            () = shutdown.cancelled() => break,
            fact = incoming.recv() => fleet.learn(fact.ok_or(Error::Watches)?, clock.now()),
            Some(done) = at_work.join_next() => learn(&mut fleet, done?, clock.now()),
            () = sleep_until(Instant::now() + wake) => {}
        }
        // Whatever else is known by now is learnt before anything is decided.
        while let Ok(fact) = incoming.try_recv() {
            fleet.learn(fact, clock.now());
        }
        while let Some(done) = at_work.try_join_next() {
            learn(&mut fleet, done?, clock.now());
        }
    }
    watches.abort_all();
    let _ = tokio::time::timeout(FAREWELL, async {
        while at_work.join_next().await.is_some() {}
    })
    .await;
    Ok(())
}

fn begin(at_work: &mut JoinSet<Option<Fact>>, executor: &Arc<Executor>, order: Order, now: Time) {
    let executor = executor.clone();
    at_work.spawn(async move { executor.carry_out(order, now).await });
}

fn learn(fleet: &mut Fleet, fact: Option<Fact>, now: Time) {
    if let Some(fact) = fact {
        fleet.learn(fact, now);
    }
}

//! The one task that owns the fleet: facts in, orders out.

use std::{collections::BTreeMap, sync::Arc};

use operator_core::{Fact, Fleet, SECOND, Settings, Term, Time, claim::Phase};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinSet, yield_now},
    time::{Duration, Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Clock, Error, Monitor, Options,
    ec2::Ec2,
    events::Events,
    execute::{Executor, InFlight},
    kubernetes::Kubernetes,
    lease::Leadership,
    monitor::HEARTBEAT,
    options, watch as watches,
};

/// Facts from watches that may wait to be learnt.
const QUEUE: usize = 1024;
/// No metric is older than this and a heartbeat together, however much happens.
const MEASURE: i64 = 5 * SECOND;
/// Changes in flight have this long to end after the order to end; each call has a shorter time-out of its own.
const FAREWELL: Duration = Duration::from_secs(12);

/// Runs the operator until `shutdown`; then nothing new is begun, changes in flight end, and the Lease is given back.
pub async fn run(
    client: kube::Client,
    ec2: aws_sdk_ec2::Client,
    options: Options,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let clock = Clock::start();
    let leadership = Leadership::start(client.clone(), &options, clock);
    let mut owner = Owner::new(client, ec2, &options, clock, leadership.terms());
    owner.decide_until(&shutdown, &leadership).await?;
    owner.finish().await;
    leadership.release().await;
    Ok(())
}

struct Owner {
    fleet: Fleet,
    executor: Arc<Executor>,
    in_flight: InFlight,
    /// From watches.
    watched: mpsc::Receiver<Fact>,
    /// Of orders.
    outcomes: mpsc::UnboundedReceiver<Fact>,
    terms: watch::Receiver<Term>,
    /// Watches and the publisher of Events: none ends by itself.
    background: JoinSet<()>,
    census: BTreeMap<Phase, u32>,
    /// When what takes a walk over the whole fleet is measured again.
    measure_at: Time,
    monitor: Monitor,
    clock: Clock,
}

impl Owner {
    fn new(
        client: kube::Client,
        ec2: aws_sdk_ec2::Client,
        options: &Options,
        clock: Clock,
        mut terms: watch::Receiver<Term>,
    ) -> Self {
        let monitor = options.monitor.clone();
        let metrics = monitor.metrics.clone();
        let (facts, watched) = mpsc::channel(QUEUE);
        let (outcomes_in, outcomes) = mpsc::unbounded_channel();
        let mut background = JoinSet::new();
        watches::start(&client, options, &facts, &mut background);
        let instance = options.instance.clone();
        let (events, publisher) = Events::new(client.clone(), metrics.clone(), clock, instance);
        background.spawn(publisher);
        let executor = Executor {
            kubernetes: Kubernetes::new(client, metrics.clone()),
            ec2: Ec2::new(ec2, &monitor),
            events,
            metrics,
            clock,
            outcomes: outcomes_in,
        };
        terms.mark_changed();
        Self {
            fleet: Fleet::new(settings(options)),
            executor: Arc::new(executor),
            in_flight: InFlight::default(),
            watched,
            outcomes,
            terms,
            background,
            census: BTreeMap::new(),
            measure_at: Time(0),
            monitor,
            clock,
        }
    }

    /// What is known is learnt before anything is decided; what was decided in part is decided on before anything is awaited.
    async fn decide_until(
        &mut self,
        shutdown: &CancellationToken,
        leadership: &Leadership,
    ) -> Result<(), Error> {
        while !shutdown.is_cancelled() {
            self.drain()?;
            let now = self.clock.now();
            for order in self.fleet.next(now) {
                let subject = self.fleet.subject(&order);
                (self.executor).begin(order, subject, now, &mut self.in_flight);
            }
            self.report(leadership, now);
            match self.fleet.wake(now) {
                Some(at) if at <= now => yield_now().await,
                at => {
                    let wait = at.map_or(HEARTBEAT, |at| self.clock.until(at).min(HEARTBEAT));
                    self.wait(shutdown, wait).await?;
                }
            }
        }
        Ok(())
    }

    /// Learns everything that has come.
    fn drain(&mut self) -> Result<(), Error> {
        if self.terms.has_changed().map_err(|_| Error::Election)? {
            let term = *self.terms.borrow_and_update();
            self.learn(Fact::Term(term));
        }
        while let Ok(fact) = self.outcomes.try_recv() {
            self.learn(fact);
        }
        while let Ok(fact) = self.watched.try_recv() {
            self.learn(fact);
        }
        while let Some(ended) = self.in_flight.changes.try_join_next() {
            ended?;
        }
        while let Some(ended) = self.in_flight.reads.try_join_next() {
            ended?;
        }
        match self.background.try_join_next() {
            None => Ok(()),
            Some(ended) => ended.map_err(Error::from).and(Err(Error::Ended)),
        }
    }

    /// Until there is something to learn, or the time has passed.
    async fn wait(&mut self, shutdown: &CancellationToken, wait: Duration) -> Result<(), Error> {
        let InFlight { changes, reads } = &mut self.in_flight;
        let fact = tokio::select! {
            () = shutdown.cancelled() => None,
            () = sleep_until(Instant::now() + wait) => None,
            changed = self.terms.changed() => {
                changed.map_err(|_| Error::Election)?;
                Some(Fact::Term(*self.terms.borrow_and_update()))
            }
            fact = self.outcomes.recv() => fact,
            fact = self.watched.recv() => fact,
            Some(ended) = changes.join_next() => { ended?; None }
            Some(ended) = reads.join_next() => { ended?; None }
            Some(ended) = self.background.join_next() => {
                ended?;
                return Err(Error::Ended);
            }
        };
        if let Some(fact) = fact {
            self.learn(fact);
        }
        Ok(())
    }

    fn learn(&mut self, fact: Fact) {
        self.fleet.learn(fact, self.clock.now());
    }

    fn report(&mut self, leadership: &Leadership, now: Time) {
        let ready = leadership.health().and_then(|()| self.fleet.readiness());
        self.monitor.set_ready(ready);
        self.monitor.beat();
        let metrics = &self.monitor.metrics;
        // Others neither use the budget nor read subnets: of them only the leader knows.
        let leads = self.terms.borrow().leads(now);
        metrics.set_tokens(self.fleet.tokens(now).filter(|_| leads));
        metrics.set_orphans(self.fleet.orphans());
        if *self.fleet.census() != self.census {
            self.census.clone_from(self.fleet.census());
            metrics.set_claims(&self.census);
        }
        if self.measure_at <= now {
            self.measure_at = now.after(MEASURE);
            metrics.set_longest_wait(self.fleet.longest_wait(now));
            metrics.set_nodes(&self.fleet.node_rooms().collect::<Vec<_>>());
            metrics.set_subnets(self.fleet.subnet_rooms().filter(|_| leads));
        }
    }

    /// Changes in flight end; reads and watches are dropped.
    async fn finish(&mut self) {
        self.in_flight.reads.abort_all();
        self.background.abort_all();
        let changes = &mut self.in_flight.changes;
        let ended = timeout(FAREWELL, async {
            while changes.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            tracing::warn!(
                orders = self.in_flight.changes.len(),
                "changes did not end in time"
            );
        }
    }
}

fn settings(options: &Options) -> Settings {
    Settings {
        cluster_id: options.cluster_id.clone(),
        // Between 1 and 1000 by the flag's own check.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        budget_share: (options.budget_share * 1000.0).round() as u32,
        sweep: match options.sweep {
            options::SweepMode::Off => operator_core::SweepMode::Off,
            options::SweepMode::DryRun => operator_core::SweepMode::DryRun,
            options::SweepMode::On => operator_core::SweepMode::On,
        },
        reserve: options.reserve,
        cluster_cidrs: options.cluster_cidrs.clone(),
    }
}

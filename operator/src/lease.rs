//! Takes, renews and gives back the operator's Lease, and publishes for how long this process leads.

use std::sync::Arc;

use crds::OPERATOR;
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use operator_core::{
    SECOND, Time,
    lease::{Decision, Election, Record, Term, Timing, Write},
};
use telemetry::{Failure, Outcome};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Duration, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Clock, Options, kubernetes,
    metrics::{Metrics, Written},
};

/// Giving the Lease back may take so long; then the next leader waits until it expires.
const RELEASE: Duration = Duration::from_secs(3);

/// The task that takes part in the election; it ends with this value.
#[derive(Debug)]
pub struct Leadership {
    terms: watch::Receiver<Term>,
    health: watch::Receiver<Result<(), String>>,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Leadership {
    /// Starts to take part. The terms are times of `clock`.
    pub fn start(client: Client, options: &Options, clock: Clock) -> Self {
        let (terms, terms_seen) = watch::channel(Term::Standby);
        let (health, health_seen) = watch::channel(Ok(()));
        let stop = CancellationToken::new();
        let Options {
            namespace,
            lease,
            monitor,
            ..
        } = options;
        let timing = Timing::of(millis(lease.duration));
        let candidate = Candidate {
            election: Election::new(lease.identity.clone(), timing),
            timing,
            store: Store {
                api: Api::namespaced(client, namespace),
                name: lease.name.as_str().into(),
                duration: lease.duration,
                limit: Duration::from_millis(u64::try_from(timing.call).unwrap_or(0)),
                held: None,
                metrics: monitor.metrics.clone(),
            },
            clock,
            terms,
            health,
            failing_since: None,
            stop: stop.clone(),
        };
        let mut task = JoinSet::new();
        task.spawn(candidate.run());
        Self {
            terms: terms_seen,
            health: health_seen,
            stop,
            task,
        }
    }

    /// Whether this process leads, now and from now on. It only ends if the task dies, and then the process must too.
    pub fn terms(&self) -> watch::Receiver<Term> {
        self.terms.clone()
    }

    /// The sentence that says why the Lease cannot be read or written, once that has lasted for its whole duration.
    pub fn health(&self) -> Result<(), String> {
        self.health.borrow().clone()
    }

    /// Gives the Lease back, so that the next leader need not wait. To be called when no order is in flight any more.
    pub async fn release(mut self) {
        self.stop.cancel();
        if timeout(RELEASE, self.task.join_next()).await.is_err() {
            tracing::warn!("the Lease was not given back in time; it expires");
        }
    }
}

struct Candidate {
    election: Election,
    timing: Timing,
    store: Store,
    clock: Clock,
    terms: watch::Sender<Term>,
    health: watch::Sender<Result<(), String>>,
    failing_since: Option<Time>,
    stop: CancellationToken,
}

impl Candidate {
    async fn run(mut self) {
        loop {
            let now = self.clock.now();
            if self.stop.is_cancelled() {
                self.election.leave(now);
            }
            self.publish(now);
            match self.election.decide(now) {
                Decision::Done => return,
                Decision::Wait(at) => tokio::select! {
                    // Who leaves already has nothing else to wait for.
                    () = self.stop.cancelled(), if !self.stop.is_cancelled() => {}
                    () = tokio::time::sleep(self.clock.until(at)) => {}
                },
                Decision::Read => {
                    let read = self.store.read().await;
                    if let Some(record) = self.note(read, now) {
                        self.election.read(record, self.clock.now());
                    }
                }
                Decision::Acquire(write) => self.write(&write, Acquired::Now, now).await,
                Decision::Renew(write) | Decision::Release(write) => {
                    self.write(&write, Acquired::Before, now).await;
                }
            }
        }
    }

    async fn write(&mut self, write: &Write, acquired: Acquired, sent: Time) {
        let written = self.store.write(write, acquired, sent).await;
        if let Some(record) = self.note(written, sent) {
            self.election.written(record, sent);
        }
    }

    /// The answer of a call that was sent at `sent`; a failure goes into the election here.
    fn note<T>(&mut self, answer: Result<T, Unanswered>, sent: Time) -> Option<T> {
        match answer {
            Ok(answer) => {
                self.failing_since = None;
                self.health.send_if_modified(|health| {
                    let changes = health.is_err();
                    *health = Ok(());
                    changes
                });
                Some(answer)
            }
            Err(Unanswered { outcome, code, why }) => {
                let since = *self.failing_since.get_or_insert_with(|| {
                    let (lease, outcome) = (&*self.store.name, outcome.as_str());
                    tracing::warn!(
                        lease,
                        outcome,
                        code,
                        error = why,
                        "the Lease is neither read nor written; trying again"
                    );
                    sent
                });
                if self.clock.now().since(since) >= self.timing.duration {
                    let _ = self.health.send_replace(Err(format!(
                        "no operator can lead: the Lease {} cannot be read or written: {why}",
                        self.store.name
                    )));
                }
                self.election.failed(sent);
                None
            }
        }
    }

    fn publish(&self, now: Time) {
        let term = self.election.term(now);
        self.terms.send_if_modified(|known| {
            let (led, leads) = (*known != Term::Standby, term != Term::Standby);
            if leads && !led {
                tracing::info!(lease = %self.store.name, "leading");
            }
            if led && !leads {
                let holder = self.election.holder().unwrap_or_default();
                tracing::info!(lease = %self.store.name, holder, "not leading any more");
            }
            let changes = *known != term;
            *known = term;
            changes
        });
    }
}

/// Whether a write takes the Lease from another holder.
#[derive(Debug, Clone, Copy)]
enum Acquired {
    Now,
    Before,
}

/// Why a call about the Lease did not do what was asked.
struct Unanswered {
    outcome: Outcome,
    code: Option<String>,
    why: String,
}

impl Unanswered {
    fn unavailable(why: String) -> Self {
        Self {
            outcome: Outcome::Unavailable,
            code: None,
            why,
        }
    }
}

impl From<&kube::Error> for Unanswered {
    fn from(error: &kube::Error) -> Self {
        let Failure { error: why, code } = error.into();
        Self {
            outcome: kubernetes::Failure::from(error).outcome_word(),
            code,
            why,
        }
    }
}

/// The Lease object.
struct Store {
    api: Api<Lease>,
    name: Arc<str>,
    duration: Duration,
    /// A call that takes longer counts as failed.
    limit: Duration,
    /// As last seen: labels and fields that are not ours stay.
    held: Option<Lease>,
    metrics: Metrics,
}

impl Store {
    async fn read(&mut self) -> Result<Option<Record>, Unanswered> {
        self.held = self.call(self.api.get_opt(&self.name)).await?;
        self.held.as_ref().map(|held| self.record(held)).transpose()
    }

    /// Safe to send twice: the API server takes one write a version, so of two only the first counts.
    async fn write(
        &mut self,
        write: &Write,
        acquired: Acquired,
        now: Time,
    ) -> Result<Record, Unanswered> {
        let lease = self.lease(write, acquired, now);
        let parameters = PostParams {
            field_manager: Some(OPERATOR.to_owned()),
            ..PostParams::default()
        };
        let stored = match write.replaces {
            None => self.call(self.api.create(&parameters, &lease)).await,
            Some(_) => {
                self.call(self.api.replace(&self.name, &parameters, &lease))
                    .await
            }
        };
        let outcome = stored.as_ref().err();
        let outcome = outcome.map_or(Outcome::Success, |failed| failed.outcome);
        self.metrics.wrote(Written::Lease, outcome);
        let stored = stored?;
        let record = self.record(&stored);
        self.held = Some(stored);
        record
    }

    fn lease(&self, write: &Write, acquired: Acquired, now: Time) -> Lease {
        let Write {
            replaces,
            holder,
            transitions,
        } = write;
        let Lease { metadata, spec } = self.held.clone().unwrap_or_default();
        let (spec, now) = (spec.unwrap_or_default(), micro(now));
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.to_string()),
                resource_version: replaces.as_ref().map(|version| version.0.to_string()),
                ..metadata
            },
            spec: Some(LeaseSpec {
                holder_identity: holder.clone(),
                lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
                lease_transitions: Some(*transitions),
                acquire_time: match acquired {
                    Acquired::Now => Some(now.clone()),
                    Acquired::Before => spec.acquire_time,
                },
                renew_time: Some(now),
                ..spec
            }),
        }
    }

    fn record(&self, lease: &Lease) -> Result<Record, Unanswered> {
        let spec = lease.spec.clone().unwrap_or_default();
        let promised = spec.lease_duration_seconds.filter(|seconds| *seconds > 0);
        Ok(Record {
            version: lease
                .metadata
                .resource_version
                .clone()
                .map(Into::into)
                .ok_or_else(|| Unanswered::unavailable("it has no resourceVersion".to_owned()))?,
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            duration: promised.map_or(millis(self.duration), |seconds| i64::from(seconds) * SECOND),
            transitions: spec.lease_transitions.unwrap_or(0),
        })
    }

    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Unanswered> {
        match timeout(self.limit, call).await {
            Ok(answer) => answer.map_err(|error| Unanswered::from(&error)),
            Err(_) => Err(Unanswered::unavailable(format!(
                "no answer within {} ms",
                self.limit.as_millis()
            ))),
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn micro(time: Time) -> MicroTime {
    MicroTime(Timestamp::from_millisecond(time.0).unwrap_or(Timestamp::UNIX_EPOCH))
}

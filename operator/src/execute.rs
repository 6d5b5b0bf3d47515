//! Carries out one order, once, and reports the outcome.

use std::sync::Arc;

use operator_core::{
    Fact, Order, Outcome, Read, Subject, Target, Time,
    claim::ClaimStatus,
    ec2::EniView,
    order::{Ec2Order, Object, Write},
};
use tokio::{sync::mpsc::UnboundedSender, task::JoinSet};

use crate::{
    Clock,
    ec2::{self, Ec2},
    events::Events,
    kubernetes::Kubernetes,
    log,
    metrics::{Metrics, Stage},
};

/// ENIs of a listing that are learnt at once.
const AT_ONCE: usize = 100;

/// Carries out orders; how many at once is the fleet's to decide.
pub(crate) struct Executor {
    pub(crate) kubernetes: Kubernetes,
    pub(crate) ec2: Ec2,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
    /// Where outcomes go, and the pages that come before them. Unbounded: the fleet bounds what is in flight.
    pub(crate) outcomes: UnboundedSender<Fact>,
}

/// Orders in flight: what changes nothing is dropped when the process ends.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    pub(crate) changes: JoinSet<()>,
    pub(crate) reads: JoinSet<()>,
}

impl Executor {
    /// Begins an order. None waits for another.
    pub(crate) fn begin(
        self: &Arc<Self>,
        order: Order,
        subject: Subject,
        decided: Time,
        in_flight: &mut InFlight,
    ) {
        let this = self.clone();
        match order {
            Order::Publish(event) => self.events.publish(subject, event),
            Order::Read(read) => {
                in_flight.reads.spawn(async move {
                    let outcome = this.read(&read, &subject).await;
                    this.report(read.target(), outcome);
                });
            }
            Order::Ec2(order) => {
                in_flight.changes.spawn(async move {
                    let outcome = this.change(&order, &subject).await;
                    this.report(order.target, outcome);
                });
            }
            Order::Write(write) => {
                in_flight.changes.spawn(async move {
                    let outcome = this.write(&write, &subject, decided).await;
                    this.report(write.object.target(), outcome);
                });
            }
        }
    }

    fn report(&self, target: Target, outcome: Outcome) {
        // It fails only when the owner is gone, and with it the process.
        let _ = self.outcomes.send(Fact::Done(target, outcome));
    }

    /// The call must have ended in time, so it begins only if its time-out fits.
    async fn change(&self, order: &Ec2Order, subject: &Subject) -> Outcome {
        let Ec2Order {
            target: _,
            effect,
            not_after,
        } = order;
        let timeout = i64::try_from(ec2::TIMEOUT.as_millis()).unwrap_or(i64::MAX);
        if self.clock.now().after(timeout) > *not_after {
            log::withheld(subject, Some(effect.action()));
            return Outcome::Withheld;
        }
        let outcome = self.ec2.change(effect).await;
        log::changed(subject, effect, &outcome);
        outcome
    }

    async fn write(&self, write: &Write, subject: &Subject, decided: Time) -> Outcome {
        let Write { object, not_after } = write;
        if self.clock.now() > *not_after {
            log::withheld(subject, None);
            return Outcome::Withheld;
        }
        let outcome = self.kubernetes.write(object).await;
        log::written(subject, object, &outcome);
        if let (Object::Status(write), Outcome::Claim(_)) = (object, &outcome) {
            self.measure(&write.status, decided);
        }
        outcome
    }

    async fn read(&self, read: &Read, subject: &Subject) -> Outcome {
        let outcome = match read {
            Read::Listing(cluster) => {
                let page = |enis| self.learn_page(enis);
                self.ec2.listing(cluster, page).await
            }
            Read::Enis(ids) => self.ec2.enis(ids).await,
            Read::Tagged(claims) => self.ec2.tagged(claims).await,
            Read::Eni(id) => self.ec2.eni(id).await,
            Read::Instances(ids) => self.ec2.instances(ids).await,
            Read::Types(names) => self.ec2.types(names).await,
            Read::Subnets(lookup) => self.ec2.subnets(lookup).await,
            Read::Groups(lookup) => self.ec2.groups(lookup).await,
            Read::Pod(key) => self.kubernetes.pod(key).await,
        };
        log::read(subject, read, &outcome);
        outcome
    }

    /// In parts: what is learnt at once holds up everybody else.
    fn learn_page(&self, mut enis: Vec<EniView>) {
        while !enis.is_empty() {
            let rest = enis.split_off(enis.len().min(AT_ONCE));
            let _ = self.outcomes.send(Fact::Page(enis));
            enis = rest;
        }
    }

    /// Each stage is reached by the very write that was decided now.
    fn measure(&self, status: &ClaimStatus, decided: Time) {
        let Some(requested) = status.timeline.requested else {
            return;
        };
        let took = decided.since(requested);
        if status.timeline.created == Some(decided) {
            self.metrics.reached(Stage::Created, took);
        }
        if status.timeline.attached == Some(decided) {
            self.metrics.reached(Stage::Attached, took);
        }
        let ready = status.condition(api::condition::kind::READY);
        let is_used = status.phase == Some(api::claim::Phase::Ready);
        if ready.is_some_and(|ready| {
            is_used
                && ready.status == api::ConditionStatus::True
                && ready.last_transition_time == decided.whole_second()
        }) {
            self.metrics.reached(Stage::Ready, took);
        }
    }
}

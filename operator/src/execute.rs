//! Carries out one order, once, and tells what became of it.

mod kubernetes;

use operator_core::{Effect, Fact, Order, Outcome, Time, cloud::Refusal};
use tokio::sync::Semaphore;

use crate::{
    Monitor,
    ec2::Ec2,
    events::Events,
    execute::kubernetes::Kubernetes,
    metrics::{Metrics, Stage},
};

/// Orders carried out at once; the others wait their turn.
const AT_ONCE: usize = 64;

/// Carries out orders.
#[derive(Debug)]
pub(crate) struct Executor {
    kubernetes: Kubernetes,
    ec2: Ec2,
    events: Events,
    metrics: Metrics,
    turns: Semaphore,
}

impl Executor {
    pub(crate) fn new(client: kube::Client, ec2: aws_sdk_ec2::Client, monitor: &Monitor) -> Self {
        let metrics = monitor.metrics.clone();
        Self {
            kubernetes: Kubernetes::new(client.clone(), metrics.clone()),
            ec2: Ec2::new(ec2, monitor),
            events: Events::new(client, metrics.clone()),
            metrics,
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// The outcome as a fact; none for Events, which nothing depends on.
    pub(crate) async fn carry_out(&self, order: Order, now: Time) -> Option<Fact> {
        // The semaphore is never closed.
        let _turn = self.turns.acquire().await.ok()?;
        let target = order.target();
        let outcome = match order {
            Order::Tell(tell) => {
                self.events.publish(&tell, now).await;
                return None;
            }
            Order::WriteClaim(write) => {
                let outcome = self.kubernetes.write_claim(&write).await;
                if matches!(outcome, Outcome::Claim(_)) {
                    self.measure(&write.status, now);
                    for tell in &write.tell {
                        self.events.publish(tell, now).await;
                    }
                }
                outcome
            }
            Order::CreateClaim(new) => self.kubernetes.create_claim(&new).await,
            Order::CreateReport { node, uid } => self.kubernetes.create_report(&node, &uid).await,
            Order::WriteReport { node, report } => self.kubernetes.write_report(&node, &report).await,
            Order::PatchNode { node, patch } => self.kubernetes.patch_node(&node, &patch).await,
            Order::Effect { claim, uid, version, effect } => {
                tracing::info!(%claim, action = %effect.action(), "effect");
                let outcome = match &effect {
                    Effect::Create(creation) => self.ec2.create(creation).await,
                    Effect::Attach { eni, instance, slot } => self.ec2.attach(eni, instance, *slot).await,
                    Effect::SetDeleteOnTermination { eni, attachment } => self.ec2.delete_on_termination(eni, attachment).await,
                    Effect::Detach { attachment, .. } => self.ec2.detach(attachment).await,
                    Effect::Delete { eni } => self.ec2.delete(eni).await,
                    Effect::AddFinalizer => Ok(self.kubernetes.add_finalizer(&claim, &version).await),
                    Effect::DeleteClaim => Ok(self.kubernetes.delete_claim(&claim, &uid).await),
                    Effect::RemoveFinalizer => Ok(self.kubernetes.remove_finalizer(&claim, &version).await),
                };
                outcome.unwrap_or_else(|refusal| {
                    let Refusal { kind, code, message, request_id } = &*refusal;
                    tracing::warn!(%claim, action = %effect.action(), kind = kind.as_str(), code, message, request_id, "refused");
                    Outcome::Refused(refusal)
                })
            }
            Order::Ask(question) => self.ec2.ask(question).await.unwrap_or_else(|refusal| {
                tracing::warn!(topic = ?target, code = refusal.code, message = refusal.message, "EC2 could not be read");
                Outcome::Refused(refusal)
            }),
        };
        Some(Fact::Done(target, outcome))
    }

    /// Each stage is reached by the very write that happens now.
    fn measure(&self, status: &operator_core::claim::Status, now: Time) {
        let Some(requested) = status.timeline.requested else {
            return;
        };
        if status.timeline.created == Some(now) {
            self.metrics.reached(Stage::Created, now.since(requested));
        }
        if status.timeline.attached == Some(now) {
            self.metrics.reached(Stage::Attached, now.since(requested));
        }
        let ready = status.condition(operator_core::claim::ConditionKind::Ready);
        if ready.is_some_and(|c| c.holds && c.since == now.whole_second()) {
            self.metrics.reached(Stage::Ready, now.since(requested));
        }
    }
}

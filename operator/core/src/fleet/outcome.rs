//! What became of orders.

use std::collections::BTreeMap;

use super::{Busy, Fleet};
use crate::{
    backoff,
    claim::{Claim, Slot},
    cloud::{AttachmentState, AttachmentView, EniSeen, EniView, Refusal},
    id::{AttachmentId, EniId, InstanceId, Key},
    kind::Kind,
    order::{Action, Effect, Outcome, Question, Target, Topic},
    plan::Setback,
    time::{SECOND, Time},
};

/// The first rest after Kubernetes did not do what was asked; doubled up to [`LONGEST_REST`].
const FIRST_REST: i64 = 200;
const LONGEST_REST: i64 = 30 * SECOND;

impl Fleet {
    pub(super) fn learn_outcome(&mut self, target: Target, outcome: Outcome, now: Time) {
        let busy = self.busy.remove(&target);
        self.agenda.mark(target.clone());
        if self.is_about_another(&target, busy.as_ref()) {
            return;
        }
        match outcome {
            Outcome::Failed => return self.rest(target, now),
            Outcome::Refused(refusal) => return self.learn_refusal(target, busy, *refusal, now),
            Outcome::Claim(claim) => self.learn_written(*claim),
            Outcome::ClaimGone => match &target {
                Target::Claim(key) => self.forget_claim(key),
                Target::Pod(_)
                | Target::Report(_)
                | Target::Node(_)
                | Target::Question(_)
                | Target::Voice => return self.rest(target, now),
            },
            Outcome::Report(report) => {
                self.mark_node(&report.name.clone());
                self.reports.insert(report.name.clone(), *report);
            }
            Outcome::Node(node) => {
                self.mark_node(&node.name.clone());
                self.nodes.insert(node.name.clone(), *node);
            }
            Outcome::Created(view) => self.learn_created(&target, *view),
            Outcome::Attached(id) => self.learn_attached(&target, busy, id),
            Outcome::Modified => self.learn_modified(&target, busy),
            Outcome::Detached => {
                self.succeeded(&target);
                self.unknown(busy);
            }
            Outcome::Deleted => {
                self.succeeded(&target);
                if let Some(Effect::Delete { eni }) = busy.and_then(|b| b.effect) {
                    self.bury(&eni, now);
                }
            }
            Outcome::Enis { question, found } => self.learn_enis(&question, found),
            Outcome::Instances { asked, found } => self.learn_instances(asked, found, now),
            Outcome::Types { asked, mut found } => {
                self.types.extend(
                    asked
                        .into_iter()
                        .map(|kind| (kind.clone(), (found.remove(&kind), now))),
                );
                self.mark_everything();
            }
            Outcome::Subnets { asked, found } => {
                let mut found: BTreeMap<_, _> =
                    found.into_iter().map(|s| (s.id.clone(), s)).collect();
                self.subnets_read
                    .extend(asked.iter().map(|id| (id.clone(), now)));
                self.subnets
                    .extend(asked.into_iter().map(|id| (id.clone(), found.remove(&id))));
                self.mark_everything();
            }
        }
        if let Target::Question(topic) = &target {
            self.trouble.remove(topic);
        }
        self.rests.remove(&target);
    }

    fn rest(&mut self, target: Target, now: Time) {
        let times = self.rests.get(&target).map_or(0, |(times, _)| *times);
        let until = now.after((FIRST_REST << times.min(8)).min(LONGEST_REST));
        self.rests.insert(target, (times.saturating_add(1), until));
    }

    /// Whether the order was for a claim that is gone, and whose name another one has now.
    fn is_about_another(&self, target: &Target, busy: Option<&Busy>) -> bool {
        let (
            Target::Claim(key),
            Some(Busy {
                claim: Some(uid), ..
            }),
        ) = (target, busy)
        else {
            return false;
        };
        self.claims.get(key).is_some_and(|held| held.uid != *uid)
    }

    fn learn_written(&mut self, claim: Claim) {
        if !claim.deleting || claim.finalizer {
            self.learn_claim(claim);
        } else if self
            .claims
            .get(&claim.key)
            .is_some_and(|held| held.uid == claim.uid)
        {
            self.forget_claim(&claim.key);
        }
    }

    fn learn_refusal(&mut self, target: Target, busy: Option<Busy>, refusal: Refusal, now: Time) {
        let key = match target {
            Target::Claim(key) => key,
            Target::Question(topic) => {
                let times = self
                    .rests
                    .get(&target)
                    .map_or(0, |(times, _)| *times)
                    .saturating_add(1);
                self.rests.insert(
                    target,
                    (times, now.after(backoff::delay(refusal.kind, times, ""))),
                );
                self.trouble.insert(topic, refusal);
                return;
            }
            Target::Pod(_) | Target::Report(_) | Target::Node(_) | Target::Voice => return,
        };
        let Some(effect) = busy.as_ref().and_then(|b| b.effect.clone()) else {
            return;
        };
        let Some(claim) = self.claims.get(&key) else {
            return;
        };
        let setback = self.setback(claim, effect.action(), refusal, now);
        let kind = setback.refusal.kind;
        if let Effect::Create(creation) = &effect
            && kind == Kind::SubnetFull
        {
            self.blocked
                .insert(creation.request.subnet.clone(), setback.until);
        }
        if let (Effect::Attach { instance, .. }, Kind::NodeFull | Kind::State) = (&effect, kind) {
            // Somebody else uses the instance too: its slots are read again.
            self.ask_again(&instance.clone());
        }
        self.setbacks.insert(key, setback);
        match kind {
            Kind::Throttled
            | Kind::NodeFull
            | Kind::SubnetFull
            | Kind::QuotaFull
            | Kind::Terminal
            | Kind::Config
            | Kind::Credentials => {}
            // The call may have been carried out, or rests on something that is not so.
            Kind::Transient | Kind::NotYet | Kind::State => self.unknown(busy),
        }
    }

    fn setback(&self, claim: &Claim, action: Action, refusal: Refusal, now: Time) -> Setback {
        let before = self
            .setbacks
            .get(&claim.key)
            .filter(|s| s.action == action)
            .map_or(0, |s| s.attempts);
        let told = claim
            .status
            .last_error
            .as_ref()
            .filter(|e| e.code == refusal.code)
            .map_or(0, |e| e.attempts);
        let attempts = before.max(told).saturating_add(1);
        let until = now.after(backoff::delay(refusal.kind, attempts, claim.uid.as_str()));
        let incarnation = claim.status.creation.as_ref().map_or(0, |c| c.incarnation);
        Setback {
            action,
            incarnation,
            refusal,
            attempts,
            at: now,
            until,
        }
    }

    fn succeeded(&mut self, target: &Target) {
        if let Target::Claim(key) = target {
            self.setbacks.remove(key);
        }
    }

    fn learn_created(&mut self, target: &Target, view: EniView) {
        self.succeeded(target);
        if let Target::Claim(key) = target
            && let Some(claim) = self.claims.get(key)
        {
            self.tagged.insert(claim.uid.clone(), view.id.clone());
        }
        self.enis.insert(
            view.id.clone(),
            (EniSeen::Known(Box::new(view)), self.learnt),
        );
    }

    fn learn_attached(&mut self, target: &Target, busy: Option<Busy>, id: AttachmentId) {
        self.succeeded(target);
        let Some(Effect::Attach {
            eni,
            instance,
            slot,
        }) = busy.and_then(|b| b.effect)
        else {
            return;
        };
        self.amend(&eni, |view| {
            view.available = false;
            view.attachment = Some(attaching(id, instance, slot));
        });
    }

    fn learn_modified(&mut self, target: &Target, busy: Option<Busy>) {
        self.succeeded(target);
        let Some(Effect::SetDeleteOnTermination { eni, .. }) = busy.and_then(|b| b.effect) else {
            return;
        };
        self.amend(&eni, |view| {
            if let Some(attachment) = &mut view.attachment {
                attachment.delete_on_termination = true;
            }
        });
    }

    fn amend(&mut self, eni: &EniId, change: impl FnOnce(&mut EniView)) {
        if let Some((EniSeen::Known(view), at)) = self.enis.get_mut(eni) {
            change(view);
            *at = self.learnt;
        }
    }

    /// After an effect whose result is not known, only a read that began later says anything.
    fn unknown(&mut self, busy: Option<Busy>) {
        match busy.and_then(|b| b.effect) {
            Some(
                Effect::Attach { eni, .. }
                | Effect::SetDeleteOnTermination { eni, .. }
                | Effect::Detach { eni, .. }
                | Effect::Delete { eni },
            ) => {
                self.enis.insert(eni, (EniSeen::Unknown, self.learnt));
            }
            Some(
                Effect::Create(_)
                | Effect::AddFinalizer
                | Effect::DeleteClaim
                | Effect::RemoveFinalizer,
            )
            | None => {}
        }
    }

    fn learn_enis(&mut self, question: &Question, found: Vec<EniView>) {
        let (asked, ids) = match question {
            Question::OurEnis { cluster: _, asked } => {
                self.enis_read = true;
                self.mark_everything();
                (*asked, Vec::new())
            }
            Question::Enis { ids, asked } => (*asked, ids.clone()),
            Question::Instances(_) | Question::Types(_) | Question::Subnets(_) => return,
        };
        let mut found: BTreeMap<EniId, EniView> = found
            .into_iter()
            .map(|view| (view.id.clone(), view))
            .collect();
        for id in ids {
            let seen = found
                .remove(&id)
                .map_or(EniSeen::Absent, |view| EniSeen::Known(Box::new(view)));
            self.learn_eni(id, seen, asked);
        }
        for (id, view) in found {
            self.learn_eni(id, EniSeen::Known(Box::new(view)), asked);
        }
        let waiting: Vec<Key> = self.waiting.keys().cloned().collect();
        for key in waiting {
            self.agenda.mark(Target::Claim(key));
        }
        self.agenda.mark(Target::Question(Topic::Enis));
    }

    fn learn_eni(&mut self, id: EniId, seen: EniSeen, asked: u64) {
        // A read that began before our last change of this ENI says nothing about now.
        let changed_since = self.enis.get(&id).is_some_and(|(_, at)| *at > asked);
        if changed_since || self.in_effect(&id) || self.buried.contains_key(&id) {
            return;
        }
        if let EniSeen::Known(view) = &seen
            && let Some(claim) = &view.claim
        {
            self.tagged.insert(claim.clone(), id.clone());
        }
        self.enis.insert(id, (seen, self.learnt));
    }

    fn in_effect(&self, id: &EniId) -> bool {
        self.busy.values().any(|busy| match &busy.effect {
            Some(
                Effect::Attach { eni, .. }
                | Effect::SetDeleteOnTermination { eni, .. }
                | Effect::Detach { eni, .. }
                | Effect::Delete { eni },
            ) => eni == id,
            Some(
                Effect::Create(_)
                | Effect::AddFinalizer
                | Effect::DeleteClaim
                | Effect::RemoveFinalizer,
            )
            | None => false,
        })
    }
}

/// An attachment as it stands right after EC2 took it: `DeleteOnTermination` is off unless asked for.
fn attaching(id: AttachmentId, instance: InstanceId, slot: Slot) -> AttachmentView {
    AttachmentView {
        id,
        instance,
        slot,
        state: AttachmentState::Attaching,
        delete_on_termination: false,
    }
}

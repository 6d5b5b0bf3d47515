//! What became of orders.

use api::{Time, id::AttachmentId};

use super::{Fleet, index::Dependency, work::Busy};
use crate::{
    ec2::{AttachmentState, AttachmentView, EniView},
    fact::{ApiRefusal, Outcome},
    order::{Effect, Target},
    reason::{Note, Reason},
    seen::Sends,
};

impl Fleet {
    pub(super) fn learn_outcome(&mut self, target: Target, outcome: Outcome, now: Time) {
        if let Target::Read(topic) = target {
            return self.learn_read(topic, outcome, now);
        }
        let busy = self.end(&target);
        self.work.agenda.mark(target.clone());
        if self.is_about_another(&target, busy.as_ref()) {
            return;
        }
        if let Target::Marks(key) = &target {
            self.learn_marked(key, &outcome);
        }
        if !matches!(outcome, Outcome::Claim(_)) {
            self.forget_freeze(&target, busy.as_ref());
        }
        match outcome {
            // The watch has shown meanwhile that the claim is gone: the answer must not bring it back.
            Outcome::Claim(claim)
                if matches!(target, Target::Claim(_))
                    && self.watched.claim(&claim.key).is_none() => {}
            Outcome::Claim(claim) | Outcome::Found(claim) => self.learn_written(*claim),
            Outcome::ClaimGone => self.learn_gone(&target, now),
            Outcome::Report(report) => {
                // The same for a report; one without content was made just now.
                let is_known = match self.watched.reports.get(&report.name) {
                    Some(held) => !held.version.is_newer_than(&report.version),
                    None => report.status == api::NodeStatus::default(),
                };
                if is_known {
                    self.learn_report(*report);
                }
            }
            Outcome::Node(node) => {
                // An answer after the node's deletion must not bring it back.
                let known = self.watched.nodes.get(&node.name);
                if known.is_some_and(|held| {
                    held.uid == node.uid && !held.version.is_newer_than(&node.version)
                }) {
                    self.learn_node(*node);
                }
            }
            Outcome::Class(class) => {
                let known = self.watched.classes.get(&class.name);
                if known.is_some_and(|held| {
                    held.uid == class.uid && !held.version.is_newer_than(&class.version)
                }) {
                    self.learn_class(*class);
                }
            }
            Outcome::Conflict => return self.learn_conflict(target, busy, now),
            Outcome::Refused(refusal) => return self.learn_api_refusal(&target, refusal, now),
            Outcome::NotWritten | Outcome::Withheld => {
                return self.learn_not_done(target, busy, now);
            }
            Outcome::Failed(error) => return self.learn_failure(target, busy, *error, now),
            Outcome::Created(view) => self.learn_created(&target, *view, now),
            Outcome::Attached(id) => self.learn_attached(busy.as_ref(), id, now),
            Outcome::Changed => self.learn_changed(&target, busy.as_ref(), now),
            Outcome::Pod(found) => {
                if let Target::PodRead(key) = &target {
                    self.learn_pod_read(&key.clone(), found.map(|pod| *pod), now);
                }
            }
            Outcome::Listed
            | Outcome::Enis(_)
            | Outcome::Eni(_)
            | Outcome::Instances(_)
            | Outcome::Types(_)
            | Outcome::Subnets(_)
            | Outcome::Groups(_) => {}
        }
        self.work.rests.remove(&target);
        if let Some(effect) = busy.and_then(|busy| busy.effect) {
            self.work.backoffs.remove(&target);
            self.work.paused.remove(&effect.action());
        }
    }

    /// The order for a target has ended: what it promised counts no more.
    fn end(&mut self, target: &Target) -> Option<Busy> {
        let Target::Claim(key) = target else {
            return self.work.end(target);
        };
        let Some(claim) = self.watched.shared_claim(key) else {
            return self.work.end(target);
        };
        self.index.remove_status(&claim, self.work.intended(&claim));
        let busy = self.work.end(target);
        self.index.add_status(&claim, &claim.status);
        self.work.rollouts.moved(&claim.class);
        busy
    }

    /// Whether the order was for a claim that is gone, and whose name another one has now.
    fn is_about_another(&self, target: &Target, busy: Option<&Busy>) -> bool {
        let (Target::Claim(key), Some(uid)) = (target, busy.and_then(|b| b.claim.as_ref())) else {
            return false;
        };
        self.watched.claim(key).is_some_and(|held| held.uid != *uid)
    }

    /// A request that this process did not freeze after all may be another one's, and sent by it.
    fn forget_freeze(&mut self, target: &Target, busy: Option<&Busy>) {
        let written = busy.and_then(|busy| busy.status.as_ref()?.creation.as_ref());
        if let (Target::Claim(key), Some(creation)) = (target, written)
            && self.sends(key, creation.incarnation) == Sends::None
        {
            self.work.sends.remove(key);
        }
    }

    fn learn_gone(&mut self, target: &Target, now: Time) {
        match target {
            Target::Claim(key) => self.forget_claim(key),
            Target::Pod(_)
            | Target::Marks(_)
            | Target::Orphan(_)
            | Target::Report(_)
            | Target::Node(_)
            | Target::Class(_)
            | Target::PodRead(_)
            | Target::Read(_) => self.work.rest(target.clone(), now),
        }
    }

    /// The object changed meanwhile. Where that is known already it is decided again at once.
    fn learn_conflict(&mut self, target: Target, busy: Option<Busy>, now: Time) {
        let is_known = match (&target, busy.and_then(|busy| busy.version)) {
            (Target::Claim(key), Some(version)) => self
                .watched
                .claim(key)
                .is_some_and(|claim| claim.version != version),
            (Target::Marks(key), Some(version)) => {
                let pod = self.watched.pods.get(key);
                pod.is_some_and(|pod| pod.marks.version != version)
            }
            _ => false,
        };
        if !is_known {
            self.work.rest(target, now);
        }
    }

    fn learn_api_refusal(&mut self, target: &Target, refusal: ApiRefusal, now: Time) {
        self.work.rest(target.clone(), now);
        let ApiRefusal { reason, message } = refusal;
        let what = match target {
            Target::Node(_) => "the node's resource and labels",
            Target::Report(_) => "the node's EniNode",
            Target::Marks(_) => "the pod's annotation and condition",
            Target::Class(_) => "the status of the EniClass",
            Target::Claim(_)
            | Target::Pod(_)
            | Target::Orphan(_)
            | Target::PodRead(_)
            | Target::Read(_) => "the pod's EniClaim",
        };
        let note = Note::new(
            Reason::WriteRefused,
            format!("the API server refuses the write of {what} ({reason}): {message}"),
        );
        self.refused_write(target, note);
    }

    fn learn_not_done(&mut self, target: Target, busy: Option<Busy>, now: Time) {
        if let Some(effect) = busy.and_then(|busy| busy.effect) {
            // Withheld: it was never sent.
            if let (Target::Claim(key), Effect::Create(_)) = (&target, &effect)
                && let Some(sent) = self.work.sends.get_mut(key)
            {
                sent.at = now;
            }
        }
        if let Target::PodRead(key) = &target {
            self.work.pods_asked.remove(key);
        }
        self.work.rest(target, now);
    }

    fn learn_created(&mut self, target: &Target, view: EniView, now: Time) {
        let (id, subnet) = (view.id.clone(), view.subnet.clone());
        let has_prefix = view.prefixes.iter().any(|prefix| prefix.addr().is_ipv4());
        self.cloud.record(&id, Some(view), now);
        if let Some(record) = self.cloud.subnets.get_mut(&subnet)
            && record.unblock(has_prefix)
        {
            self.wake_up(&Dependency::Subnet(subnet));
        }
        if let Target::Claim(key) = target
            && let Some(sent) = self.work.sends.get_mut(key)
        {
            // Whatever is refused later, this request has made an ENI.
            sent.sends = Sends::Inconclusive;
            sent.at = now;
        }
    }

    fn learn_attached(&mut self, busy: Option<&Busy>, id: AttachmentId, now: Time) {
        let Some(Effect::Attach {
            eni,
            instance,
            slot,
        }) = busy.and_then(|b| b.effect.as_ref())
        else {
            return;
        };
        if self.cloud.full.remove(instance).is_some()
            && let Some(node) = self.index.node_of.get(instance).cloned()
        {
            self.mark_node(&node);
        }
        self.cloud.amend(eni, now, |view| {
            view.available = false;
            view.attachment = Some(AttachmentView {
                id,
                instance: instance.clone(),
                slot: *slot,
                state: AttachmentState::Attaching,
                delete_on_termination: false,
            });
        });
    }

    fn learn_changed(&mut self, target: &Target, busy: Option<&Busy>, now: Time) {
        match busy.and_then(|b| b.effect.as_ref()) {
            Some(Effect::SetSourceDestCheck { eni, check }) => {
                self.cloud
                    .amend(eni, now, |view| view.source_dest_check = *check);
            }
            Some(Effect::SetDeleteOnTermination { eni, .. }) => {
                self.cloud.amend(eni, now, |view| {
                    if let Some(attachment) = &mut view.attachment {
                        attachment.delete_on_termination = true;
                    }
                });
            }
            Some(Effect::SetSecurityGroups { eni, groups }) => {
                let groups = groups.clone();
                self.cloud
                    .amend(eni, now, |view| view.groups.clone_from(&groups));
                if let Target::Claim(key) = target {
                    self.learn_groups_set(key, &groups);
                }
            }
            Some(Effect::Detach { eni, .. }) => {
                if let Target::Claim(key) = target {
                    self.work.detached.insert(key.clone(), now);
                }
                self.cloud.amend(eni, now, |view| {
                    if let Some(attachment) = &mut view.attachment {
                        attachment.state = AttachmentState::Detaching;
                    }
                });
            }
            Some(Effect::Delete { eni }) => {
                self.cloud.bury(eni, now);
                if matches!(target, Target::Orphan(_)) {
                    self.work.forget(target);
                }
                if let Some(claim) = self
                    .index
                    .owner
                    .get(eni)
                    .and_then(|k| self.watched.claim(k))
                {
                    self.mark_places(&claim.clone());
                }
            }
            Some(Effect::Create(_) | Effect::Attach { .. }) | None => {}
        }
    }
}

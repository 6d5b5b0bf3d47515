//! Claims: what is seen of each, and what it needs next.

use std::collections::BTreeSet;

use api::{
    Time,
    time::{MINUTE, SECOND},
};

use super::{Fleet, give::reference, index::Dependency, watched::PodProof, work::Sent};
use crate::{
    claim::{Claim, CreateAnswer},
    cluster::{Cluster, Key},
    decision::{Act, Decision, decide},
    error::{Ec2Error, classify},
    goal::{Goal, PodSeen, Site, goal},
    order::{Action, Object, Order, Read, StatusWrite, Target, Topic},
    reason::{Note, Reason, Tone},
    request::Shape,
    seen::{Backoff, EniSeen, Seen, Sends, SubnetSeen},
    status::{Weight, after, weight},
    step::{Step, incarnation},
};

/// How long a direct read of a pod without our label counts.
const POD_READ: i64 = MINUTE;
/// A status whose reason changed is written when that lasts: soon where somebody may have to act, later where it is progress;
/// one whose words changed, later still.
const REASON_LASTS: i64 = 3 * SECOND / 2;
const PROGRESS_LASTS: i64 = 5 * SECOND;
const WORDS_LAST: i64 = 30 * SECOND;

impl Fleet {
    pub(super) fn consider_claim(&mut self, key: &Key, now: Time, orders: &mut Vec<Order>) {
        let target = Target::Claim(key.clone());
        let (Some(claim), Some(cluster)) = (
            self.watched.shared_claim(key),
            self.watched.cluster(self.settings.cluster_id.as_ref()),
        ) else {
            return;
        };
        let goal = self.goal(&claim, now);
        let seen = self.seen(&claim, &goal, cluster, now);
        let mut decision = decide(&claim, &seen, &goal, now);
        self.index
            .depend(&target, self.rests_on(&claim, &goal, &seen));
        self.work.polls.set(key, &claim.uid, decision.poll.clone());
        if let Some(wake) = decision.wake {
            self.work.agenda.at(target.clone(), wake);
        }
        self.wait_for_subnet(&claim, &seen, now);
        self.wait_for_room(&target, &goal, now);
        self.note_stuck(&claim, &decision.step, now);
        if decision.note.reason == Reason::DetachStuck {
            self.mark_nodes_of(&claim);
        }
        let mut differs = weight(&claim.status, &decision.status);
        self.queue(&target, differs, decision.act.as_ref());
        if let Some(note) = self.queue_note(&target, now) {
            decision.status = after(&claim, &seen, &decision.step, &note, None, now);
            decision.note = note;
            differs = weight(&claim.status, &decision.status);
        }
        self.tell_claim(&claim, &decision.note, now, orders);
        if differs == Weight::Facts {
            self.write_status(&claim, decision.status, now, orders);
        } else {
            self.act(&claim, differs, decision, now, orders);
        }
    }

    /// An effect waits for its turn once the status stands that it rests on.
    fn queue(&mut self, target: &Target, differs: Weight, act: Option<&Act>) {
        match act {
            Some(Act::Effect(effect)) if differs != Weight::Facts => {
                self.work.queues.enter(target, effect.clone());
            }
            _ => self.work.queues.leave(target),
        }
    }

    fn write_status(
        &mut self,
        claim: &Claim,
        status: api::ClaimStatus,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        let froze = status
            .creation
            .as_ref()
            .map(|c| c.incarnation)
            .filter(|n| *n > incarnation(claim));
        let write = Object::Status(StatusWrite {
            claim: reference(claim),
            status: Box::new(status),
        });
        if self.write(write, now, orders)
            && let Some(incarnation) = froze
        {
            // Frozen by this very process: nobody has sent it.
            let sent = Sent {
                incarnation,
                sends: Sends::None,
                at: now,
            };
            self.work.sends.insert(claim.key.clone(), sent);
        }
        self.work.prose.forget(&claim.key);
    }

    fn act(
        &mut self,
        claim: &Claim,
        weight: Weight,
        decision: Decision,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        match decision.act {
            Some(Act::AddFinalizer) => {
                self.write(Object::AddFinalizer(reference(claim)), now, orders);
            }
            Some(Act::RemoveFinalizer) => {
                self.write(Object::RemoveFinalizer(reference(claim)), now, orders);
            }
            Some(Act::DeleteClaim) => {
                self.write(Object::DeleteClaim(reference(claim)), now, orders);
            }
            Some(Act::ReadPod) => self.read_pod(claim, now, orders),
            Some(Act::Effect(_)) | None => {
                let lasts = match (weight, decision.note.reason.tone()) {
                    (Weight::Words, _) => WORDS_LAST,
                    (_, Tone::Silent) => PROGRESS_LASTS,
                    (_, Tone::Normal | Tone::Warning) => REASON_LASTS,
                };
                self.write_prose(claim, weight, decision.status, lasts, now, orders);
            }
        }
    }

    /// Prose is written once it has lasted, and never so much of it that it stands in anybody's way.
    fn write_prose(
        &mut self,
        claim: &Claim,
        weight: Weight,
        status: api::ClaimStatus,
        lasts: i64,
        now: Time,
        orders: &mut Vec<Order>,
    ) {
        if weight == Weight::Same {
            self.work.prose.forget(&claim.key);
            return;
        }
        let due = self.work.prose.due(&claim.key, lasts, now);
        if due <= now {
            return self.write_status(claim, status, now, orders);
        }
        self.work.agenda.at(Target::Claim(claim.key.clone()), due);
    }

    fn read_pod(&mut self, claim: &Claim, now: Time, orders: &mut Vec<Order>) {
        let (Some(pod), Some(owner)) = (claim.pod_key(), &claim.owner) else {
            return;
        };
        let target = Target::PodRead(pod.clone());
        let resting = self
            .work
            .rests
            .get(&target)
            .map(|(_, until)| *until)
            .filter(|until| *until > now);
        if self.work.busy.contains_key(&target) || resting.is_some() {
            let again = resting.unwrap_or_else(|| now.after(SECOND));
            return self.work.agenda.at(Target::Claim(claim.key.clone()), again);
        }
        self.work.pods_asked.insert(pod.clone(), owner.uid.clone());
        self.ask(Read::Pod(pod), now, orders);
        // Should the read fail, it is asked again.
        self.work
            .agenda
            .at(Target::Claim(claim.key.clone()), now.after(15 * SECOND));
    }

    /// Who waits for a free address looks again when a subnet may have one.
    fn wait_for_subnet(&mut self, claim: &Claim, seen: &Seen, now: Time) {
        let waits = seen
            .shape
            .as_ref()
            .is_err_and(|note| note.reason == Reason::SubnetFull);
        if !waits {
            return;
        }
        let class = self.watched.classes.get(&claim.class);
        let subnets = class.into_iter().flat_map(|c| &c.subnets);
        let records: Vec<_> = subnets
            .filter_map(|id| self.cloud.subnets.get(id))
            .collect();
        let read = records.iter().map(|record| record.read).min();
        let blocks = records.iter().filter_map(|record| record.block);
        let until = blocks
            .map(|block| block.until)
            .filter(|until| *until > now)
            .min();
        // An old count may be wrong by all that has been deleted since.
        let due = read.map_or(now, |read| read.after(crate::subnet::AGAIN));
        self.read_by(Topic::Subnets, due.max(now));
        let again = until.unwrap_or_else(|| now.after(crate::subnet::AGAIN));
        self.work.agenda.at(Target::Claim(claim.key.clone()), again);
    }

    /// Who waits for an instance that EC2 says is full looks again when it is tried again.
    fn wait_for_room(&mut self, target: &Target, goal: &Goal, now: Time) {
        if let Goal::On(site) = goal
            && let Some(until) = self.cloud.full.get(&site.instance)
            && *until > now
        {
            self.work.agenda.at(target.clone(), *until);
        }
    }

    /// A slot where an Attach got stuck is not taken again soon.
    fn note_stuck(&mut self, claim: &Claim, step: &Step, now: Time) {
        if let (Step::Release(note), Some(attachment)) = (step, &claim.status.attachment)
            && note.reason == Reason::AttachStuck
        {
            self.work.avoided.insert(
                (attachment.instance_id.clone(), attachment.slot),
                now.after(super::refusal::AVOIDED),
            );
        }
    }

    fn goal(&mut self, claim: &Claim, now: Time) -> Goal {
        let pod = self.pod_seen(claim, now);
        let node = match pod {
            PodSeen::Alive(pod) => pod.node.as_ref().and_then(|n| self.watched.nodes.get(n)),
            PodSeen::Unlabelled | PodSeen::Ended | PodSeen::Unseen => None,
        };
        let goal = goal(claim, pod, node);
        if let Some(owner) = &claim.owner
            && let Some(PodProof::Alive(at)) = self.watched.proofs.get(&owner.uid)
        {
            let again = at.after(POD_READ);
            self.work
                .agenda
                .at(Target::Claim(claim.key.clone()), again.max(now.after(1)));
        }
        self.explain(claim, goal)
    }

    /// Why a pod has no node is worth a sentence of its own.
    fn explain(&self, claim: &Claim, goal: Goal) -> Goal {
        match goal {
            Goal::Held(note) if note.reason == Reason::NotScheduled => {
                Goal::Held(self.not_scheduled(&claim.class))
            }
            Goal::Held(_) | Goal::Gone | Goal::On(_) | Goal::Unclear | Goal::Unserved(_) => goal,
        }
    }

    fn pod_seen(&self, claim: &Claim, now: Time) -> PodSeen<'_> {
        let (Some(key), Some(owner)) = (claim.pod_key(), &claim.owner) else {
            return PodSeen::Unseen;
        };
        match self.watched.pods.get(&key) {
            Some(pod) if pod.uid == owner.uid && pod.terminal => PodSeen::Ended,
            Some(pod) if pod.uid == owner.uid => PodSeen::Alive(pod),
            // Its name belongs to another pod: this one is gone.
            Some(_) => PodSeen::Ended,
            None => match self.watched.proofs.get(&owner.uid) {
                Some(PodProof::Ended) => PodSeen::Ended,
                Some(PodProof::Alive(at)) if now.since(*at) < POD_READ => PodSeen::Unlabelled,
                Some(PodProof::Alive(_)) | None => PodSeen::Unseen,
            },
        }
    }

    fn seen(&self, claim: &Claim, goal: &Goal, cluster: Cluster, now: Time) -> Seen {
        let site = match goal {
            Goal::On(site) => Some(site),
            Goal::Held(_) | Goal::Gone | Goal::Unclear | Goal::Unserved(_) => None,
        };
        let (eni, other) = self.eni_of(claim, &cluster);
        let subnet = self.subnet_of(claim, &eni);
        let attachment = claim.status.attachment.as_ref();
        let attached = attachment.is_some_and(|a| a.id.is_some());
        let not_asked = || Note::new(Reason::Reading, "not asked for");
        let eni_lost = matches!(
            eni,
            EniSeen::NotFound | EniSeen::Missing(_) | EniSeen::Deleted
        );
        let shape = match site {
            Some(site) if claim.status.eni.is_none() || eni_lost => self.shape(claim, site, now),
            Some(_) | None => Err(not_asked()),
        };
        let slot = match site {
            Some(site)
                if !attached || attachment.is_some_and(api::claim::Attachment::is_released) =>
            {
                self.slot(claim, &site.instance, now)
            }
            Some(_) | None => Err(not_asked()),
        };
        let detaching = claim
            .status
            .eni
            .as_ref()
            .and_then(|eni| self.cloud.enis.get(&eni.id)?.detaching);
        Seen {
            cluster,
            interface: self
                .watched
                .classes
                .get(&claim.class)
                .map(|c| c.interface.clone()),
            shape,
            zone: site.and_then(|site| self.zone(site)),
            slot,
            host: self.host(claim, &subnet, now),
            subnet,
            eni,
            other,
            sends: self.sends(&claim.key, incarnation(claim)),
            search: self.cloud.search(&claim.uid),
            backoff: self.backoff(claim),
            detached: self.work.detached.get(&claim.key).copied(),
            detaching,
        }
    }

    fn zone(&self, site: &Site) -> Option<api::id::Zone> {
        let record = self.cloud.instances.get(&site.instance)?;
        record.instance.as_ref().map(|i| i.zone.clone())
    }

    /// The claim's ENI, and another one that carries its tag.
    fn eni_of(&self, claim: &Claim, cluster: &Cluster) -> (EniSeen, Option<api::id::EniId>) {
        let mut tagged = self.cloud.of_claim(&claim.uid, &cluster.id);
        if let Some(eni) = &claim.status.eni {
            let other = tagged.find(|id| **id != eni.id).cloned();
            return (self.cloud.eni(&eni.id), other);
        }
        let eni = tagged
            .next()
            .map_or(EniSeen::Unknown, |id| self.cloud.eni(id));
        (eni, None)
    }

    fn subnet_of(&self, claim: &Claim, eni: &EniSeen) -> SubnetSeen {
        let status = &claim.status;
        let id = eni
            .view()
            .map(|view| &view.subnet)
            .or(status.eni.as_ref().map(|eni| &eni.subnet_id))
            .or(status.creation.as_ref().map(|c| &c.request.subnet_id));
        match id.and_then(|id| self.cloud.subnets.get(id)) {
            None => SubnetSeen::Unread,
            Some(record) => record
                .subnet
                .clone()
                .map_or(SubnetSeen::Foreign, SubnetSeen::Known),
        }
    }

    /// What its next Create request would be, or what stands in the way.
    fn shape(&self, claim: &Claim, site: &Site, now: Time) -> Result<Shape, Note> {
        let class = self.watched.classes.get(&claim.class);
        let pod = claim.pod_key().and_then(|key| self.watched.pods.get(&key));
        if let Some(pod) = pod {
            let namespace = self.watched.namespaces.get(&pod.key.namespace);
            crate::admit::admit(pod, &claim.class, class, namespace)?;
        }
        let Some(class) = class else {
            return Err(Note::new(
                Reason::ClassNotFound,
                format!("there is no EniClass {}; create it again", claim.class),
            ));
        };
        let node = self.watched.nodes.get(&site.node);
        let (instance, facts) = self.support(node, &site.instance)?;
        let Some(vpc) = &instance.vpc else {
            return Err(Note::new(
                Reason::NodeUnsupported,
                format!("{} is terminated", instance.id),
            ));
        };
        let subnet = crate::subnet::choose(class, &instance.zone, vpc, &self.cloud.subnets, now)?;
        self.room(claim, &instance.id, facts)?;
        Ok(Shape {
            subnet: subnet.id.clone(),
            groups: class.groups.clone(),
            tags: class.tags.clone(),
        })
    }

    /// The last refusal; after a restart the status says which it was.
    fn backoff(&self, claim: &Claim) -> Option<Backoff> {
        let target = Target::Claim(claim.key.clone());
        if let Some(backoff) = self.work.backoffs.get(&target) {
            return Some(backoff.clone());
        }
        let creation = claim.status.creation.as_ref()?;
        let error = claim.status.last_error.as_ref()?;
        if claim.status.eni.is_some() || creation.answer != Some(CreateAnswer::Inconclusive) {
            return None;
        }
        Some(Backoff {
            action: Action::CreateNetworkInterface,
            incarnation: creation.incarnation,
            error: Ec2Error {
                class: classify(&error.code, &error.message, 400),
                code: error.code.clone(),
                message: error.message.clone(),
                request_id: error.request_id.clone(),
            },
            attempts: error.attempts,
            at: self.work.leads_since,
            until: error.next_retry.unwrap_or(self.work.leads_since),
        })
    }

    /// What the decision about a claim rests on.
    fn rests_on(&self, claim: &Claim, goal: &Goal, seen: &Seen) -> BTreeSet<Dependency> {
        let mut on = BTreeSet::new();
        let status = &claim.status;
        if let Some(attachment) = &status.attachment {
            on.insert(Dependency::Instance(attachment.instance_id.clone()));
        }
        let pod_node = claim
            .pod_key()
            .and_then(|key| self.watched.pods.get(&key)?.node.clone());
        on.extend(pod_node.map(Dependency::Node));
        if claim.is_plugged() {
            return on;
        }
        on.insert(Dependency::Class(claim.class.clone()));
        if let Goal::On(site) = goal {
            on.insert(Dependency::Instance(site.instance.clone()));
            if seen.slot.is_err() || seen.shape.is_err() {
                on.insert(Dependency::Slot(site.instance.clone()));
            }
        }
        if status.eni.is_none() {
            on.insert(Dependency::Namespace(claim.key.namespace.clone()));
            let class = self.watched.classes.get(&claim.class);
            let subnets = class.into_iter().flat_map(|c| c.subnets.iter().cloned());
            on.extend(subnets.map(Dependency::Subnet));
        }
        if let Some(eni) = &status.eni
            && !matches!(seen.subnet, SubnetSeen::Known(_))
        {
            on.insert(Dependency::Subnet(eni.subnet_id.clone()));
        }
        on
    }
}

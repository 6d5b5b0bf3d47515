//! Slots of instances: what is taken, promised, leaving and free, and whether an instance lives.

use std::collections::BTreeSet;

use api::{
    Time,
    id::{ClassName, EniId, InstanceId, NodeName, Slot},
    time::SECOND,
};

use super::{Fleet, watched::PodProof};
use crate::{
    claim::{Attachment, Claim, ClaimStatus, CreateAnswer},
    cluster::{Node, NodeHealth},
    ec2::{AttachedEni, Instance, InstanceState, TypeFacts},
    goal::Site,
    place::{exists, place},
    reason::{Note, Reason},
    resolve::State,
    seen::{EniSeen, Host, SubnetSeen},
};

/// A read that shows an instance as stopped permits a Detach for this long.
const STOPPED_COUNTS: i64 = 60 * SECOND;

/// What keeps the first nodes from serving a class keeps the others, too.
const LOOKED_AT: usize = 20;

/// How the slots of an instance are used by claims.
pub(super) struct Use<'a> {
    /// Slots of claims and of others, those that are left to others included.
    pub(super) taken: BTreeSet<Slot>,
    /// How many of them are free, and left to others.
    left: usize,
    /// Claims that are on their way out, with their ENIs: their slots are free in seconds.
    pub(super) leaving: Vec<&'a Claim>,
    /// Claims that are bound to it, have or soon have an ENI, and no slot yet.
    pub(super) promised: usize,
    /// Free slots where an Attach got stuck lately.
    avoided: Vec<Slot>,
}

impl Fleet {
    /// Whether software on the instance of the claim's attachment may still use the device.
    pub(super) fn host(&self, claim: &Claim, subnet: &SubnetSeen, now: Time) -> Host {
        let node = claim.status.node_name.clone().unwrap_or_default();
        let Some(attachment) = &claim.status.attachment else {
            return Host::Alive(node);
        };
        let instance = &attachment.instance_id;
        let vouching = self
            .index
            .node_of
            .get(instance)
            .and_then(|name| self.watched.nodes.get(name));
        if vouching.is_some_and(|n| n.health == NodeHealth::OutOfService) {
            return Host::OutOfService;
        }
        let Some(record) = self.cloud.instances.get(instance) else {
            return Host::Alive(node);
        };
        match record.instance.as_ref().map(|i| i.state) {
            Some(InstanceState::ShuttingDown) => Host::ShuttingDown,
            Some(InstanceState::Terminated) => Host::Dead,
            Some(InstanceState::Stopped) if now.since(record.read) <= STOPPED_COUNTS => Host::Dead,
            // EC2 forgets terminated instances; another region or account does not know a living one either.
            None if vouching.is_none()
                && matches!(subnet, SubnetSeen::Known(_))
                && record.is_forgotten() =>
            {
                Host::Dead
            }
            Some(InstanceState::Stopped | InstanceState::Alive) | None => Host::Alive(node),
        }
    }

    /// The instance and the facts of its type, or why it cannot hold an ENI.
    pub(super) fn support(
        &self,
        node: &NodeName,
        id: &InstanceId,
    ) -> Result<(&Instance, &TypeFacts), Note> {
        let unsupported = |why: String| Note::unsupported(node, &why);
        let reading =
            |what: String| Note::new(Reason::Reading, format!("{what} is being read from EC2"));
        let instance = match self.cloud.instances.get(id) {
            Some(record) => record.instance.as_ref().ok_or_else(|| {
                unsupported(format!("EC2 knows no {id} in this region and account"))
            })?,
            None => return Err(reading(format!("{id} of node {node}"))),
        };
        match self.cloud.types.get(&instance.instance_type) {
            Some((Some(facts), _)) => Ok((instance, facts)),
            Some((None, _)) => Err(unsupported(format!(
                "EC2 knows no instance type {}",
                instance.instance_type
            ))),
            None => Err(reading(instance.instance_type.to_string())),
        }
    }

    /// The same of a node, which may name no instance.
    pub(super) fn support_of(&self, node: &Node) -> Result<(&Instance, &TypeFacts), Note> {
        let id = node.supported_instance()?;
        self.support(&node.name, id)
    }

    /// How the slots of an instance are used by others than this claim.
    pub(super) fn uses(
        &self,
        instance: &Instance,
        facts: &TypeFacts,
        except: Option<&Claim>,
    ) -> Use<'_> {
        let foreign = self.foreign_slots(instance);
        let left = self.left(instance, facts);
        let instance = &instance.id;
        let mut uses = Use {
            taken: foreign.clone(),
            leaving: Vec::new(),
            left: 0,
            promised: 0,
            avoided: Vec::new(),
        };
        let claims = self.index.at.get(instance).into_iter().flatten();
        for claim in claims.filter_map(|key| self.watched.claim(key)) {
            if except.is_some_and(|e| e.key == claim.key) {
                continue;
            }
            let status = self.work.intended(claim);
            match &status.attachment {
                Some(a) if a.instance_id == *instance => {
                    if self.has_left(status, a) {
                        continue;
                    }
                    uses.taken.insert(a.slot);
                    // A claim that is only being deleted stays while its pod lives.
                    if a.is_released() || self.has_ended(claim) {
                        uses.leaving.push(claim);
                    }
                }
                Some(_) => {}
                None if self.has_ended(claim) => {}
                None => uses.promised += usize::from(self.needs_slot(status)),
            }
        }
        let left = left.slots(facts, &foreign, &uses.taken);
        uses.left = left.len();
        uses.taken.extend(left);
        uses
    }

    /// Whether there is an ENI that needs a slot, or may be. Those that have none wait for room themselves: counted, two of
    /// them would wait for each other.
    fn needs_slot(&self, status: &ClaimStatus) -> bool {
        match (&status.eni, &status.creation) {
            (Some(eni), _) => !self.is_gone(&eni.id),
            (None, Some(creation)) => creation.answer != Some(CreateAnswer::Refused),
            (None, None) => false,
        }
    }

    /// Whether the slot of a claim's attachment is free again.
    pub(super) fn has_left(&self, status: &ClaimStatus, attachment: &Attachment) -> bool {
        let was_attached = attachment.id.is_some() && attachment.is_released();
        status.eni.as_ref().is_some_and(|eni| {
            self.is_gone(&eni.id) || was_attached && self.cloud.is_detached(&eni.id)
        })
    }

    /// Whether EC2 knows no such ENI any more: it takes no slot, whatever its claim says.
    fn is_gone(&self, eni: &EniId) -> bool {
        matches!(self.cloud.eni(eni), EniSeen::NotFound | EniSeen::Deleted)
    }

    /// Whether the pod of a claim has ended, as far as the watch shows.
    fn has_ended(&self, claim: &Claim) -> bool {
        let Some(key) = claim.pod_key() else {
            return false;
        };
        let user = claim.user().map(|user| user.uid);
        if let Some(pod) = self.watched.pods.get(&key) {
            return Some(&pod.uid) != user.as_ref() || pod.terminal;
        }
        // It may have lost its label alone.
        let proof = user.and_then(|uid| self.watched.proofs.get(&uid));
        !matches!(proof, Some(PodProof::Alive(_) | PodProof::Mirrorless(_)))
    }

    /// What is attached to the instance and belongs to no claim.
    pub(super) fn foreign<'a>(
        &'a self,
        instance: &InstanceId,
    ) -> impl Iterator<Item = &'a AttachedEni> {
        let attached = self
            .cloud
            .instances
            .get(instance)
            .and_then(|record| record.instance.as_ref())
            .into_iter()
            .flat_map(|i| &i.attached);
        attached.filter(move |a| !self.is_ours(&a.eni))
    }

    fn is_ours(&self, eni: &api::id::EniId) -> bool {
        self.cloud.is_deleted(eni) || self.index.owner.contains_key(eni)
    }

    /// Whether an ENI may be made for the node: a slot is free, or will be in seconds, that nobody was promised.
    pub(super) fn room(
        &self,
        claim: &Claim,
        instance: &Instance,
        facts: &TypeFacts,
    ) -> Result<(), Note> {
        let uses = self.uses(instance, facts, Some(claim));
        let taken: usize = facts
            .cards
            .iter()
            .map(|(card, limit)| {
                let on_card = uses.taken.iter().filter(|s| s.card == *card).count();
                on_card.min(usize::try_from(*limit).unwrap_or(usize::MAX))
            })
            .sum();
        let limit = usize::try_from(facts.limit()).unwrap_or(usize::MAX);
        if limit.saturating_sub(taken) + uses.leaving.len() > uses.promised {
            Ok(())
        } else {
            Err(self.full(claim, &instance.id, facts, &uses))
        }
    }

    /// The slot that the claim has if that is still free, else one that is.
    pub(super) fn slot(&self, claim: &Claim, site: &Site, now: Time) -> Result<Slot, Note> {
        let instance = &site.instance;
        let (shown, facts) = self.support(&site.node, instance)?;
        let mut uses = self.uses(shown, facts, Some(claim));
        uses.avoided = self.avoided(instance, now).map(|(slot, _)| slot).collect();
        uses.taken.extend(&uses.avoided);
        for card in self.cloud.full_cards(instance, now) {
            let slots = (0..facts.on_card(card)).map(|index| Slot { card, index });
            uses.taken.extend(slots);
        }
        if self.cloud.is_full(instance, facts, now) {
            return Err(self.full(claim, instance, facts, &uses));
        }
        let own = claim
            .status
            .attachment
            .as_ref()
            .filter(|a| a.instance_id == *instance && a.id.is_none())
            .map(|a| a.slot);
        match own {
            Some(slot) if exists(facts, slot) && !uses.taken.contains(&slot) => Ok(slot),
            Some(_) | None => {
                place(facts, &uses.taken).ok_or_else(|| self.full(claim, instance, facts, &uses))
            }
        }
    }

    /// Slots where an Attach got stuck lately, each with when it is tried again.
    pub(super) fn avoided(
        &self,
        instance: &InstanceId,
        now: Time,
    ) -> impl Iterator<Item = (Slot, Time)> {
        let avoided = self.work.avoided.range((instance.clone(), FIRST)..);
        avoided
            .take_while(move |((i, _), _)| i == instance)
            .map(|((_, slot), until)| (*slot, *until))
            .filter(move |(_, until)| *until > now)
    }

    /// Why there is no slot: the ENI whose leaving is awaited, slots that do not work, or that all are taken.
    fn full(
        &self,
        claim: &Claim,
        instance: &InstanceId,
        facts: &TypeFacts,
        uses: &Use<'_>,
    ) -> Note {
        if let Some(first) = uses.leaving.first() {
            let eni = first.status.eni.as_ref();
            let eni = eni.map_or_else(|| "an ENI".to_owned(), |eni| eni.id.to_string());
            return Note::new(
                Reason::WaitingForSlot,
                format!(
                    "{instance} has no free slot; waiting for {eni} of claim {} to leave it",
                    first.key
                ),
            );
        }
        if let Some(slot) = uses.avoided.first() {
            return Note::new(
                Reason::AttachStuck,
                format!(
                    "{slot} of {instance} is free, but an ENI did not become attached there; it is tried again in some minutes, other nodes may serve the pod now"
                ),
            );
        }
        let kind = self
            .cloud
            .instances
            .get(instance)
            .and_then(|record| record.instance.as_ref())
            .map_or_else(String::new, |i| format!(" ({})", i.instance_type));
        let left = match uses.left {
            0 => String::new(),
            left => format!(", {left} of them left to others,"),
        };
        let asks = self
            .pod_of(claim)
            .is_some_and(|pod| pod.requested.is_some());
        let cure = if asks {
            ""
        } else {
            ", or request the resource eniclaim.io/eni so that the scheduler counts"
        };
        Note::new(
            Reason::NodeFull,
            format!(
                "{instance}{kind} holds no more than {} ENIs{left} and all are taken; remove a pod with an ENI from the node{cure}",
                facts.limit()
            ),
        )
    }

    /// Why a pod has no node yet.
    pub(super) fn not_scheduled(&self, class: &ClassName) -> Note {
        let resolved = self.watched.resolved.get(class);
        if let Some(State::Wrong(note)) = resolved.map(|resolved| &resolved.subnets_state)
            && !self.index.is_served(class)
        {
            // No node will have its label before somebody mends it.
            return note.clone();
        }
        let message = if self.index.is_served(class) {
            format!(
                "the ENI is made once the pod has a node; nodes that class {class} can work on have the label class.eniclaim.io/{class}"
            )
        } else {
            format!(
                "the ENI is made once the pod has a node, and class {class} can work on none: {}",
                self.why_no_node(class)
            )
        };
        Note::new(Reason::NotScheduled, message)
    }

    /// What stands in the way on the first node that cannot serve the class.
    fn why_no_node(&self, name: &ClassName) -> String {
        let obstacle = |node: &Node| {
            let (instance, _) = match self.support_of(node) {
                Ok(support) => support,
                Err(note) => return Some(note.message),
            };
            let (class, vpc) = (self.watched.classes.get(name)?, instance.vpc.as_ref()?);
            let (resolved, zone) = (self.watched.resolved.get(name)?, &instance.zone);
            let subnets = &self.cloud.subnets;
            let choice = crate::subnet::choose(class, resolved, zone, vpc, subnets, Time(0));
            // Whether a subnet is full does not matter here.
            let obstacle = choice
                .err()
                .filter(|note| note.reason != Reason::SubnetFull);
            obstacle.map(|note| note.message)
        };
        let mut nodes = self.watched.nodes.values().take(LOOKED_AT);
        nodes
            .find_map(obstacle)
            .unwrap_or_else(|| "no eniclaim agent has reported from a node that could".to_owned())
    }
}

/// The first slot in order.
const FIRST: Slot = Slot { card: 0, index: 0 };

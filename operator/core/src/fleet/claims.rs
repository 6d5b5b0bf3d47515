//! Claims and the pods they are for: what each of them needs next.

use std::collections::{BTreeMap, BTreeSet};

use super::Fleet;
use crate::{
    bind::{Shape, Site, admit},
    claim::{Claim, Slot},
    cloud::{EniSeen, InstanceState, TypeFacts},
    cluster::{Node, Pod},
    id::{ClassName, ClusterId, InstanceId, Key, NodeName},
    order::{ClaimWrite, NewClaim, Order, Target, Tell},
    place::{exists, place},
    plan::{Seen, plan},
    reason::{Note, Reason},
    status, subnet,
    time::Time,
    token::claim_name,
};

impl Fleet {
    pub(super) fn consider_claim(&mut self, key: &Key, now: Time, orders: &mut Vec<Order>) {
        self.waiting.remove(key);
        let (Some(claim), Some(cluster)) = (self.claims.get(key).cloned(), self.cluster()) else {
            return;
        };
        let decision = plan(&claim, &self.seen(&claim, cluster, now), now);
        if let Some(wake) = decision.wake {
            self.agenda.at(Target::Claim(key.clone()), wake);
        }
        if decision.waits_for(Reason::SubnetFull)
            && let Some(free) = self.blocked.values().filter(|until| **until > now).min()
        {
            // Another claim may have met the full subnet; nobody else will tell this one that it is worth a try.
            self.agenda.at(Target::Claim(key.clone()), *free);
        }
        self.voice_claim(&claim, now, orders);
        let Claim {
            key, uid, version, ..
        } = claim.clone();
        if decision.status != claim.status {
            let tell = status::steps(&claim.status, &decision.status)
                .into_iter()
                .map(|note| self.tell(&claim, note))
                .collect();
            let write = ClaimWrite {
                claim: key,
                uid,
                version,
                status: Box::new(decision.status),
                tell,
            };
            self.give(Order::WriteClaim(write), orders);
        } else if let Some(effect) = decision.effect {
            self.give(
                Order::Effect {
                    claim: key,
                    uid,
                    version,
                    effect,
                },
                orders,
            );
        } else if let (Some(poll), Some(eni)) = (decision.poll, &claim.status.eni) {
            self.waiting.insert(key, (poll, eni.id.clone()));
        }
    }

    pub(super) fn consider_pod(&mut self, key: &Key, now: Time, orders: &mut Vec<Order>) {
        let Some(pod) = self.pods.get(key).cloned() else {
            return;
        };
        if pod.terminal || pod.deleting {
            return;
        }
        if let Some(claim) = self
            .claim_of
            .get(&pod.uid)
            .and_then(|key| self.claims.get(key))
            .cloned()
        {
            return self.voice_claim(&claim, now, orders);
        }
        if let Err(note) = admit(
            &pod,
            self.classes.get(&pod.class),
            self.namespaces.get(&key.namespace),
        ) {
            return self.voice_pod(&pod, note, now, orders);
        }
        self.told.remove(&Target::Pod(key.clone()));
        let claim = Key {
            namespace: key.namespace.clone(),
            name: claim_name(&key.name, &pod.uid),
        };
        let new = NewClaim {
            claim,
            pod: key.name.clone(),
            uid: pod.uid,
            class: pod.class,
        };
        self.give(Order::CreateClaim(new), orders);
    }

    /// An Event about a claim, on the claim and on its pod.
    pub(super) fn tell(&self, claim: &Claim, note: Note) -> Tell {
        let pod = self
            .pod_of(claim)
            .map(|pod| (pod.key.clone(), pod.uid.clone()));
        Tell {
            claim: Some((claim.key.clone(), claim.uid.clone())),
            pod,
            note,
        }
    }

    /// The very pod that owns the claim.
    pub(super) fn pod_of(&self, claim: &Claim) -> Option<&Pod> {
        let key = Key {
            namespace: claim.key.namespace.clone(),
            name: claim.owner.name.clone(),
        };
        self.pods.get(&key).filter(|pod| pod.uid == claim.owner.uid)
    }

    fn seen(&self, claim: &Claim, cluster: ClusterId, now: Time) -> Seen {
        let status = &claim.status;
        let pod = self.pod_of(claim).filter(|pod| !pod.terminal);
        let known = status
            .eni
            .as_ref()
            .map(|eni| &eni.id)
            .or_else(|| self.tagged.get(&claim.uid));
        let eni = known.map_or(EniSeen::Unknown, |id| self.eni(id));
        let subnet = status
            .creation
            .as_ref()
            .and_then(|c| self.subnets.get(&c.request.subnet)?.clone());
        // Both are looked up only where the plan may ask for them: they cost a walk over the node's claims.
        let not_asked = Note::new(Reason::Reading, "not asked for");
        let site = match (&status.eni, pod) {
            (None, Some(pod)) if !claim.deleting => self.site(claim, pod, now),
            _ => Err(not_asked.clone()),
        };
        let slot = match (&status.binding, &status.attachment) {
            (Some(_), Some(attachment)) if attachment.id.is_some() => Err(not_asked),
            (Some(binding), _) if !claim.deleting => self.slot(claim, &binding.instance),
            (Some(_) | None, _) => Err(not_asked),
        };
        Seen {
            cluster,
            pod: pod.is_some(),
            site,
            slot,
            instance: self.instance_state(status.binding.as_ref().map(|b| &b.instance)),
            eni,
            subnet,
            setback: self.setbacks.get(&claim.key).cloned(),
        }
    }

    /// An instance that EC2 does not show is dead only once nothing else vouches for it.
    fn instance_state(&self, id: Option<&InstanceId>) -> InstanceState {
        match id.and_then(|id| self.instances.get(id)) {
            Some((Some(instance), _)) => instance.state,
            Some((None, _)) if !self.nodes.values().any(|n| n.instance.as_ref().ok() == id) => {
                InstanceState::Dead
            }
            Some((None, _)) | None => InstanceState::Alive,
        }
    }

    /// Where the claim's ENI can be made, or what stands in the way.
    fn site(&self, claim: &Claim, pod: &Pod, now: Time) -> Result<Site, Note> {
        let class = self.classes.get(&claim.class);
        admit(pod, class, self.namespaces.get(&pod.key.namespace))?;
        let (Some(name), Some(class)) = (&pod.node, class) else {
            return Err(self.not_scheduled(pod));
        };
        let Some(node) = self.nodes.get(name) else {
            return Err(Note::new(
                Reason::Reading,
                format!("node {name} is not known yet"),
            ));
        };
        let (instance, facts) = self.support(node)?;
        let subnet = subnet::choose(
            class,
            &instance.zone,
            &instance.vpc,
            &self.subnets,
            &self.blocked,
            now,
        )?;
        self.room(claim, name, &instance.id, facts)?;
        Ok(Site {
            node: name.clone(),
            node_uid: node.uid.clone(),
            instance: instance.id.clone(),
            interface: class.interface.clone(),
            shape: Shape {
                subnet: subnet.id.clone(),
                groups: class.groups.clone(),
                tags: class.tags.clone(),
            },
        })
    }

    fn not_scheduled(&self, pod: &Pod) -> Note {
        let class = &pod.class;
        let serving = self
            .nodes
            .values()
            .filter(|node| node.classes.contains(class))
            .count();
        let why = if serving == 0 {
            self.why_no_node(class)
        } else {
            String::new()
        };
        let message = format!(
            "the ENI is made once the pod has a node; class {class} can work on {serving} of {} nodes{why}",
            self.nodes.len()
        );
        Note::new(Reason::NotScheduled, message)
    }

    /// What stands in the way on the first node that cannot serve the class.
    fn why_no_node(&self, name: &ClassName) -> String {
        let obstacle = |node: &Node| match (self.support(node), self.classes.get(name)) {
            (Err(note), _) => Some(note.message),
            (Ok(_), None) => None,
            (Ok((instance, _)), Some(class)) => {
                let choice = subnet::choose(
                    class,
                    &instance.zone,
                    &instance.vpc,
                    &self.subnets,
                    &BTreeMap::new(),
                    Time(0),
                );
                choice.err().map(|note| note.message)
            }
        };
        let agent = || "no eniclaim agent has reported from a node that could".to_owned();
        format!(
            ": {}",
            self.nodes.values().find_map(obstacle).unwrap_or_else(agent)
        )
    }

    /// Whether the node has a slot that nobody has or was promised.
    fn room(
        &self,
        claim: &Claim,
        name: &NodeName,
        instance: &InstanceId,
        facts: &TypeFacts,
    ) -> Result<(), Note> {
        let taken = self.taken(claim, instance);
        let free: usize = facts
            .cards
            .iter()
            .map(|(card, limit)| {
                usize::try_from(*limit)
                    .unwrap_or(0)
                    .saturating_sub(taken.iter().filter(|s| s.card == *card).count())
            })
            .sum();
        let promised = self
            .claims_at(name, instance)
            .filter(|c| c.key != claim.key && self.intended(c).attachment.is_none())
            .count();
        if free > promised {
            Ok(())
        } else {
            Err(self.full(instance, facts))
        }
    }

    /// The slot that the claim has if that is still free, else one that is.
    fn slot(&self, claim: &Claim, instance: &InstanceId) -> Result<Slot, Note> {
        let facts = match self.instances.get(instance) {
            Some((Some(known), _)) => self
                .types
                .get(&known.kind)
                .and_then(|(facts, _)| facts.as_ref()),
            Some((None, _)) | None => None,
        };
        let Some(facts) = facts else {
            return Err(Note::new(
                Reason::Reading,
                format!("{instance} is being read from EC2"),
            ));
        };
        let taken = self.taken(claim, instance);
        let own = claim
            .status
            .attachment
            .as_ref()
            .filter(|a| a.instance == *instance)
            .map(|a| a.slot);
        match own {
            Some(slot) if exists(facts, slot) && !taken.contains(&slot) => Ok(slot),
            Some(_) | None => place(facts, &taken).ok_or_else(|| self.full(instance, facts)),
        }
    }

    fn full(&self, instance: &InstanceId, facts: &TypeFacts) -> Note {
        let limit: u32 = facts.cards.iter().map(|(_, limit)| limit).sum();
        let kind = self
            .instances
            .get(instance)
            .and_then(|(i, _)| i.as_ref())
            .map_or_else(String::new, |i| format!(" ({})", i.kind));
        Note::new(
            Reason::NodeFull,
            format!(
                "{instance}{kind} holds no more than {limit} ENIs and all are taken; remove a pod with an ENI from the node, or ask for eniclaim.io/eni so that the scheduler counts"
            ),
        )
    }

    /// Slots of an instance that this claim cannot have: those of others and those of other claims.
    fn taken(&self, claim: &Claim, instance: &InstanceId) -> BTreeSet<Slot> {
        let name = claim
            .status
            .node
            .clone()
            .or_else(|| self.pod_of(claim).and_then(|pod| pod.node.clone()))
            .unwrap_or_default();
        let others = self
            .claims_at(&name, instance)
            .filter(|c| c.key != claim.key);
        let ours = others.filter_map(|c| {
            self.intended(c)
                .attachment
                .as_ref()
                .filter(|a| a.instance == *instance)
                .map(|a| a.slot)
        });
        ours.chain(self.foreign(instance).map(|attached| attached.slot))
            .collect()
    }
}

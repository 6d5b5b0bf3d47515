//! What is seen of a claim: where its ENI shall be, what stands in the way, and what all that rests on.

use std::collections::BTreeSet;

use api::{IpFamily, SmolStr, Time, id::NodeName, time::MINUTE};

use super::{
    Fleet,
    index::Dependency,
    pods::classes,
    watched::{MIRROR_RETURNS, PodProof},
};
use crate::{
    claim::Claim,
    cluster::Cluster,
    goal::{Goal, PodSeen, Site, goal},
    order::Target,
    reason::{Note, Reason},
    seen::{Backoff, EniSeen, LateAttach, Seen, SubnetSeen},
    step::{ATTACH_SHOWS, incarnation},
};

/// How long a direct read of a pod without our label counts.
const POD_READ: i64 = MINUTE;

impl Fleet {
    pub(super) fn goal(&mut self, claim: &Claim, now: Time) -> Goal {
        let pod = self.pod_seen(claim, now);
        let node = match pod {
            PodSeen::Alive(pod) => pod.node.as_ref().and_then(|n| self.watched.nodes.get(n)),
            PodSeen::Unlabelled
            | PodSeen::Mirrorless
            | PodSeen::Ended
            | PodSeen::Unseen
            | PodSeen::NoUser => None,
        };
        let goal = goal(claim, pod, node);
        if let Some(user) = claim.user()
            && let Some(again) = match self.watched.proofs.get(&user.uid) {
                Some(PodProof::Alive(at)) => Some(at.after(POD_READ)),
                Some(PodProof::Mirrorless(since)) => Some(since.after(MIRROR_RETURNS)),
                Some(PodProof::Ended) | None => None,
            }
        {
            // Once it is over, the pod is read again.
            if again > now {
                self.work.agenda.at(Target::Claim(claim.key.clone()), again);
            }
        }
        self.explain(claim, goal)
    }

    /// Why a pod has no node is worth a sentence of its own.
    fn explain(&self, claim: &Claim, goal: Goal) -> Goal {
        match goal {
            Goal::Held(note) if note.reason == Reason::NotScheduled => {
                Goal::Held(self.not_scheduled(&claim.class))
            }
            Goal::On(site) if claim.is_kept() && !claim.is_plugged() => {
                match self.interface_known(claim) {
                    Ok(()) => Goal::On(site),
                    Err(note) => Goal::Held(note),
                }
            }
            Goal::Held(_)
            | Goal::Gone
            | Goal::On(_)
            | Goal::Kept
            | Goal::Unclear
            | Goal::Unserved(_) => goal,
        }
    }

    /// An ENI that is there already goes to no pod before it is known what the interface shall look like.
    fn interface_known(&self, claim: &Claim) -> Result<(), Note> {
        match self.watched.classes.get(&claim.class) {
            Some(class) => self.services_known(class),
            None if claim.status.interface.is_some() => Ok(()),
            None => Err(Note::new(
                Reason::ClassNotFound,
                format!("there is no EniClass {}; create it again", claim.class),
            )),
        }
    }

    /// The pod that the ENI is for. One that is kept leaves a pod that has ended before it is another one's.
    fn pod_seen(&self, claim: &Claim, now: Time) -> PodSeen<'_> {
        let seen = self.user_seen(claim, now);
        let is_free = matches!(seen, PodSeen::Ended | PodSeen::NoUser);
        if !claim.is_kept() || !is_free || claim.status.attachment.is_some() {
            return seen;
        }
        // Of a status that was lost the pods and EC2 still know.
        if let Some(holder) = self.holder(claim) {
            return PodSeen::Alive(holder);
        }
        if claim.deleting {
            return seen;
        }
        self.next_user(claim).map_or(seen, PodSeen::Alive)
    }

    fn user_seen(&self, claim: &Claim, now: Time) -> PodSeen<'_> {
        let (Some(key), Some(user)) = (claim.pod_key(), claim.user()) else {
            return PodSeen::NoUser;
        };
        match self.watched.pods.get(&key) {
            Some(pod) if pod.uid == user.uid && pod.terminal => PodSeen::Ended,
            Some(pod) if pod.uid == user.uid => PodSeen::Alive(pod),
            // Its name belongs to another pod: this one is gone.
            Some(_) => PodSeen::Ended,
            None => match self.watched.proofs.get(&user.uid) {
                Some(PodProof::Ended) => PodSeen::Ended,
                Some(PodProof::Alive(at)) if now.since(*at) < POD_READ => PodSeen::Unlabelled,
                Some(PodProof::Mirrorless(since)) if now.since(*since) < MIRROR_RETURNS => {
                    PodSeen::Mirrorless
                }
                Some(PodProof::Alive(_) | PodProof::Mirrorless(_)) | None => PodSeen::Unseen,
            },
        }
    }

    pub(super) fn seen(&self, claim: &Claim, goal: &Goal, cluster: Cluster, now: Time) -> Seen {
        let site = match goal {
            Goal::On(site) => Some(site),
            Goal::Kept | Goal::Held(_) | Goal::Gone | Goal::Unclear | Goal::Unserved(_) => None,
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
            None if *goal == Goal::Kept && claim.status.eni.is_none() => {
                self.shape_of_kept(claim, now)
            }
            Some(_) | None => Err(not_asked()),
        };
        let slot = match site {
            Some(site)
                if !attached || attachment.is_some_and(api::claim::Attachment::is_released) =>
            {
                self.slot(claim, site, now)
            }
            Some(_) | None => Err(not_asked()),
        };
        let detaching = claim
            .status
            .eni
            .as_ref()
            .and_then(|eni| self.cloud.enis.get(&eni.id)?.detaching);
        let class = self.watched.classes.get(&claim.class);
        Seen {
            cluster,
            groups: self.groups_seen(claim, &eni),
            interface: class.and_then(|class| self.interface(claim, class)),
            preferred: class.map_or(IpFamily::IPv4, |class| class.addresses.preferred()),
            source_dest_check: class.map(|c| c.source_dest_check),
            net_admin: self.net_admin(claim),
            shape,
            zone: site.and_then(|site| self.zone(site)),
            slot,
            host: self.host(claim, &subnet, now),
            attached_to: self.attached_to(&eni),
            subnet,
            eni,
            other,
            sends: self.sends(&claim.key, incarnation(claim)),
            late_attach: self.late_attach(claim, now),
            search: self.cloud.search(&claim.uid),
            backoff: self.backoff(claim),
            detached: self.work.detached.get(&claim.key).copied(),
            detaching,
        }
    }

    fn net_admin(&self, claim: &Claim) -> Option<SmolStr> {
        match (self.pod_of(claim), &claim.status.binding) {
            (Some(pod), _) => pod.net_admin.clone(),
            (None, binding) => binding.as_ref().and_then(|b| b.net_admin.clone()),
        }
    }

    fn attached_to(&self, eni: &EniSeen) -> Option<NodeName> {
        let instance = &eni.view()?.attachment.as_ref()?.instance;
        self.index.node_of.get(instance).cloned()
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

    /// The last refusal; after a restart the status says which it was.
    fn backoff(&self, claim: &Claim) -> Option<Backoff> {
        let target = Target::Claim(claim.key.clone());
        if let Some(backoff) = self.work.backoffs.get(&target) {
            return Some(backoff.clone());
        }
        Backoff::remembered(&claim.status, self.work.leads_since)
    }

    fn late_attach(&self, claim: &Claim, now: Time) -> LateAttach {
        let given_up = self.work.given_up.get(&claim.key);
        if given_up.is_some_and(|at| now.since(*at) < ATTACH_SHOWS) {
            LateAttach::Possible
        } else {
            LateAttach::Excluded
        }
    }

    /// What the decision about a claim rests on.
    pub(super) fn rests_on(&self, claim: &Claim, goal: &Goal, seen: &Seen) -> BTreeSet<Dependency> {
        let mut on = BTreeSet::new();
        let status = &claim.status;
        if let Some(attachment) = &status.attachment {
            on.insert(Dependency::Instance(attachment.instance_id.clone()));
        }
        let pod_node = self.pod_of(claim).and_then(|pod| pod.node.clone());
        on.extend(pod_node.map(Dependency::Node));
        if claim.is_plugged() {
            return on;
        }
        on.insert(Dependency::Class(claim.class.clone()));
        // Whether its pods may use it is asked anew for each.
        if claim.is_kept() && status.attachment.is_none() {
            on.insert(Dependency::Namespace(claim.key.namespace.clone()));
        }
        if let Goal::On(site) = goal {
            on.insert(Dependency::Node(site.node.clone()));
            on.insert(Dependency::Instance(site.instance.clone()));
            if seen.slot.is_err() || seen.shape.is_err() {
                on.insert(Dependency::Slot(site.instance.clone()));
            }
        }
        if status.eni.is_none() {
            on.insert(Dependency::Namespace(claim.key.namespace.clone()));
            let class = self.watched.classes.get(&claim.class);
            let named = class.into_iter().flat_map(|c| &c.subnets.ids);
            let resolved = self.watched.resolved.get(&claim.class);
            let found = resolved.into_iter().flat_map(|r| &r.subnets);
            on.extend(named.chain(found).cloned().map(Dependency::Subnet));
            // It is made only if its pod may have all of them.
            let pod = self.pod_of(claim);
            let classes = pod.into_iter().flat_map(classes);
            on.extend(classes.cloned().map(Dependency::Class));
        }
        if let Some(eni) = &status.eni
            && !matches!(seen.subnet, SubnetSeen::Known(_))
        {
            on.insert(Dependency::Subnet(eni.subnet_id.clone()));
        }
        on
    }
}

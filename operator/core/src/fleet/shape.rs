//! What the next Create request of a claim would be, or what stands in the way.

use std::collections::BTreeSet;

use api::{Time, time::SECOND};

use super::{Fleet, pods::classes};
use crate::{
    admit::admit_claim,
    claim::Claim,
    cluster::Class,
    ec2::Subnet,
    goal::Site,
    reason::{Note, Reason},
    request::Shape,
    resolve::Resolved,
};

/// A read of an instance says whether it lives for this long.
const FRESH: i64 = 10 * SECOND;

impl Fleet {
    /// An ENI mostly vanishes with its instance: that is read anew before another one is made for it.
    pub(super) fn may_have_ended(&self, claim: &Claim, site: &Site, now: Time) -> bool {
        let is_fresh = |read: Time| now.since(read) < FRESH;
        let record = self.cloud.instances.get(&site.instance);
        claim.status.eni.is_some() && !record.is_some_and(|record| is_fresh(record.read))
    }

    /// What its next Create request would be, or what stands in the way.
    pub(super) fn shape(&self, claim: &Claim, site: &Site, now: Time) -> Result<Shape, Note> {
        let class = self.watched.classes.get(&claim.class);
        if let Some(pod) = self.pod_of(claim) {
            self.admit(pod, classes(pod).chain([&claim.class]))?;
        }
        let Some(class) = class else {
            return Err(Note::new(
                Reason::ClassNotFound,
                format!("there is no EniClass {}; create it again", claim.class),
            ));
        };
        self.services_known(class)?;
        let (instance, facts) = self.support(&site.node, &site.instance)?;
        let Some(vpc) = &instance.vpc else {
            return Err(Note::new(
                Reason::NodeUnsupported,
                format!("{} is terminated", instance.id),
            ));
        };
        let Some(resolved) = self.watched.resolved.get(&class.name) else {
            return Err(Note::new(
                Reason::Reading,
                format!("class {} is being read", class.name),
            ));
        };
        let subnets = &self.cloud.subnets;
        let subnet = crate::subnet::choose(class, resolved, &instance.zone, vpc, subnets, now)?;
        let shape = shaped(class, resolved, subnet)?;
        self.room(claim, instance, facts)?;
        // Last: what stands in the way of another ENI also stands there while the instance is being read, again and again.
        if self.may_have_ended(claim, site, now) {
            return Err(Note::new(
                Reason::Reading,
                format!("{} is being read from EC2 once more", site.instance),
            ));
        }
        Ok(shape)
    }

    /// The same before any pod uses the claim: where the class leaves one zone, it is that of every pod.
    pub(super) fn shape_of_kept(&self, claim: &Claim, now: Time) -> Result<Shape, Note> {
        let class = self.watched.classes.get(&claim.class);
        let namespace = self.watched.namespaces.get(&claim.key.namespace);
        let class = admit_claim(&claim.key, &claim.class, class, namespace)?;
        let Some(resolved) = self.watched.resolved.get(&class.name) else {
            return Err(Note::new(
                Reason::Reading,
                format!("class {} is being read", class.name),
            ));
        };
        if let Some(note) = resolved.subnets_state.trouble() {
            return Err(note.clone());
        }
        let subnets = &self.cloud.subnets;
        let known = resolved
            .subnets
            .iter()
            .map(|id| subnets.get(id)?.subnet.as_ref());
        let known: Option<Vec<_>> = known.collect();
        let places: BTreeSet<_> = known
            .iter()
            .flatten()
            .map(|subnet| (&subnet.zone, &subnet.vpc))
            .collect();
        let mut places = places.into_iter();
        match (places.next(), places.next()) {
            (Some((zone, vpc)), None) => {
                let subnet = crate::subnet::choose(class, resolved, zone, vpc, subnets, now)?;
                shaped(class, resolved, subnet)
            }
            (Some(_), Some(_)) => Err(Note::new(
                Reason::WaitingForPod,
                format!(
                    "class {} has subnets in several zones; the ENI is made in that of the first pod with the annotation {}={name}, or of the name {name} with {}",
                    class.name,
                    api::name::CLAIM,
                    api::name::PERSISTENT,
                    name = claim.key.name
                ),
            )),
            (None, _) => Err(Note::new(
                Reason::Reading,
                format!("the subnets of class {} are being read", class.name),
            )),
        }
    }
}

/// What an ENI of the class is made like in this subnet.
fn shaped(class: &Class, resolved: &Resolved, subnet: &Subnet) -> Result<Shape, Note> {
    Ok(Shape {
        subnet: subnet.id.clone(),
        counts: class.addresses.counts(subnet),
        groups: resolved.groups_of_next(class)?,
        connection_tracking: class.connection_tracking,
        tags: class.tags.clone(),
    })
}

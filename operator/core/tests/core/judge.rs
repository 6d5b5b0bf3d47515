//! The invariants, judged at every call that changes anything.

use std::collections::BTreeMap;

use api::{
    id::{EniId, SecurityGroupId},
    tag,
};
use operator_core::{
    MINUTE,
    claim::{Claim, DeviceState},
    cluster::NodeHealth,
    order::{ClaimRef, Ec2Order, Effect, StatusWrite},
};
use vpc::InstanceState;

use super::world::World;

impl World {
    /// Judges a change of EC2 by what is so at the moment at which EC2 gets it.
    pub fn judge(&self, order: &Ec2Order) {
        if let Some(eni) = order.effect.eni()
            && let Some(there) = self.vpc.eni(&eni.as_str().into())
        {
            let cluster = there.tags.get(tag::CLUSTER).map(String::as_str);
            assert_eq!(cluster, Some("c1"), "not-ours: {order:?}");
        }
        match &order.effect {
            Effect::Create(_)
            | Effect::SetSourceDestCheck { .. }
            | Effect::SetDeleteOnTermination { .. } => {}
            Effect::SetSecurityGroups { eni, groups } => self.judge_groups(eni, groups, order),
            Effect::Attach { eni, instance, .. } => {
                // An ENI that is gone cannot be attached anywhere, and none to an instance that ended: there the other one of two
                // leaders may still try.
                let ended = self.is_after_overlap() && self.is_dead(&instance.as_str().into());
                if ended || self.vpc.eni(&eni.as_str().into()).is_none() {
                    return;
                }
                let claim = self.named_by(eni);
                let bound = claim.and_then(|c| c.status.binding.as_ref());
                assert_eq!(
                    bound.map(|b| &b.instance_id),
                    Some(instance),
                    "right-node: {order:?} {claim:?}"
                );
            }
            Effect::Detach {
                eni, attachment, ..
            } => {
                let Some(on) = self
                    .vpc
                    .eni(&eni.as_str().into())
                    .and_then(vpc::Eni::attachment)
                    .filter(|on| on.id.as_str() == attachment.as_str())
                else {
                    return;
                };
                if self.is_dead(&on.instance) {
                    return;
                }
                assert!(
                    self.agents.released.contains(attachment),
                    "no-pull: {order:?} {:?}",
                    self.named_by(eni)
                );
                assert!(
                    !self.agents.plugged.contains_key(eni),
                    "no-pull: {eni} is in a pod"
                );
            }
            Effect::Delete { eni } => self.judge_delete(eni, order),
        }
    }

    /// Intent before effect: the claim says first that its groups are to be set.
    fn judge_groups(&self, eni: &EniId, groups: &[SecurityGroupId], order: &Ec2Order) {
        assert!(!groups.is_empty(), "no groups: {order:?}");
        let claim = self.named_by(eni);
        let intent = claim.and_then(|claim| claim.status.security_groups.as_ref());
        assert!(claim.is_none() || intent.is_some(), "no intent: {order:?}");
    }

    fn judge_delete(&self, eni: &EniId, order: &Ec2Order) {
        let Some(there) = self.vpc.eni(&eni.as_str().into()) else {
            return;
        };
        let is_kept =
            there.tags.contains_key(tag::PERSISTENT) || there.tags.contains_key(tag::RETAINED);
        let uid = there.tags.get(tag::CLAIM_UID).map(String::as_str);
        let mut claims = self.store.claims.values();
        let maker = claims.find(|claim| Some(claim.uid.as_str()) == uid);
        assert!(
            !is_kept || maker.is_some(),
            "kept: {order:?} although its claim is lost"
        );
        let Some(claim) = self.named_by(eni) else {
            return;
        };
        assert!(
            claim.deleting || !claim.is_kept(),
            "kept: {order:?} although {} was made by hand",
            claim.key
        );
        let moves = claim.status.binding.as_ref().is_some_and(|b| {
            let instance = self.vpc.instance(&b.instance_id.as_str().into());
            instance.is_some_and(|i| super::ec2::zone_of(i.subnet.as_str()) != there.zone)
        });
        assert!(
            claim.deleting || moves,
            "kept: {order:?} although {} lives",
            claim.key
        );
    }

    /// Whether nothing on the instance can use a device any more, or a person says so.
    fn is_dead(&self, id: &vpc::InstanceId) -> bool {
        let vouched = self.store.nodes.values().any(|node| {
            node.instance
                .as_ref()
                .is_ok_and(|i| i.as_str() == id.as_str())
                && node.health == NodeHealth::OutOfService
        });
        let ends = self.vpc.instance(id).is_none_or(|i| {
            matches!(
                i.state,
                InstanceState::Stopped
                    | InstanceState::ShuttingDown { .. }
                    | InstanceState::Terminated { .. }
            )
        });
        vouched || ends
    }

    fn named_by(&self, eni: &EniId) -> Option<&Claim> {
        let claims = self.store.claims.values();
        let mut named = claims.filter(|c| c.status.eni.as_ref().is_some_and(|e| e.id == *eni));
        named.next()
    }

    /// What must hold of EC2 after every change.
    pub fn judge_after(&mut self) {
        let mut made: BTreeMap<&String, u32> = BTreeMap::new();
        for eni in self.vpc.enis() {
            let cluster = eni.tags.get(tag::CLUSTER).map(String::as_str);
            if let (Some(claim), Some("c1")) = (eni.tags.get(tag::CLAIM_UID), cluster)
                && !eni.tags.contains_key("planted")
            {
                *made.entry(claim).or_default() += 1;
            }
        }
        assert!(
            made.values().all(|n| *n <= 1),
            "one-eni: {made:?}\n{}",
            self.picture()
        );
        assert_eq!(self.vpc.violations(), []);
    }

    /// Whether two processes lead, or did so a moment ago.
    fn is_after_overlap(&self) -> bool {
        self.now < self.overlap.after(MINUTE)
    }

    /// No two claims name one ENI.
    pub fn judge_status(&self, write: &StatusWrite) {
        let Some(eni) = write.status.eni.as_ref() else {
            return;
        };
        let owner = self.named_by(&eni.id);
        assert!(
            owner.is_none_or(|c| c.key == write.claim.key),
            "one-owner: {} for {}",
            eni.id,
            write.claim.key
        );
    }

    /// The finalizer goes last.
    pub fn judge_letting_go(&self, at: &ClaimRef) {
        let Some(claim) = self.store.claims.get(&at.key) else {
            return;
        };
        if claim.uid != at.uid || claim.version != at.version || claim.force_forget.is_some() {
            return;
        }
        let left = self.vpc.enis().find(|eni| {
            eni.tags.get(tag::CLAIM_UID).map(String::as_str) == Some(claim.uid.as_str())
                && eni.tags.get(tag::CLUSTER).map(String::as_str) == Some("c1")
        });
        assert_eq!(left, None, "no-leak: {} lets go", claim.key);
        assert!(
            !self.is_used(claim),
            "in use: {} lets go while its pod lives",
            claim.key
        );
    }

    /// Whether the pod of the claim lives and no other claim could serve it.
    fn is_used(&self, claim: &Claim) -> bool {
        let Some(owner) = &claim.owner else {
            return claim.device_state() == Some(DeviceState::Plugged);
        };
        let interface = claim.interface.as_ref();
        let name = operator_core::token::claim_name(&owner.name, &owner.uid, interface);
        let named = name == claim.key.name;
        let pod = claim.pod_key().and_then(|key| self.store.pods.get(&key));
        named && pod.is_some_and(|pod| pod.uid == owner.uid && !pod.terminal)
    }
}

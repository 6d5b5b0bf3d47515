//! The Create request of a claim: frozen before EC2 hears of it, complete enough to be repeated word for word.

use std::collections::BTreeMap;

use api::{
    ConnectionTracking, SmolStr, Time, ToSmolStr,
    claim::{CreateRequest, Creation, RequestedCounts},
    id::{SecurityGroupId, SubnetId},
    tag,
};

use crate::{claim::Claim, cluster::Cluster, token::client_token};

/// Characters that EC2 takes as the description of an ENI.
const DESCRIPTION: usize = 255;

/// What a class says of an ENI, with the subnet chosen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Where it is made.
    pub subnet: SubnetId,
    /// How many addresses and prefixes it gets.
    pub counts: RequestedCounts,
    /// The groups it gets.
    pub groups: Vec<SecurityGroupId>,
    /// Idle time-outs of its tracked connections.
    pub connection_tracking: ConnectionTracking,
    /// The class's own tags.
    pub tags: BTreeMap<String, String>,
}

impl Shape {
    /// The claim's n-th request.
    pub fn freeze(
        &self,
        claim: &Claim,
        cluster: &Cluster,
        incarnation: u32,
        now: Time,
    ) -> Creation {
        let started_at = now.whole_second();
        let of_class = self.tags.iter();
        let mut tags: BTreeMap<SmolStr, SmolStr> = of_class
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        tags.extend(
            [
                (tag::CLUSTER, cluster.id.clone()),
                (tag::CLUSTER_UID, cluster.uid.clone()),
                (tag::CLAIM_UID, claim.uid.to_smolstr()),
                (tag::CLAIM, claim.key.to_smolstr()),
                (tag::CLASS, claim.class.to_smolstr()),
                (tag::CREATED_AT, started_at.to_smolstr()),
                (tag::INCARNATION, incarnation.to_smolstr()),
                (tag::NO_MANAGE, "true".into()),
                (tag::NAME, claim.key.to_smolstr()),
            ]
            .map(|(key, value)| (key.into(), value)),
        );
        if claim.is_kept() {
            tags.insert(tag::PERSISTENT.into(), "true".into());
        }
        Creation {
            incarnation,
            token: client_token(&claim.uid, incarnation).into(),
            request: CreateRequest {
                subnet_id: self.subnet.clone(),
                security_group_ids: self.groups.clone(),
                counts: self.counts,
                description: format!("eniclaim {} in cluster {}", claim.key, cluster.id)
                    .chars()
                    .take(DESCRIPTION)
                    .collect(),
                connection_tracking: self.connection_tracking,
                tags: tags.into(),
            },
            started_at,
            answer: None,
        }
    }

    /// Whether that request asked for the same.
    pub fn is_asked_by(&self, creation: &Creation, claim: &Claim, cluster: &Cluster) -> bool {
        self.freeze(claim, cluster, creation.incarnation, creation.started_at)
            .request
            == creation.request
    }
}

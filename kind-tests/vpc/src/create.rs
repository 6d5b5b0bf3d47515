//! How interfaces come and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde::{Deserialize, Serialize};

use crate::{
    ConnectionTracking, Counts, Create, Ec2Error, Eni, EniId, EniState, GroupId, Mac, Subnet,
    SubnetId, Vpc, world,
};

/// Security groups that one interface takes unless a test says otherwise.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
const MAX_GROUPS: usize = 5;
/// Tags that one resource takes. <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html>
const MAX_TAGS: usize = 50;
/// Characters of a tag, from the same page.
const MAX_TAG_KEY: usize = 128;
const MAX_TAG_VALUE: usize = 256;

/// A request that was granted under a `ClientToken`, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Granted {
    request: Create,
    answer: Eni,
}

impl Vpc {
    /// A token that was seen is answered as it was then, even if the interface is gone since (unverified).
    /// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>
    pub(crate) fn create(&mut self, request: Create, now_ms: u64) -> Result<Eni, Ec2Error> {
        let Some(token) = request.client_token.clone() else {
            return self.create_anew(&request, now_ms);
        };
        if let Some(granted) = self.tokens.get(&token) {
            let same = granted.request == request;
            return if same {
                Ok(granted.answer.clone())
            } else {
                Err(Ec2Error::IdempotentMismatch)
            };
        }
        let answer = self.create_anew(&request, now_ms)?;
        self.tokens.insert(
            token,
            Granted {
                request,
                answer: answer.clone(),
            },
        );
        Ok(answer)
    }

    fn create_anew(&mut self, request: &Create, now_ms: u64) -> Result<Eni, Ec2Error> {
        let Create {
            subnet,
            address,
            counts,
            groups,
            description,
            connection_tracking,
            tags,
            client_token: _,
        } = request;
        check_tags(tags)?;
        connection_tracking.check()?;
        let due_ms = now_ms.saturating_add(self.delays.create_ms);
        let place = (*address, *counts);
        let mut eni = self.new_eni(subnet, place, groups, EniState::Pending { due_ms })?;
        eni.description.clone_from(description);
        eni.connection_tracking = *connection_tracking;
        eni.tags.clone_from(tags);
        self.remember_eni(&eni.id, now_ms);
        self.enis.insert(eni.id.clone(), eni.clone());
        Ok(eni)
    }

    /// A checked interface that is not yet part of the world.
    pub(crate) fn new_eni(
        &mut self,
        subnet: &SubnetId,
        (address, counts): (Option<Ipv4Addr>, Counts),
        groups: &BTreeSet<GroupId>,
        state: EniState,
    ) -> Result<Eni, Ec2Error> {
        let subnet = self
            .subnets
            .get(subnet)
            .ok_or_else(|| Ec2Error::SubnetNotFound(subnet.clone()))?
            .clone();
        let groups = self.check_groups(groups, &subnet).map_err(as_create_says)?;
        if self
            .settings
            .eni_limit
            .is_some_and(|limit| self.enis.len() >= limit)
        {
            return Err(Ec2Error::EniLimit);
        }
        let (address, others) = self.assign(&subnet, address, counts)?;
        let n = self.count();
        let Subnet {
            id,
            vpc,
            zone,
            cidr: _,
            ipv6: _,
            assigns_ipv6: _,
            tags: _,
        } = subnet;
        Ok(Eni {
            id: EniId::from(format!("eni-{n:017x}")),
            vpc,
            subnet: id,
            zone,
            mac: Mac::nth(n),
            address,
            others,
            groups,
            description: String::new(),
            tags: BTreeMap::new(),
            source_dest_check: true,
            connection_tracking: ConnectionTracking::default(),
            state,
        })
    }

    /// The groups that an interface of `subnet` gets when it asks for `groups`.
    pub(crate) fn check_groups(
        &self,
        groups: &BTreeSet<GroupId>,
        subnet: &Subnet,
    ) -> Result<BTreeSet<GroupId>, Ec2Error> {
        if groups.is_empty() {
            let default = self
                .groups
                .values()
                .find(|group| group.vpc == subnet.vpc && group.name == world::DEFAULT);
            return Ok(default.map(|group| group.id.clone()).into_iter().collect());
        }
        let limit = self.settings.group_limit.unwrap_or(MAX_GROUPS);
        if groups.len() > limit {
            return Err(Ec2Error::TooManyGroups(limit));
        }
        for id in groups {
            let group = self
                .groups
                .get(id)
                .ok_or_else(|| Ec2Error::GroupNotFound(id.clone()))?;
            if group.vpc != subnet.vpc {
                return Err(Ec2Error::GroupOfOtherVpc);
            }
        }
        Ok(groups.clone())
    }

    /// Deletes a pending or available interface. (That a pending one may be deleted is unverified.)
    pub(crate) fn delete(&mut self, id: &EniId) -> Result<(), Ec2Error> {
        let eni = self
            .eni(id)
            .ok_or_else(|| Ec2Error::EniNotFound(id.clone()))?;
        match eni.state {
            EniState::InUse(_) => return Err(Ec2Error::EniStillInUse(id.clone())),
            EniState::Pending { .. } | EniState::Available => {}
        }
        self.enis.remove(id);
        Ok(())
    }
}

/// Create has other words than Modify for what is wrong with groups.
fn as_create_says(refusal: Ec2Error) -> Ec2Error {
    match refusal {
        Ec2Error::GroupNotFound(id) => Ec2Error::SecurityGroupNotFound(id),
        Ec2Error::TooManyGroups(limit) => Ec2Error::TooManyMemberships(limit),
        other => other,
    }
}

pub(crate) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Ec2Error> {
    if tags.len() > MAX_TAGS {
        return Err(Ec2Error::TooManyTags);
    }
    for (key, value) in tags {
        if key.is_empty() {
            return Err(Ec2Error::EmptyTagKey);
        }
        if key.starts_with("aws:") {
            return Err(Ec2Error::ReservedTag(key.clone()));
        }
        for (part, text, limit) in [("key", key, MAX_TAG_KEY), ("value", value, MAX_TAG_VALUE)] {
            if text.chars().count() > limit {
                return Err(Ec2Error::TagTooLong { part, limit });
            }
        }
    }
    Ok(())
}

//! Request token buckets: how many calls of each action EC2 takes.

use serde::{Deserialize, Serialize};

use crate::{Action, Ec2Error, Query, Request, Vpc};

/// A bucket counts in hundred-thousandths of a call, so that a percentage of a rate in calls a second is a whole number
/// of them in each millisecond.
const CALL: u64 = 100_000;
/// What one percent of one call is.
const PERCENT: u64 = CALL / 100;

/// The bucket of one action. EC2 counts reads without filters and pages apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Key {
    action: Action,
    /// Whether the call reads all there is in one answer.
    unbounded: bool,
}

/// What is left in a bucket, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Bucket {
    level: u64,
    at_ms: u64,
}

/// What one action may do.
struct Rate {
    burst: u64,
    per_second: u64,
}

impl Key {
    fn of(request: &Request) -> Self {
        let all = |query: &Query| {
            query.ids.is_empty() && query.filters.is_empty() && query.max_results.is_none()
        };
        let unbounded = match request {
            Request::DescribeNetworkInterfaces(query)
            | Request::DescribeInstances(query)
            | Request::DescribeInstanceTypes(query)
            | Request::DescribeSubnets(query)
            | Request::DescribeSecurityGroups(query) => all(query),
            Request::CreateNetworkInterface(_)
            | Request::DeleteNetworkInterface(_)
            | Request::AttachNetworkInterface(_)
            | Request::DetachNetworkInterface(_)
            | Request::ModifyNetworkInterfaceAttribute(..)
            | Request::CreateTags { .. }
            | Request::DeleteTags { .. } => false,
        };
        Self {
            action: request.action(),
            unbounded,
        }
    }

    /// The numbers of <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>.
    /// That a read by ids counts as a filtered one is unverified.
    fn rate(self) -> Rate {
        let (burst, per_second) = match self.action {
            Action::CreateNetworkInterface
            | Action::DeleteNetworkInterface
            | Action::ModifyNetworkInterfaceAttribute => (100, 5),
            Action::AttachNetworkInterface | Action::DetachNetworkInterface => (50, 5),
            Action::CreateTags | Action::DeleteTags => (100, 10),
            Action::DescribeNetworkInterfaces
            | Action::DescribeInstances
            | Action::DescribeInstanceTypes
            | Action::DescribeSubnets
            | Action::DescribeSecurityGroups => {
                if self.unbounded {
                    (50, 10)
                } else {
                    (100, 20)
                }
            }
        };
        Rate { burst, per_second }
    }
}

impl Vpc {
    /// Takes one call out of the bucket of `request`, or refuses it. A refused call takes nothing (unverified).
    pub(crate) fn throttle(&mut self, request: &Request, now_ms: u64) -> Result<(), Ec2Error> {
        let key = Key::of(request);
        let own = self.settings.action_rate_percent.get(&key.action).copied();
        let Some(percent) = own.or(self.settings.rate_percent).map(u64::from) else {
            return Ok(());
        };
        let Rate { burst, per_second } = key.rate();
        let full = burst * percent * PERCENT;
        let bucket = self.buckets.entry(key).or_insert(Bucket {
            level: full,
            at_ms: now_ms,
        });
        let passed = now_ms.saturating_sub(bucket.at_ms);
        let refill = passed.saturating_mul(per_second * percent);
        bucket.level = bucket.level.saturating_add(refill).min(full);
        bucket.at_ms = bucket.at_ms.max(now_ms);
        bucket.level = bucket
            .level
            .checked_sub(CALL)
            .ok_or(Ec2Error::RequestLimitExceeded)?;
        Ok(())
    }
}

/// The buckets as text: keys of more than one member cannot be those of an object.
pub(crate) mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Bucket, Key};

    pub(crate) fn serialize<S: Serializer>(
        buckets: &BTreeMap<Key, Bucket>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(buckets)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Key, Bucket>, D::Error> {
        let pairs = Vec::<(Key, Bucket)>::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}

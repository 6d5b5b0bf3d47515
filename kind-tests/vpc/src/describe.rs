//! Which resources a Describe call returns, and in which pages.

use crate::{
    Ec2Error, Eni, GroupId, InstanceId, InstanceView, SecurityGroup, SubnetId, SubnetView, Vpc,
};

/// Values that one filter takes.
const MAX_FILTER_VALUES: usize = 200;

/// What a Describe call asks for. All of it must hold of a resource that is returned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Query {
    /// Only these, and each of them must exist.
    pub ids: Vec<String>,
    /// Only what passes all of these.
    pub filters: Vec<Filter>,
    /// At most so many at once; all if absent.
    pub max_results: Option<usize>,
    /// Where the page before ended.
    pub next_token: Option<String>,
}

/// Passes what has one of `values`. EC2's wildcards are not played.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// EC2's name, such as `subnet-id` or `tag:<key>`.
    pub name: String,
    /// Any one of these.
    pub values: Vec<String>,
}

/// A resource as the Describe calls see it.
pub(crate) trait Described {
    /// The parameter that lists ids, by the name EC2 uses when it complains.
    const IDS: &'static str;
    /// The smallest `MaxResults`.
    const MIN_RESULTS: usize = 5;

    fn id(&self) -> &str;
    fn missing(id: &str) -> Ec2Error;
    /// The resource's values for a filter; `None` if there is no such filter.
    fn values(&self, filter: &str) -> Option<Vec<String>>;
}

impl Query {
    /// One page of `all`, which come in the order of their ids, and the token of the next page.
    pub(crate) fn select<T: Described>(
        &self,
        all: impl Iterator<Item = T>,
    ) -> Result<(Vec<T>, Option<String>), Ec2Error> {
        self.check::<T>()?;
        let all: Vec<T> = all.collect();
        if let Some(id) = self
            .ids
            .iter()
            .find(|id| !all.iter().any(|item| item.id() == *id))
        {
            return Err(T::missing(id));
        }
        let mut page = Vec::new();
        for item in all {
            let wanted = self.ids.is_empty() || self.ids.iter().any(|id| id == item.id());
            let later = self
                .next_token
                .as_deref()
                .is_none_or(|last| item.id() > last);
            if !(self.passes(&item)? && wanted && later) {
                continue;
            }
            if self.max_results == Some(page.len()) {
                let token = page.last().map(|last: &T| last.id().to_owned());
                return Ok((page, token));
            }
            page.push(item);
        }
        Ok((page, None))
    }

    fn check<T: Described>(&self) -> Result<(), Ec2Error> {
        if let Some(max) = self.max_results {
            if !self.ids.is_empty() {
                return Err(Ec2Error::MaxResultsWithIds(T::IDS));
            }
            if !(T::MIN_RESULTS..=1000).contains(&max) {
                return Err(Ec2Error::InvalidParameter {
                    name: "maxResults",
                    value: max.to_string(),
                });
            }
        }
        let big = self
            .filters
            .iter()
            .find(|filter| filter.values.len() > MAX_FILTER_VALUES);
        big.map_or(Ok(()), |filter| {
            Err(Ec2Error::TooManyFilterValues(filter.name.clone()))
        })
    }

    fn passes<T: Described>(&self, item: &T) -> Result<bool, Ec2Error> {
        for Filter { name, values } in &self.filters {
            let has = item
                .values(name)
                .ok_or_else(|| Ec2Error::UnknownFilter(name.clone()))?;
            if !has.iter().any(|value| values.contains(value)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Described for Eni {
    const IDS: &'static str = "interfaceSet";

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn missing(id: &str) -> Ec2Error {
        Ec2Error::EniNotFound(id.into())
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        let attachment = |value: &dyn Fn(&crate::Attachment) -> String| {
            self.attachment().map(value).into_iter().collect()
        };
        Some(match filter {
            "network-interface-id" => vec![self.id.to_string()],
            "vpc-id" => vec![self.vpc.to_string()],
            "subnet-id" => vec![self.subnet.to_string()],
            "availability-zone" => vec![self.zone.clone()],
            "mac-address" => vec![self.mac.to_string()],
            "private-ip-address" | "addresses.private-ip-address" => vec![self.address.to_string()],
            "group-id" => self.groups.iter().map(ToString::to_string).collect(),
            "status" => vec![self.status().to_owned()],
            "description" => vec![self.description.clone()],
            "tag-key" => self.tags.keys().cloned().collect(),
            "attachment.attachment-id" => attachment(&|a| a.id.to_string()),
            "attachment.instance-id" => attachment(&|a| a.instance.to_string()),
            "attachment.status" => attachment(&|a| a.state.status().to_owned()),
            "attachment.device-index" => attachment(&|a| a.device.to_string()),
            _ => self
                .tags
                .get(filter.strip_prefix("tag:")?)
                .cloned()
                .into_iter()
                .collect(),
        })
    }
}

impl Described for InstanceView {
    const IDS: &'static str = "instancesSet";

    fn id(&self) -> &str {
        self.instance.id.as_str()
    }

    fn missing(id: &str) -> Ec2Error {
        Ec2Error::InstanceNotFound(InstanceId::from(id))
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        Some(match filter {
            "instance-id" => vec![self.instance.id.to_string()],
            "instance-type" => vec![self.instance.kind.name.to_owned()],
            "instance-state-name" => vec![self.instance.state.name().to_owned()],
            "subnet-id" => vec![self.instance.subnet.to_string()],
            "tag:Name" => vec![self.instance.name.clone()],
            _ => return None,
        })
    }
}

impl Described for SubnetView {
    const IDS: &'static str = "subnetSet";

    fn id(&self) -> &str {
        self.subnet.id.as_str()
    }

    fn missing(id: &str) -> Ec2Error {
        Ec2Error::SubnetNotFound(SubnetId::from(id))
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        Some(match filter {
            "subnet-id" => vec![self.subnet.id.to_string()],
            "vpc-id" => vec![self.subnet.vpc.to_string()],
            "availability-zone" => vec![self.subnet.zone.clone()],
            "cidr-block" => vec![self.subnet.cidr.to_string()],
            _ => return None,
        })
    }
}

impl Described for SecurityGroup {
    const IDS: &'static str = "groupIdSet";

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn missing(id: &str) -> Ec2Error {
        Ec2Error::GroupNotFound(GroupId::from(id))
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        Some(match filter {
            "group-id" => vec![self.id.to_string()],
            "group-name" => vec![self.name.clone()],
            "vpc-id" => vec![self.vpc.to_string()],
            _ => return None,
        })
    }
}

impl Vpc {
    pub(crate) fn subnet_views(&self) -> impl Iterator<Item = SubnetView> {
        self.subnets.values().map(|subnet| SubnetView {
            free: self.free(subnet).count(),
            subnet: subnet.clone(),
        })
    }
}

//! The resources that Describe calls list, and what their filters compare.

use crate::{Action, Ec2Error, Filter, Tags};

mod group;
mod instance;
mod instance_type;
mod interface;
mod subnet;

/// Reads a resource's values for the filter of this name.
pub(crate) type Values<T> = fn(&T, &str) -> Vec<String>;

/// The value of the tag that a filter `tag:<key>` names.
fn tag(tags: &Tags, filter: &str) -> Vec<String> {
    let value = filter.strip_prefix("tag:").and_then(|key| tags.get(key));
    value.cloned().into_iter().collect()
}

/// A resource as the Describe calls see it.
pub(crate) trait Described: Sized {
    /// The action that lists it.
    const ACTION: Action;
    /// What EC2 calls the ids when it refuses them together with `MaxResults`, as it does for every action:
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Query-Requests.html#api-pagination>
    const IDS: &'static str;
    /// The greatest `MaxResults`.
    const MAX_RESULTS: usize = 1000;
    /// Whether it may have tags, and so filters by them.
    const TAGGED: bool = true;

    fn id(&self) -> &str;
    fn missing(id: &str) -> Ec2Error;
    /// How to read the values that a filter compares; `None` if this world does not know them.
    fn filter(name: &str) -> Option<Values<Self>>;

    /// [`Self::filter`] of a filter that EC2 has.
    fn known(filter: &Filter) -> Result<Values<Self>, Ec2Error> {
        let name = &filter.name;
        let by_tag = Self::TAGGED && name.starts_with("tag:");
        if !(by_tag || Self::ACTION.filters_by(name)) {
            return Err(Ec2Error::UnknownFilter(name.clone()));
        }
        let unmodelled = || Ec2Error::NotModelled(format!("the filter {name} of {}", Self::ACTION));
        Self::filter(name).ok_or_else(unmodelled)
    }
}

/// Values as filters compare them.
fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

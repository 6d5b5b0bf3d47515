//! Which resources a Describe call returns, and in which pages.

use crate::{
    Ec2Error,
    filters::{Described, Values},
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

impl Query {
    /// One page of `all`, which come in the order of their ids, and the token of the next page.
    pub(crate) fn select<T: Described>(
        &self,
        all: impl Iterator<Item = T>,
    ) -> Result<(Vec<T>, Option<String>), Ec2Error> {
        self.check::<T>()?;
        let filters: Vec<_> = self
            .filters
            .iter()
            .map(known::<T>)
            .collect::<Result<_, _>>()?;
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
            if !(wanted && later && passes(&filters, &item)) {
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
        Ok(())
    }
}

/// The filter and how to read its values off a resource. Looked up before any resource is looked at.
fn known<T: Described>(filter: &Filter) -> Result<(&Filter, Values<T>), Ec2Error> {
    let Filter { name, values } = filter;
    if values.len() > MAX_FILTER_VALUES {
        return Err(Ec2Error::TooManyFilterValues(name.clone()));
    }
    let values = T::filter(name).ok_or_else(|| Ec2Error::UnknownFilter(name.clone()))?;
    Ok((filter, values))
}

fn passes<T>(filters: &[(&Filter, Values<T>)], item: &T) -> bool {
    filters.iter().all(|(Filter { name, values }, read)| {
        read(item, name).iter().any(|value| values.contains(value))
    })
}

//! Which resources a Describe call returns, and in which pages.

use crate::{
    Ec2Error,
    filters::{Described, Values},
};
use token::Token;

mod pattern;
mod token;

/// Values that the filters of one call take, and characters of one value.
/// <https://github.com/apache/druid/pull/1954>, <https://github.com/ansible-collections/amazon.aws/issues/2393>
const MAX_FILTER_VALUES: usize = 200;
const MAX_FILTER_VALUE: usize = 255;

/// What a Describe call asks for. All of it must hold of a resource that is returned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Query {
    /// Only these, and each of them must exist.
    pub ids: Vec<String>,
    /// Only what passes all of these.
    pub filters: Vec<Filter>,
    /// At most so many at once; all if absent.
    pub max_results: Option<usize>,
    /// What the page before gave: the same call goes on where that page ended.
    pub next_token: Option<String>,
}

/// Passes what one of `values` matches, in which `*` stands for any text and `?` for one character.
/// Without values nothing passes: <https://github.com/getmoto/moto/pull/8570>
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// EC2's name, such as `subnet-id` or `tag:<key>`.
    pub name: String,
    /// Any one of these.
    pub values: Vec<String>,
}

impl Query {
    /// One page of `all` in the order of their ids, and the token of the next page. All of the query is checked before
    /// anything is looked at. `page_items` is [`Settings::page_items`](crate::Settings::page_items).
    pub(crate) fn select<T: Described>(
        &self,
        all: impl Iterator<Item = T>,
        page_items: Option<usize>,
    ) -> Result<(Vec<T>, Option<String>), Ec2Error> {
        let filters = self.known_filters::<T>()?;
        self.check_pages::<T>()?;
        let token = Token::of::<T>(self)?;
        let mut all: Vec<T> = all.collect();
        let exists = |id: &String| all.iter().any(|item| item.id() == *id);
        if let Some(id) = self.ids.iter().find(|id| !exists(id)) {
            return Err(T::missing(id));
        }
        all.retain(|item| {
            let named = self.ids.is_empty() || self.ids.iter().any(|id| id == item.id());
            let later = token
                .as_ref()
                .is_none_or(|token| item.id() > token.last.as_str());
            named && later && passes(&filters, item)
        });
        all.sort_by(|a, b| a.id().cmp(b.id()));
        Ok(self.page(all, token, page_items))
    }

    /// The first page of `rest`.
    fn page<T: Described>(
        &self,
        mut rest: Vec<T>,
        token: Option<Token>,
        page_items: Option<usize>,
    ) -> (Vec<T>, Option<String>) {
        let Some(most) = self.max_results else {
            return (rest, None);
        };
        if let Some(token) = token.filter(|token| token.empty_page) {
            let full = Token {
                empty_page: false,
                ..token
            };
            let next = (!rest.is_empty()).then(|| full.write::<T>(self));
            return (Vec::new(), next);
        }
        let size = page_items.map_or(most, |items| items.clamp(1, most));
        let more = rest.len() > size;
        rest.truncate(size);
        let next = rest.last().filter(|_| more || page_items.is_some());
        let next = next.map(|last| Token {
            last: last.id().to_owned(),
            empty_page: page_items.is_some(),
        });
        let next = next.map(|next| next.write::<T>(self));
        (rest, next)
    }

    /// The filters, and how to read their values off a resource.
    fn known_filters<T: Described>(&self) -> Result<Vec<(&Filter, Values<T>)>, Ec2Error> {
        let values = || self.filters.iter().flat_map(|filter| &filter.values);
        if values().count() > MAX_FILTER_VALUES {
            return Err(Ec2Error::TooManyFilterValues);
        }
        if values().any(|value| value.chars().count() > MAX_FILTER_VALUE) {
            return Err(Ec2Error::FilterValueTooLong);
        }
        let known = |filter| Ok((filter, T::known(filter)?));
        self.filters.iter().map(known).collect()
    }

    fn check_pages<T: Described>(&self) -> Result<(), Ec2Error> {
        let Some(most) = self.max_results else {
            return Ok(());
        };
        if !self.ids.is_empty() {
            return Err(Ec2Error::MaxResultsWithIds(T::IDS));
        }
        let bound = if most < MIN_RESULTS {
            format!("greater than {MIN_RESULTS}")
        } else if most > T::MAX_RESULTS {
            format!("less than {}", T::MAX_RESULTS)
        } else {
            return Ok(());
        };
        Err(Ec2Error::MaxResults { value: most, bound })
    }
}

/// The smallest `MaxResults` of all the actions that are played.
const MIN_RESULTS: usize = 5;

fn passes<T>(filters: &[(&Filter, Values<T>)], item: &T) -> bool {
    filters.iter().all(|(Filter { name, values }, read)| {
        let matched = |text: &String| values.iter().any(|value| pattern::matches(value, text));
        read(item, name).iter().any(matched)
    })
}

//! The parameters of a Query call: flat names that spell lists and structures, such as `Filter.1.Value.2`.

use std::{collections::BTreeMap, str::FromStr};

use vpc::Ec2Error;

/// The parameters of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads an `application/x-www-form-urlencoded` body; the last of equal names counts.
    pub fn parse(body: &str) -> Self {
        Self(
            form_urlencoded::parse(body.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// All parameters by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// One parameter that must be there.
    pub(super) fn need(&self, name: &'static str) -> Result<&str, Ec2Error> {
        self.get(name).ok_or(Ec2Error::MissingParameter(name))
    }

    /// One parameter read as `T`.
    pub(super) fn read<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Ec2Error> {
        let parse = |value: &str| {
            value.parse().map_err(|_| Ec2Error::InvalidParameter {
                name,
                value: value.to_owned(),
            })
        };
        self.get(name).map(parse).transpose()
    }

    /// The values of `name.1`, `name.2` and so on.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = String> {
        (1..).map_while(move |n| self.0.get(&format!("{name}.{n}")).cloned())
    }

    /// The structures `name.1.…`, `name.2.…` and so on, each as a form of its own.
    pub(super) fn structures(&self, name: &str) -> impl Iterator<Item = Self> {
        (1..)
            .map(move |n| self.structure(&format!("{name}.{n}")))
            .take_while(|form| !form.0.is_empty())
    }

    fn structure(&self, name: &str) -> Self {
        let prefix = format!("{name}.");
        let from = self.0.range(prefix.clone()..);
        Self(
            from.map_while(|(key, value)| {
                Some((key.strip_prefix(&prefix)?.to_owned(), value.clone()))
            })
            .collect(),
        )
    }
}

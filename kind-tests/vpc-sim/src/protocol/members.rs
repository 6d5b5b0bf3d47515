//! Reading a form and recording what was read, so that no parameter is overlooked.

use std::{cell::RefCell, collections::BTreeSet, str::FromStr};

use vpc::{Action, Ec2Error};

use super::Form;

/// The parameters of a call, or of a structure in it. What is asked for counts as read.
pub(super) struct Members<'a> {
    form: &'a Form,
    read: &'a RefCell<BTreeSet<String>>,
    /// Of a structure: its name and a dot.
    prefix: String,
}

impl<'a> Members<'a> {
    /// All parameters of a call.
    pub(super) fn of(form: &'a Form, read: &'a RefCell<BTreeSet<String>>) -> Self {
        Self {
            form,
            read,
            prefix: String::new(),
        }
    }

    /// One parameter.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let name = format!("{}{name}", self.prefix);
        let value = self.form.get(&name)?;
        self.read.borrow_mut().insert(name);
        Some(value)
    }

    /// One parameter that must be there.
    pub(super) fn need(&self, name: &'static str) -> Result<&'a str, Ec2Error> {
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

    /// Refuses the call if it has a parameter that nobody has asked for: it would be ignored.
    pub(super) fn all_read(&self, action: Action) -> Result<(), Ec2Error> {
        let read = self.read.borrow();
        let mut unread = self.form.iter().filter(|(name, _)| !read.contains(*name));
        let Some((name, _)) = unread.next() else {
            return Ok(());
        };
        let what = format!("the parameter {name} of {action}");
        Err(Ec2Error::NotModelled(what))
    }

    /// The values of `name.1`, `name.2` and so on.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &'a str> {
        (1..).map_while(move |n| self.get(&format!("{name}.{n}")))
    }

    /// The structures `name.1.…`, `name.2.…` and so on.
    pub(super) fn structures(&self, name: &str) -> impl Iterator<Item = Self> {
        let (form, read) = (self.form, self.read);
        let structure = move |n: u32| Self {
            form,
            read,
            prefix: format!("{}{name}.{n}.", self.prefix),
        };
        (1..)
            .map(structure)
            .take_while(|members| members.form.any_below(&members.prefix))
    }
}

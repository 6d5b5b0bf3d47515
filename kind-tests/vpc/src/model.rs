//! Which parameters and filters EC2 knows for each action, whether or not this world plays them.

use std::{collections::BTreeSet, sync::LazyLock};

use crate::{Action, Ec2Error, Vpc};

/// Made by `kind-tests/vpc-sim/boto3/model.py` from botocore's model of EC2, and compared with it in `vpc-sim`'s tests.
static MODEL: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("../ec2-model.txt").lines().collect());

impl Action {
    /// Whether EC2 takes the parameter `name`, as a form writes it, for this action.
    pub fn takes(self, name: &str) -> bool {
        self.has("parameter", &unnumbered(name))
    }

    /// Whether EC2 documents the filter `name` for this action.
    pub(crate) fn filters_by(self, name: &str) -> bool {
        self.has("filter", name)
    }

    fn has(self, member: &str, name: &str) -> bool {
        MODEL.contains(format!("{self} {member} {name}").as_str())
    }
}

/// The name of a parameter with `N` for each number of a list's member: `Filter.1.Value.2` is `Filter.N.Value.N`.
pub fn unnumbered(name: &str) -> String {
    let is_number = |part: &str| part.parse::<u32>().is_ok_and(|number| number > 0);
    let parts = name.split('.');
    let parts: Vec<&str> = parts.map(|p| if is_number(p) { "N" } else { p }).collect();
    parts.join(".")
}

impl Vpc {
    /// Keeps what a caller asked for and this world cannot do, for [`Vpc::violations`]: a test that went on with the
    /// refusal would prove nothing about EC2.
    pub fn noted(&mut self, error: Ec2Error) -> Ec2Error {
        if matches!(error, Ec2Error::NotModelled(_) | Ec2Error::InvalidAction(_)) {
            self.unmodelled.insert(error.to_string());
        }
        error
    }
}

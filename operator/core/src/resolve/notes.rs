//! What is said of a class that lacks something in EC2: what, where, and how to mend it.

use std::collections::BTreeSet;

use api::{
    class::{MOST_GROUPS, Tags},
    id::VpcId,
};

use super::Look;
use crate::{
    error::{Ec2Error, ErrorClass},
    order::Action,
    reason::{Note, Reason},
};

/// Why a read of EC2 failed, in a sentence.
pub fn unread(action: Action, error: &Ec2Error) -> Note {
    let (reason, cure) = match error.class {
        ErrorClass::Denied => (
            Reason::Denied,
            format!("allow ec2:{action} in the operator's IAM policy"),
        ),
        ErrorClass::Credentials => (
            Reason::NoCredentials,
            "check the operator's AWS credentials and region, and the clock of its node".to_owned(),
        ),
        ErrorClass::Throttled => (
            Reason::Throttled,
            "AWS wants fewer calls; it is tried again, more slowly".to_owned(),
        ),
        ErrorClass::Transient => (Reason::AwsUnavailable, "it is tried again".to_owned()),
        ErrorClass::NotYet
        | ErrorClass::State
        | ErrorClass::TokenReused
        | ErrorClass::NodeFull
        | ErrorClass::SubnetFull
        | ErrorClass::QuotaFull
        | ErrorClass::Terminal
        | ErrorClass::Unlisted => (Reason::Refused, "it is tried again".to_owned()),
    };
    Note::new(reason, format!("{action} answered {error}; {cure}"))
}

impl Look<'_> {
    pub(super) fn reading(&self, what: &str, unread: Option<&Note>) -> Note {
        unread.cloned().unwrap_or_else(|| {
            let message = format!(
                "the {what} of class {} are being read from EC2",
                self.class.name
            );
            Note::new(Reason::Reading, message)
        })
    }

    pub(super) fn nowhere(&self) -> Note {
        Note::new(
            Reason::VpcUnknown,
            format!(
                "class {} selects by tags in the cluster's VPC, which is not known: EC2 shows no instance of any node yet",
                self.class.name
            ),
        )
    }

    pub(super) fn unknown_subnet(&self, missing: &str) -> Note {
        Note::new(
            Reason::SubnetNotFound,
            format!(
                "class {} names {missing}, which EC2 does not know in this region and account; correct spec.subnets.ids of the class, or create the subnet",
                self.class.name
            ),
        )
    }

    pub(super) fn subnet_elsewhere(&self, elsewhere: &str) -> Note {
        Note::new(
            Reason::SubnetInOtherVpc,
            format!(
                "class {} names {elsewhere}, which lies in another VPC than the cluster's nodes, {}; name subnets of that one in spec.subnets.ids of the class",
                self.class.name,
                join(self.catalogue.vpcs.keys())
            ),
        )
    }

    pub(super) fn no_subnet(&self) -> Note {
        Note::new(
            Reason::NoSubnetSelected,
            format!(
                "no subnet of {} has the tags {} that class {} selects by; tag one, or correct spec.subnets.tags of the class",
                join(self.catalogue.vpcs.keys()),
                tags(&self.class.subnets.tags),
                self.class.name
            ),
        )
    }

    pub(super) fn unknown_group(&self, missing: &str) -> Note {
        Note::new(
            Reason::SecurityGroupNotFound,
            format!(
                "class {} names {missing}, which EC2 does not know in this region and account; correct spec.securityGroups.ids of the class, or create the security group",
                self.class.name
            ),
        )
    }

    pub(super) fn group_elsewhere(&self, elsewhere: &str, home: &BTreeSet<&VpcId>) -> Note {
        Note::new(
            Reason::SecurityGroupInOtherVpc,
            format!(
                "class {} names {elsewhere}, which lies in another VPC than the ENIs of the class, {}; name security groups of that one in spec.securityGroups.ids of the class",
                self.class.name,
                join(home)
            ),
        )
    }

    pub(super) fn no_group(&self, home: &BTreeSet<&VpcId>) -> Note {
        Note::new(
            Reason::NoSecurityGroupSelected,
            format!(
                "no security group of {} has the tags {} that class {} selects by; tag one, or correct spec.securityGroups.tags of the class",
                join(home),
                tags(&self.class.groups.tags),
                self.class.name
            ),
        )
    }

    pub(super) fn too_many(&self, number: usize) -> Note {
        Note::new(
            Reason::TooManySecurityGroups,
            format!(
                "class {} stands for {number} security groups, and EC2 takes {MOST_GROUPS} on one ENI at most; name fewer, or select by more tags",
                self.class.name
            ),
        )
    }
}

pub(super) fn join(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items = items.into_iter().map(|item| item.to_string());
    items.collect::<Vec<_>>().join(", ")
}

fn tags(tags: &Tags) -> String {
    join(tags.iter().map(|(key, value)| format!("{key}={value}")))
}

pub(super) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

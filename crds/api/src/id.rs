//! Ids and names, each its own type. Ids of EC2 and the kernel are checked when they are read; names of Kubernetes are as it made them.
//!
//! Most have at most 23 bytes, which [`SmolStr`] keeps in place; copies of longer ones share their text.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A string that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {what}, for example {example}")]
pub struct NotAnId {
    /// What was given.
    pub value: String,
    /// What it should have been, with its article.
    pub what: &'static str,
    /// A good one.
    pub example: &'static str,
}

/// How every id and name is printed, and described in the CRDs.
macro_rules! text {
    ($name:ident, $schema:tt) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $example:literal, $check:expr, $schema:tt) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "SmolStr", into = "SmolStr")]
        pub struct $name(SmolStr);

        impl $name {
            /// The text as EC2 or the kernel writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<SmolStr> for $name {
            type Error = NotAnId;
            fn try_from(value: SmolStr) -> Result<Self, NotAnId> {
                let good: fn(&str) -> bool = $check;
                if good(&value) {
                    Ok(Self(value))
                } else {
                    Err(NotAnId { value: value.into(), what: $what, example: $example })
                }
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(value: &str) -> Result<Self, NotAnId> {
                Self::try_from(SmolStr::new(value))
            }
        }

        impl From<$name> for SmolStr {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        text!($name, $schema);
    };
}

macro_rules! aws_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $prefix:literal, $pattern:literal, $max:literal, $example:literal) => {
        id!(
            $(#[$doc])* $name, $what, $max, $example, |v| aws(v, $prefix),
            { "type": "string", "pattern": $pattern, "maxLength": $max }
        );
    };
}

aws_id!(
    /// An Elastic Network Interface.
    EniId, "an ENI id", "eni-", "^eni-[0-9a-f]{8,17}$", 21, "eni-0a1b2c3d4e5f60718"
);
aws_id!(
    /// One attachment of an ENI to an instance; a new one for every Attach.
    AttachmentId, "an attachment id", "eni-attach-", "^eni-attach-[0-9a-f]{8,17}$", 28, "eni-attach-0a1b2c3d4e5f60718"
);
aws_id!(
    /// An EC2 instance.
    InstanceId, "an instance id", "i-", "^i-[0-9a-f]{8,17}$", 19, "i-0a1b2c3d4e5f60718"
);
aws_id!(
    /// A subnet of the VPC; it lies in one availability zone.
    SubnetId, "a subnet id", "subnet-", "^subnet-[0-9a-f]{8,17}$", 24, "subnet-0a1b2c3d4e5f60718"
);
aws_id!(
    /// A security group of the VPC.
    SecurityGroupId, "a security group id", "sg-", "^sg-[0-9a-f]{8,17}$", 20, "sg-0a1b2c3d4e5f60718"
);
aws_id!(
    /// A VPC.
    VpcId, "a VPC id", "vpc-", "^vpc-[0-9a-f]{8,17}$", 21, "vpc-0a1b2c3d4e5f60718"
);
id!(
    /// A MAC address, lower case with colons: the truth about a device.
    Mac, "a MAC address", 17, "0a:1b:2c:3d:4e:5f",
    |v| v.len() == 17 && v.split(':').count() == 6 && v.split(':').all(|p| p.len() == 2 && hex(p)),
    { "type": "string", "pattern": "^([0-9a-f]{2}:){5}[0-9a-f]{2}$", "maxLength": 17 }
);
id!(
    /// A network interface name inside a pod: what the kernel takes (`dev_valid_name` in net/core/dev.c), without `%`, and
    /// neither a name that every pod has already nor one of the kernel's per-namespace sysctl folders.
    InterfaceName, "an interface name", 15, "eni0",
    |v| (1..=15).contains(&v.len())
        && !TAKEN.contains(&v)
        && v.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && v.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)),
    {
        "type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$", "maxLength": 15,
        "x-kubernetes-validations": [{
            "rule": "!(self in ['eth0', 'lo', 'all', 'default'])",
            "message": "eth0, lo, all and default are names that every network namespace has already; choose another, for example eni0"
        }]
    }
);

/// Names that an interface in a pod cannot have.
const TAKEN: [&str; 4] = ["eth0", "lo", "all", "default"];

impl Default for InterfaceName {
    fn default() -> Self {
        Self::from_static("eni0")
    }
}

impl InterfaceName {
    /// One that is written in this crate.
    pub(crate) const fn from_static(name: &'static str) -> Self {
        Self(SmolStr::new_static(name))
    }
}

fn hex(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn aws(value: &str, prefix: &str) -> bool {
    value
        .strip_prefix(prefix)
        .is_some_and(|rest| (8..=17).contains(&rest.len()) && hex(rest))
}

macro_rules! name {
    ($($(#[$doc:meta])* $name:ident = $max:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// As written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<SmolStr> for $name {
            fn from(text: SmolStr) -> Self {
                Self(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        text!($name, { "type": "string", "maxLength": $max });
    )+};
}

name!(
    /// An `EniClass`.
    ClassName = 63,
    /// A namespace.
    Namespace = 63,
    /// UID of a claim: what EC2 knows the owner of an ENI by.
    ClaimUid = 64,
    /// Name of a pod.
    PodName = 253,
    /// UID of a pod: a pod made again under its name is another pod.
    PodUid = 64,
    /// A node object.
    NodeName = 253,
    /// UID of a node object.
    NodeUid = 64,
    /// Boot id of a node: an agent's report counts only for the boot it was made in.
    BootId = 64,
    /// An EC2 instance type, for example m5.large.
    InstanceType = 64,
    /// An availability zone.
    Zone = 32,
);

/// One place for an ENI in an instance.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct Slot {
    /// Index of the network card.
    #[serde(rename = "networkCard")]
    #[schemars(range(max = 63))]
    #[schemars(extend("format" = "int32"))]
    pub card: u32,
    /// Index of the device on that card; 0 on card 0 is the instance's own.
    #[serde(rename = "deviceIndex")]
    #[schemars(range(max = 127))]
    #[schemars(extend("format" = "int32"))]
    pub index: u32,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "card {} index {}", self.card, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_apart_by_prefix_length_and_case() {
        for good in ["eni-0123abcd", "eni-0a1b2c3d4e5f60718"] {
            assert_eq!(good.parse::<EniId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "eni-",
            "eni-0123abc",
            "eni-0A23abcd",
            "eni-0a1b2c3d4e5f607189",
            "sg-0123abcd",
            "eni-attach-0123abcd",
        ] {
            assert!(bad.parse::<EniId>().is_err(), "{bad}");
        }
        assert!("02:00:00:00:00:0a".parse::<Mac>().is_ok());
        assert!("02:00:00:00:00:0A".parse::<Mac>().is_err());
        for bad in ["averylongname123", "eth%d", "eth0", "lo", "all", "default"] {
            assert!(bad.parse::<InterfaceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn refusal_names_value_and_example() {
        let error = "subnet-x".parse::<SubnetId>().unwrap_err().to_string();
        assert_eq!(
            error,
            r#""subnet-x" is not a subnet id, for example subnet-0a1b2c3d4e5f60718"#
        );
    }
}

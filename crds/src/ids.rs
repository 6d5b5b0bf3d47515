//! Identifiers as EC2 and the kernel spell them, checked once at the border.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

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

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $pattern:literal, $max:literal, $example:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text as EC2 or the kernel writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnId;
            fn try_from(value: String) -> Result<Self, NotAnId> {
                let good: fn(&str) -> bool = $check;
                if good(&value) { Ok(Self(value)) } else { Err(NotAnId { value, what: $what, example: $example }) }
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(value: &str) -> Result<Self, NotAnId> {
                Self::try_from(value.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

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
                json_schema!({ "type": "string", "pattern": $pattern, "maxLength": $max })
            }
        }
    };
}

id!(
    /// An Elastic Network Interface.
    EniId, "an ENI id", "^eni-[0-9a-f]{8,17}$", 21, "eni-0a1b2c3d4e5f60718", |v| aws(v, "eni-")
);
id!(
    /// One attachment of an ENI to an instance; a new one for every Attach.
    AttachmentId, "an attachment id", "^eni-attach-[0-9a-f]{8,17}$", 28, "eni-attach-0a1b2c3d4e5f60718", |v| aws(v, "eni-attach-")
);
id!(
    /// An EC2 instance.
    InstanceId, "an instance id", "^i-[0-9a-f]{8,17}$", 19, "i-0a1b2c3d4e5f60718", |v| aws(v, "i-")
);
id!(
    /// A subnet of the VPC; it lies in one availability zone.
    SubnetId, "a subnet id", "^subnet-[0-9a-f]{8,17}$", 24, "subnet-0a1b2c3d4e5f60718", |v| aws(v, "subnet-")
);
id!(
    /// A security group of the VPC.
    SecurityGroupId, "a security group id", "^sg-[0-9a-f]{8,17}$", 20, "sg-0a1b2c3d4e5f60718", |v| aws(v, "sg-")
);
id!(
    /// A VPC.
    VpcId, "a VPC id", "^vpc-[0-9a-f]{8,17}$", 21, "vpc-0a1b2c3d4e5f60718", |v| aws(v, "vpc-")
);
id!(
    /// A MAC address, lower case with colons: the truth about a device.
    Mac, "a MAC address", "^([0-9a-f]{2}:){5}[0-9a-f]{2}$", 17, "0a:1b:2c:3d:4e:5f",
    |v| v.len() == 17 && v.split(':').count() == 6 && v.split(':').all(|p| p.len() == 2 && hex(p))
);
id!(
    /// A network interface name inside a pod: what the kernel takes (`dev_valid_name` in net/core/dev.c), and no `%`.
    InterfaceName, "an interface name", "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$", 15, "eni0",
    |v| (1..=15).contains(&v.len())
        && v.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && v.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
);

impl Default for InterfaceName {
    fn default() -> Self {
        Self("eni0".to_owned())
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
        assert!("averylongname123".parse::<InterfaceName>().is_err());
        assert!("eth%d".parse::<InterfaceName>().is_err());
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

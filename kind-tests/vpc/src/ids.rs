//! The ids that EC2 hands out, one type each, so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(String);

        impl $name {
            /// The text as EC2 writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<String>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A virtual network, `vpc-…`.
    VpcId
);
id!(
    /// A subnet, `subnet-…`.
    SubnetId
);
id!(
    /// A security group, `sg-…`.
    GroupId
);
id!(
    /// An instance, `i-…`.
    InstanceId
);
id!(
    /// A network interface, `eni-…`.
    EniId
);
id!(
    /// One attachment of an interface, `eni-attach-…`; never used twice.
    AttachmentId
);

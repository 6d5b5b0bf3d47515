//! The EC2 actions that this world knows, by name.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! actions {
    ($($name:ident),+ $(,)?) => {
        /// An action of the EC2 API, named as EC2 names it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs)]
        pub enum Action {
            $($name),+
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// EC2's name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }
        }
    };
}

actions! {
    CreateNetworkInterface,
    DeleteNetworkInterface,
    AttachNetworkInterface,
    DetachNetworkInterface,
    ModifyNetworkInterfaceAttribute,
    CreateTags,
    DeleteTags,
    DescribeNetworkInterfaces,
    DescribeInstances,
    DescribeInstanceTypes,
    DescribeSubnets,
    DescribeSecurityGroups,
}

impl Action {
    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.name() == name)
    }

    /// Whether it changes anything.
    pub fn is_mutating(self) -> bool {
        !self.name().starts_with("Describe")
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

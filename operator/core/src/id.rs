//! Names and ids of every noun, each its own type; the border has checked their form.

use std::fmt;

macro_rules! name {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub String);

        impl $name {
            /// As written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

name!(
    /// An `EniClass`.
    ClassName,
    /// A namespace.
    Namespace,
    /// UID of a claim: what EC2 knows the owner of an ENI by.
    ClaimUid,
    /// UID of a pod: a pod made again under its name is another pod.
    PodUid,
    /// A node object.
    NodeName,
    /// UID of a node object.
    NodeUid,
    /// Boot id of a node: an agent's word counts only for the boot it was spoken in.
    BootId,
    /// `resourceVersion` of an object.
    Version,
    /// This cluster, as AWS tags name it.
    ClusterId,
    /// An EC2 instance.
    InstanceId,
    /// An EC2 instance type, for example m5.large.
    InstanceType,
    /// An ENI.
    EniId,
    /// One attachment of an ENI; a new id for every Attach.
    AttachmentId,
    /// A subnet.
    SubnetId,
    /// A security group.
    GroupId,
    /// A VPC.
    VpcId,
    /// An availability zone.
    Zone,
    /// A MAC address.
    Mac,
);

/// A claim or pod: namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: String,
}

impl Key {
    /// `namespace/name`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Version {
    /// Whether this version was written after `other`. Kubernetes compares them as decimal numbers (KEP-5504); anything
    /// else is taken as newer, since what the stream shows last is all that is known then.
    pub fn newer_than(&self, other: &Self) -> bool {
        match (self.0.parse::<u64>(), other.0.parse::<u64>()) {
            (Ok(ours), Ok(theirs)) => ours > theirs,
            _ => self != other,
        }
    }
}

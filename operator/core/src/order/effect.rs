//! What the operator changes in EC2, and EC2's names for what it calls.

use std::fmt;

use api::{
    SourceDestCheck,
    id::{AttachmentId, EniId, InstanceId, SecurityGroupId, Slot},
};

use crate::claim::Creation;

/// A change of EC2. Destructive ones name ids that nobody uses any more, so a late one harms nobody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Effect {
    /// `CreateNetworkInterface` with this very request.
    Create(Box<Creation>),
    /// `ModifyNetworkInterfaceAttribute`: whether EC2 checks the addresses of its traffic.
    SetSourceDestCheck {
        /// The ENI.
        eni: EniId,
        /// As the class says.
        check: SourceDestCheck,
    },
    /// `AttachNetworkInterface`.
    Attach {
        /// The ENI.
        eni: EniId,
        /// The instance.
        instance: InstanceId,
        /// The slot.
        slot: Slot,
    },
    /// `ModifyNetworkInterfaceAttribute`: the ENI goes with the instance.
    SetDeleteOnTermination {
        /// The ENI.
        eni: EniId,
        /// Its attachment.
        attachment: AttachmentId,
    },
    /// `ModifyNetworkInterfaceAttribute`: these security groups in place of those it has.
    SetSecurityGroups {
        /// The ENI.
        eni: EniId,
        /// All of its groups.
        groups: Vec<SecurityGroupId>,
    },
    /// `DetachNetworkInterface`.
    Detach {
        /// The ENI.
        eni: EniId,
        /// The attachment that was released.
        attachment: AttachmentId,
        /// Whether the instance is asked.
        mode: DetachMode,
    },
    /// `DeleteNetworkInterface`.
    Delete {
        /// The ENI.
        eni: EniId,
    },
}

/// How a Detach is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DetachMode {
    /// The instance gives the device up.
    Normal,
    /// It is taken from an instance that does not answer; the device index may be unusable until it is stopped.
    Force,
}

/// An action of the EC2 API, as IAM policies and throttling name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// `CreateNetworkInterface`.
    CreateNetworkInterface,
    /// `AttachNetworkInterface`.
    AttachNetworkInterface,
    /// `ModifyNetworkInterfaceAttribute`.
    ModifyNetworkInterfaceAttribute,
    /// `DetachNetworkInterface`.
    DetachNetworkInterface,
    /// `DeleteNetworkInterface`.
    DeleteNetworkInterface,
    /// `DescribeNetworkInterfaces`.
    DescribeNetworkInterfaces,
    /// `DescribeInstances`.
    DescribeInstances,
    /// `DescribeInstanceTypes`.
    DescribeInstanceTypes,
    /// `DescribeSubnets`.
    DescribeSubnets,
    /// `DescribeSecurityGroups`.
    DescribeSecurityGroups,
}

impl Action {
    /// Every action that is called.
    pub const ALL: [Self; 10] = [
        Self::CreateNetworkInterface,
        Self::AttachNetworkInterface,
        Self::ModifyNetworkInterfaceAttribute,
        Self::DetachNetworkInterface,
        Self::DeleteNetworkInterface,
        Self::DescribeNetworkInterfaces,
        Self::DescribeInstances,
        Self::DescribeInstanceTypes,
        Self::DescribeSubnets,
        Self::DescribeSecurityGroups,
    ];

    /// As AWS spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateNetworkInterface => "CreateNetworkInterface",
            Self::AttachNetworkInterface => "AttachNetworkInterface",
            Self::ModifyNetworkInterfaceAttribute => "ModifyNetworkInterfaceAttribute",
            Self::DetachNetworkInterface => "DetachNetworkInterface",
            Self::DeleteNetworkInterface => "DeleteNetworkInterface",
            Self::DescribeNetworkInterfaces => "DescribeNetworkInterfaces",
            Self::DescribeInstances => "DescribeInstances",
            Self::DescribeInstanceTypes => "DescribeInstanceTypes",
            Self::DescribeSubnets => "DescribeSubnets",
            Self::DescribeSecurityGroups => "DescribeSecurityGroups",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Effect {
    /// The action that carries it out.
    pub fn action(&self) -> Action {
        match self {
            Self::Create(_) => Action::CreateNetworkInterface,
            Self::Attach { .. } => Action::AttachNetworkInterface,
            Self::SetSourceDestCheck { .. }
            | Self::SetDeleteOnTermination { .. }
            | Self::SetSecurityGroups { .. } => Action::ModifyNetworkInterfaceAttribute,
            Self::Detach { .. } => Action::DetachNetworkInterface,
            Self::Delete { .. } => Action::DeleteNetworkInterface,
        }
    }

    /// The ENI that it changes; none for one that does not exist yet.
    pub fn eni(&self) -> Option<&EniId> {
        match self {
            Self::Create(_) => None,
            Self::Attach { eni, .. }
            | Self::SetSourceDestCheck { eni, .. }
            | Self::SetDeleteOnTermination { eni, .. }
            | Self::SetSecurityGroups { eni, .. }
            | Self::Detach { eni, .. }
            | Self::Delete { eni } => Some(eni),
        }
    }
}

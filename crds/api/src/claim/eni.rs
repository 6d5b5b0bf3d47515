//! The ENI of a claim and where it is attached.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    SourceDestCheck, Time,
    id::{AttachmentId, EniId, InstanceId, Mac, SecurityGroupId, Slot, SubnetId, VpcId, Zone},
};

/// The ENI as EC2 made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Eni {
    /// Id of the ENI.
    pub id: EniId,
    /// Its MAC address, by which the agent finds the device.
    pub mac: Mac,
    /// The subnet it lies in.
    pub subnet_id: SubnetId,
    /// The VPC it lies in.
    pub vpc_id: VpcId,
    /// Its availability zone; it never changes.
    pub zone: Zone,
    /// Its security groups as EC2 last showed them.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub security_group_ids: Vec<SecurityGroupId>,
    /// Disabled: the ENI carries traffic of other addresses, too. Absent: EC2 drops it.
    #[serde(default, skip_serializing_if = "SourceDestCheck::is_enabled")]
    pub source_dest_check: SourceDestCheck,
}

/// Where the ENI is plugged into an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The instance.
    pub instance_id: InstanceId,
    /// The slot, reserved before EC2 hears of it.
    #[serde(flatten)]
    pub slot: Slot,
    /// Id of the attachment, once EC2 has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<AttachmentId>,
    /// When EC2 accepted the Attach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
    /// When it was first observed attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached_at: Option<Time>,
    /// Set once and never taken back: a released attachment is never plugged again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Release>,
}

/// Whether the agent shall give the device back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Release {
    /// The agent returns the device to the host, never plugs this attachment again, and reports `device.state: Released`.
    Requested,
}

impl Attachment {
    /// Whether the device shall be given back.
    pub fn is_released(&self) -> bool {
        self.release.is_some()
    }
}

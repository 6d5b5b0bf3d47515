//! Observed state of a claim: the address book of what is allocated to whom.

mod creation;
mod device;
mod eni;
mod ipam;
mod lease;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

pub use self::{
    creation::{
        CreateAnswer, CreateRequest, Creation, FrozenTags, IPV4_PREFIX_SIZE, RequestedCounts,
    },
    device::{Device, DeviceState},
    eni::{Attachment, Eni, Release},
    ipam::{Address, AddressRole, Ipam},
    lease::{Lease, LeaseState, LeasedRoute},
};
use crate::{
    Condition, ConditionStatus, Interface, IpFamily, Reason, Time,
    condition::{OPERATORS, kind},
    id::{AttachmentId, InstanceId, InterfaceName, NodeName, NodeUid, PodName, PodUid},
    interface::DhcpMode,
    schema::NeverNull,
    security_groups::{GroupsSet, GroupsState},
};

/// Observed state. The node's agent writes `device`, `leases`, its part of `timeline` and the conditions Plugged, MetadataBlocked and Leased;
/// the operator writes the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = NeverNull, extend("x-kubernetes-validations" = [
    {
        "rule": "!has(oldSelf.creation) || (has(self.creation) && self.creation.incarnation >= oldSelf.creation.incarnation)",
        "message": "creation.incarnation never decreases"
    },
    {
        "rule": "!has(oldSelf.eni) || (has(self.eni) && self.eni.id == oldSelf.eni.id) || (has(self.creation) && has(oldSelf.creation) && self.creation.incarnation > oldSelf.creation.incarnation)",
        "message": "eni goes or changes only with a new creation.incarnation"
    },
    {
        "rule": "!has(oldSelf.attachment) || !has(self.attachment) || !has(oldSelf.attachment.release) || !has(oldSelf.attachment.id) || !has(self.attachment.id) || self.attachment.id != oldSelf.attachment.id || has(self.attachment.release)",
        "message": "attachment.release is never taken back for one attachment id"
    }
]))]
pub struct ClaimStatus {
    /// One word for people, derived from the rest; never an input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The node where the device is or is going. The node's agent selects its claims by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<NodeName>,
    /// The pod that may get the device, and the node and instance where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub binding: Option<Binding>,
    /// What the interface looks like in the pod: as the class says, until the device is plugged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub interface: Option<Interface>,
    /// The CreateNetworkInterface request, stored before it is sent, so that exactly the same call can be repeated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub creation: Option<Creation>,
    /// The last failure, until it is resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub last_error: Option<LastError>,
    /// The ENI as EC2 made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub eni: Option<Eni>,
    /// The security groups that the operator last set on the ENI, stored before EC2 is called. Absent: those of its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub security_groups: Option<Box<GroupsSet>>,
    /// Where the ENI is attached. The slot is stored before the Attach is sent, the id when EC2 has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub attachment: Option<Attachment>,
    /// The addresses of the ENI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub ipam: Option<Ipam>,
    /// Where the device is, reported by the node's agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub device: Option<Device>,
    /// What DHCP servers lease to the interface, one entry an IP family, reported by the node's agent. It changes with what they say:
    /// a renewal writes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 2),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["family"])
    )]
    pub leases: Vec<Lease>,
    /// When each stage was reached.
    #[serde(default, skip_serializing_if = "Timeline::is_empty")]
    pub timeline: Timeline,
    /// Provisioned, Attached, SecurityGroupsInSync, Plugged, MetadataBlocked, Leased, Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

/// One word for people.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Phase {
    /// Waits for its pod to be scheduled, or for something that `lastError` and the condition Ready name.
    Pending,
    /// The ENI is being created.
    Creating,
    /// The ENI is there, and no pod uses it.
    Available,
    /// The ENI is being attached to the node's instance.
    Attaching,
    /// The ENI is attached; the node's agent has not plugged it into the pod yet.
    Attached,
    /// The pod has its interface.
    Ready,
    /// The node's agent returns the device to the host.
    Releasing,
    /// The ENI is being detached.
    Detaching,
    /// The ENI is being deleted.
    Deleting,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Creating,
        Self::Available,
        Self::Attaching,
        Self::Attached,
        Self::Ready,
        Self::Releasing,
        Self::Detaching,
        Self::Deleting,
    ];
}

/// Who may plug the device in: this pod, on this node, on this instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Name of the pod.
    pub pod_name: PodName,
    /// UID under which the runtime knows the pod; the plugin is answered only for this one. Of a static pod it is not the UID of
    /// its object, which is a mirror, but that of the mirror's annotation kubernetes.io/config.mirror.
    pub pod_uid: PodUid,
    /// UID of the node object.
    pub node_uid: NodeUid,
    /// The node's instance, from its providerID.
    pub instance_id: InstanceId,
    /// When it was bound.
    pub since: Time,
    /// Name of a container of the pod that can change the pod's network, since it is privileged or adds NET_ADMIN or SYS_ADMIN:
    /// what the agent sets up in the pod, the block of the instance metadata service above all, holds against all others only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub net_admin: Option<SmolStr>,
}

/// The last thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// The code as AWS spells it, or our reason where no call was made.
    #[schemars(length(max = 128))]
    pub code: String,
    /// The message as AWS sent it, or our sentence.
    #[schemars(length(max = 2048))]
    pub message: String,
    /// RequestId of the AWS call, for a support case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub request_id: Option<String>,
    /// Consecutive failed attempts.
    #[schemars(extend("format" = "int32"))]
    pub attempts: u32,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_retry: Option<Time>,
}

/// When each stage was reached first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Timeline {
    /// The claim was bound to a node. By the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested: Option<Time>,
    /// EC2 made the ENI. By the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Time>,
    /// EC2 or the agent said that it is attached. By the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached: Option<Time>,
    /// The device appeared on the node. By the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Time>,
    /// The device is in the pod. By the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugged: Option<Time>,
}

impl Timeline {
    /// Whether no stage was reached yet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ClaimStatus {
    /// The addresses that the pod has: EC2's, and those of these leases in place of EC2's of a family that DHCP configures.
    pub fn addresses(&self, leases: &[Lease]) -> impl Iterator<Item = IpAddr> {
        let dhcp = self.interface.as_ref().map(|interface| interface.dhcp);
        let configures = move |family| dhcp.is_some_and(|it| it.of(family) == DhcpMode::Configure);
        let of_eni = self.ipam.iter().flat_map(|ipam| &ipam.addresses);
        let of_eni = of_eni.map(|it| it.address);
        let leases = leases.iter();
        let leases =
            leases.filter(move |it| it.state == LeaseState::Leased && configures(it.family));
        of_eni
            .filter(move |ip| !configures(IpFamily::of(*ip)))
            .chain(leases.flat_map(|lease| lease.addresses.iter().copied()))
    }

    /// The condition of that kind.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.kind == kind)
    }

    /// The condition Ready where it says what has to be mended before the claim gets on. Nothing while it gets on by itself,
    /// and of a reason that this version does not know.
    pub fn blocked(&self) -> Option<&Condition> {
        self.condition(kind::READY).filter(|ready| {
            let reason = ready.reason.parse::<Reason>();
            ready.status == ConditionStatus::False && reason.is_ok_and(|reason| !reason.passes())
        })
    }

    /// Without the agent's part: what the operator applies under its own field manager.
    #[must_use]
    pub fn of_operator(mut self) -> Self {
        self.device = None;
        self.leases.clear();
        self.timeline.seen = None;
        self.timeline.plugged = None;
        self.conditions
            .retain(|c| OPERATORS.contains(&c.kind.as_str()));
        self.conditions
            .sort_by_key(|c| OPERATORS.iter().position(|kind| *kind == c.kind));
        self
    }

    /// Whether security groups were requested that are not known to be set.
    pub fn is_regrouping(&self) -> bool {
        let set = self.security_groups.as_ref();
        set.is_some_and(|set| set.state == GroupsState::Requested)
    }

    /// The attachment's id, once EC2 gave it.
    pub fn attachment_id(&self) -> Option<&AttachmentId> {
        self.attachment.as_ref().and_then(|a| a.id.as_ref())
    }
}

/// Name of the interface in a pod where the claim does not say.
pub fn interface_name(status: &ClaimStatus) -> InterfaceName {
    status
        .interface
        .as_ref()
        .map_or_else(InterfaceName::default, |i| i.name.clone())
}

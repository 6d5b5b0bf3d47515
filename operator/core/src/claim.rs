//! The claim as the operator sees it: what is asked for, its own part of the status, and what the agent reports.

pub use api::claim::{
    Address, AddressRole, Attachment, Binding, ClaimStatus, CreateAnswer, CreateRequest, Creation,
    Device, DeviceState, Eni, Ipam, LastError, Phase, Release, RequestedCounts, Timeline,
};
use std::net::IpAddr;

use api::{
    Condition, SmolStr,
    claim::{Lease, interface_name},
    id::{AttachmentId, ClaimUid, ClassName, EniId, InterfaceName, PodName, PodUid},
};

use crate::cluster::{Key, PodSource, Version};

/// One ENI: for one pod, or for the pods that name the claim, one at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Namespace and name.
    pub key: Key,
    /// UID of the object.
    pub uid: ClaimUid,
    /// The version that this picture shows.
    pub version: Version,
    /// `metadata.generation`.
    pub generation: i64,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Whether our finalizer holds it.
    pub finalizer: bool,
    /// The class it names.
    pub class: ClassName,
    /// Which of its pod's interfaces it is; none where the pod asks for none by name.
    pub interface: Option<InterfaceName>,
    /// The pod it is for; none for a claim that was made by hand.
    pub owner: Option<Owner>,
    /// The attachment that a person allows to be detached by force.
    pub force_detach: Option<AttachmentId>,
    /// The ENI that a person allows to be forgotten without proof.
    pub force_forget: Option<EniId>,
    /// The operator's part of the status.
    pub status: ClaimStatus,
    /// The agent's part of the status.
    pub device: Option<Device>,
    /// How the interface stands with DHCP servers, as the agent reports it.
    pub leased: Option<Box<Leased>>,
}

/// How an interface stands with DHCP servers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Leased {
    /// The condition Leased.
    pub condition: Condition,
    /// One a family.
    pub leases: Box<[Lease]>,
}

/// The pod that a claim is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Its name, in the claim's namespace.
    pub name: PodName,
    /// The UID under which the runtime knows it.
    pub uid: PodUid,
    /// Who says that it runs.
    pub source: PodSource,
}

impl Claim {
    /// The addresses that the pod has.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let leases = self.leased.as_ref().map(|leased| &*leased.leases);
        self.status.addresses(leases.unwrap_or_default())
    }

    /// Where the device of this very attachment is; a report about an earlier one proves nothing.
    pub fn device_state(&self) -> Option<DeviceState> {
        let device = self.device.as_ref()?;
        (self.status.attachment_id() == Some(&device.attachment_id)).then_some(device.state)
    }

    /// Whether the device of this attachment is in the pod that the claim is bound to.
    pub fn is_plugged(&self) -> bool {
        let pod = self.device.as_ref().and_then(|d| d.pod_uid.as_ref());
        self.device_state() == Some(DeviceState::Plugged)
            && pod == self.status.binding.as_ref().map(|b| &b.pod_uid)
    }

    /// Name of the interface in the pod: what the agent reported of the device there, or else what the class says.
    pub fn interface_name(&self) -> SmolStr {
        let device = self.device.as_ref().filter(|_| self.is_plugged());
        let name = device.and_then(|device| device.if_name.clone());
        name.unwrap_or_else(|| interface_name(&self.status).into())
    }

    /// The pod that it is for: the one that it was made for, or of a claim that was made by hand, the one that it is bound to.
    pub fn user(&self) -> Option<Owner> {
        let bound = || {
            let binding = self.status.binding.as_ref()?;
            Some(Owner {
                name: binding.pod_name.clone(),
                uid: binding.pod_uid.clone(),
                source: PodSource::Api,
            })
        };
        self.owner.clone().or_else(bound)
    }

    /// Key of that pod.
    pub fn pod_key(&self) -> Option<Key> {
        let user = self.user()?;
        Some(Key::of(self.key.namespace.clone(), user.name.as_str()))
    }

    /// Whether its ENI outlives the pods that use it.
    pub fn is_kept(&self) -> bool {
        self.owner.is_none()
    }
}

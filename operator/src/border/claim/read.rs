//! A claim's status as it stands.

use crds::{
    EniClaimStatus, claim as api,
    condition::{ConditionStatus, kind},
};
use operator_core::{
    Reason,
    claim::{
        Address, Attachment, Binding, Condition, ConditionKind, CreateRequest, Creation,
        DefaultRoute, Device, DeviceState, Eni, InstanceMetadata, Interface, LastError, Phase,
        Slot, Status, Timeline,
    },
};

use crate::border::time::{from_micro, from_second};

/// The operator's part of a status.
pub(super) fn status(status: &EniClaimStatus) -> Status {
    let EniClaimStatus {
        phase,
        node_name,
        binding,
        interface,
        creation,
        last_error,
        eni,
        attachment,
        ipam,
        device: _,
        timeline,
        conditions,
    } = status;
    let mut conditions: Vec<Condition> = conditions.iter().filter_map(condition).collect();
    conditions.sort_by_key(|c| c.kind);
    Status {
        phase: phase.map(read_phase),
        node: node_name.as_deref().map(Into::into),
        binding: binding.as_ref().map(|b| Binding {
            pod_name: b.pod_name.clone(),
            pod_uid: b.pod_uid.as_str().into(),
            node_uid: b.node_uid.as_str().into(),
            instance: b.instance_id.as_str().into(),
            since: from_second(&b.since),
        }),
        interface: interface.as_ref().map(read_interface),
        creation: creation.as_ref().map(|c| Creation {
            incarnation: c.incarnation,
            token: c.token.clone(),
            request: CreateRequest {
                subnet: c.request.subnet_id.as_str().into(),
                groups: c
                    .request
                    .security_group_ids
                    .iter()
                    .map(|g| g.as_str().into())
                    .collect(),
                description: c.request.description.clone(),
                tags: c.request.tags.clone(),
            },
            started_at: from_second(&c.started_at),
        }),
        last_error: last_error.as_ref().map(|e| LastError {
            code: e.code.clone(),
            message: e.message.clone(),
            request_id: e.request_id.clone(),
            attempts: e.attempts,
            next_retry: e.next_retry.as_ref().map(from_second),
        }),
        eni: eni.as_ref().map(|e| Eni {
            id: e.id.as_str().into(),
            mac: e.mac.as_str().into(),
            subnet: e.subnet_id.as_str().into(),
            vpc: e.vpc_id.as_str().into(),
            zone: e.zone.as_str().into(),
            groups: e
                .security_group_ids
                .iter()
                .map(|g| g.as_str().into())
                .collect(),
        }),
        attachment: attachment.as_ref().map(|a| Attachment {
            instance: a.instance_id.as_str().into(),
            slot: Slot {
                card: a.network_card,
                index: a.device_index,
            },
            id: a.id.as_ref().map(|id| id.as_str().into()),
            attached_at: a.attached_at.as_ref().map(from_second),
            release: a.release,
        }),
        addresses: ipam
            .iter()
            .flat_map(|i| &i.addresses)
            .map(read_address)
            .collect(),
        timeline: Timeline {
            requested: timeline.requested.as_ref().map(from_micro),
            created: timeline.created.as_ref().map(from_micro),
            attached: timeline.attached.as_ref().map(from_micro),
        },
        conditions,
    }
}

fn read_address(address: &api::IpamAddress) -> Address {
    let api::IpamAddress {
        address,
        gateway,
        primary,
    } = address.clone();
    Address {
        address,
        gateway,
        primary,
    }
}

fn read_interface(interface: &api::ClaimInterface) -> Interface {
    let api::ClaimInterface {
        name,
        default_route,
        instance_metadata,
    } = interface;
    Interface {
        name: name.to_string(),
        default_route: match default_route {
            crds::class::DefaultRoute::Never => DefaultRoute::Never,
        },
        instance_metadata: match instance_metadata {
            crds::class::InstanceMetadata::Blocked => InstanceMetadata::Blocked,
            crds::class::InstanceMetadata::Allowed => InstanceMetadata::Allowed,
        },
    }
}

pub(super) fn device(device: &api::Device) -> Device {
    Device {
        attachment: device.attachment_id.as_str().into(),
        state: match device.state {
            api::DeviceState::Seen => DeviceState::Seen,
            api::DeviceState::Plugged => DeviceState::Plugged,
            api::DeviceState::Home => DeviceState::Home,
            api::DeviceState::Released => DeviceState::Released,
        },
        pod: device.pod_uid.as_deref().map(Into::into),
    }
}

/// One of the operator's own conditions; the agent's are none of the core's business.
fn condition(condition: &crds::Condition) -> Option<Condition> {
    let kind = match condition.kind.as_str() {
        kind::PROVISIONED => ConditionKind::Provisioned,
        kind::ATTACHED => ConditionKind::Attached,
        kind::READY => ConditionKind::Ready,
        _ => return None,
    };
    Some(Condition {
        kind,
        holds: condition.status == ConditionStatus::True,
        reason: Reason::parse(&condition.reason)?,
        message: condition.message.clone(),
        since: from_second(&condition.last_transition_time),
    })
}

fn read_phase(phase: api::Phase) -> Phase {
    match phase {
        api::Phase::Pending => Phase::Pending,
        api::Phase::Creating => Phase::Creating,
        api::Phase::Attaching => Phase::Attaching,
        api::Phase::Attached => Phase::Attached,
        api::Phase::Ready => Phase::Ready,
        api::Phase::Releasing => Phase::Releasing,
        api::Phase::Detaching => Phase::Detaching,
        api::Phase::Deleting => Phase::Deleting,
    }
}

//! A claim's status as it shall be.

use crds::{
    EniClaimStatus, claim as api,
    condition::{ConditionStatus, kind},
    ids::NotAnId,
};
use operator_core::claim::{
    Address, Attachment, Binding, Condition, ConditionKind, CreateRequest, Creation, DefaultRoute,
    Eni, InstanceMetadata, Interface, LastError, Phase, Slot, Status,
};

use crate::border::time::{micro, second};

/// The status to apply. It fails only where EC2 gave an id of a form that the schema does not know.
pub(crate) fn status(status: &Status) -> Result<EniClaimStatus, NotAnId> {
    let Status {
        phase,
        node,
        binding,
        interface,
        creation,
        last_error,
        eni,
        attachment,
        addresses,
        timeline,
        conditions,
    } = status;
    Ok(EniClaimStatus {
        phase: phase.map(write_phase),
        node_name: node.as_ref().map(ToString::to_string),
        binding: binding.as_ref().map(write_binding).transpose()?,
        interface: interface.as_ref().map(write_interface).transpose()?,
        creation: creation.as_ref().map(write_creation).transpose()?,
        last_error: last_error.as_ref().map(write_error),
        eni: eni.as_ref().map(write_eni).transpose()?,
        attachment: attachment.as_ref().map(write_attachment).transpose()?,
        ipam: (!addresses.is_empty()).then(|| api::Ipam {
            addresses: addresses.iter().map(write_address).collect(),
        }),
        device: None,
        timeline: api::Timeline {
            requested: timeline.requested.map(micro),
            created: timeline.created.map(micro),
            attached: timeline.attached.map(micro),
            seen: None,
            plugged: None,
        },
        conditions: conditions.iter().map(write_condition).collect(),
    })
}

fn write_binding(binding: &Binding) -> Result<api::Binding, NotAnId> {
    let Binding {
        pod_name,
        pod_uid,
        node_uid,
        instance,
        since,
    } = binding;
    Ok(api::Binding {
        pod_name: pod_name.clone(),
        pod_uid: pod_uid.to_string(),
        node_uid: node_uid.to_string(),
        instance_id: instance.as_str().parse()?,
        since: second(*since),
    })
}

fn write_interface(interface: &Interface) -> Result<api::ClaimInterface, NotAnId> {
    let Interface {
        name,
        default_route,
        instance_metadata,
    } = interface;
    Ok(api::ClaimInterface {
        name: name.parse()?,
        default_route: match default_route {
            DefaultRoute::Never => crds::class::DefaultRoute::Never,
        },
        instance_metadata: match instance_metadata {
            InstanceMetadata::Blocked => crds::class::InstanceMetadata::Blocked,
            InstanceMetadata::Allowed => crds::class::InstanceMetadata::Allowed,
        },
    })
}

fn write_creation(creation: &Creation) -> Result<api::Creation, NotAnId> {
    let Creation {
        incarnation,
        token,
        request,
        started_at,
    } = creation;
    let CreateRequest {
        subnet,
        groups,
        description,
        tags,
    } = request;
    Ok(api::Creation {
        incarnation: *incarnation,
        token: token.clone(),
        request: api::CreateRequest {
            subnet_id: subnet.as_str().parse()?,
            security_group_ids: groups
                .iter()
                .map(|g| g.as_str().parse())
                .collect::<Result<_, _>>()?,
            description: description.clone(),
            tags: tags.clone(),
        },
        started_at: second(*started_at),
    })
}

fn write_error(error: &LastError) -> api::LastError {
    let LastError {
        code,
        message,
        request_id,
        attempts,
        next_retry,
    } = error.clone();
    api::LastError {
        code,
        message,
        request_id,
        attempts,
        next_retry: next_retry.map(second),
    }
}

fn write_eni(eni: &Eni) -> Result<api::Eni, NotAnId> {
    let Eni {
        id,
        mac,
        subnet,
        vpc,
        zone,
        groups,
    } = eni;
    Ok(api::Eni {
        id: id.as_str().parse()?,
        mac: mac.as_str().parse()?,
        subnet_id: subnet.as_str().parse()?,
        vpc_id: vpc.as_str().parse()?,
        zone: zone.to_string(),
        security_group_ids: groups
            .iter()
            .map(|g| g.as_str().parse())
            .collect::<Result<_, _>>()?,
    })
}

fn write_attachment(attachment: &Attachment) -> Result<api::Attachment, NotAnId> {
    let Attachment {
        instance,
        slot: Slot { card, index },
        id,
        attached_at,
        release,
    } = attachment;
    Ok(api::Attachment {
        instance_id: instance.as_str().parse()?,
        network_card: *card,
        device_index: *index,
        id: id.as_ref().map(|id| id.as_str().parse()).transpose()?,
        attached_at: attached_at.map(second),
        release: *release,
    })
}

fn write_address(address: &Address) -> api::IpamAddress {
    let Address {
        address,
        gateway,
        primary,
    } = address.clone();
    api::IpamAddress {
        address,
        gateway,
        primary,
    }
}

fn write_condition(condition: &Condition) -> crds::Condition {
    let Condition {
        kind,
        holds,
        reason,
        message,
        since,
    } = condition;
    crds::Condition {
        kind: match kind {
            ConditionKind::Provisioned => kind::PROVISIONED,
            ConditionKind::Attached => kind::ATTACHED,
            ConditionKind::Ready => kind::READY,
        }
        .to_owned(),
        status: if *holds {
            ConditionStatus::True
        } else {
            ConditionStatus::False
        },
        reason: reason.to_string(),
        message: message.clone(),
        last_transition_time: second(*since),
    }
}

fn write_phase(phase: Phase) -> api::Phase {
    match phase {
        Phase::Pending => api::Phase::Pending,
        Phase::Creating => api::Phase::Creating,
        Phase::Attaching => api::Phase::Attaching,
        Phase::Attached => api::Phase::Attached,
        Phase::Ready => api::Phase::Ready,
        Phase::Releasing => api::Phase::Releasing,
        Phase::Detaching => api::Phase::Detaching,
        Phase::Deleting => api::Phase::Deleting,
    }
}

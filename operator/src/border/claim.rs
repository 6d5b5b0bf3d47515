//! Claims: the API's type and the core's.

use crds::{
    EniClaim, EniClaimSpec, EniClaimStatus, claim as api,
    condition::{ConditionStatus, kind},
    ids::NotAnId,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt;
use operator_core::{
    Reason,
    claim::{
        Address, Attachment, Binding, Claim, Condition, ConditionKind, CreateRequest, Creation,
        DefaultRoute, Device, DeviceState, Eni, InstanceMetadata, Interface, LastError, Owner,
        Phase, Slot, Status, Timeline,
    },
    id::{ClaimUid, Key},
    order::NewClaim,
};

use super::cluster::key_of;
use super::time::{from_micro, from_second, micro, second};

/// A claim as the core sees it; none for an object that the API server cannot have sent.
pub(crate) fn claim(claim: &EniClaim) -> Option<Claim> {
    let EniClaimSpec { class_name, owner } = &claim.spec;
    let api::Owner {
        kind: api::OwnerKind::Pod,
        name,
        uid,
    } = owner;
    Some(Claim {
        key: Key::new(
            claim.metadata.namespace.as_deref()?,
            claim.metadata.name.as_deref()?,
        ),
        uid: claim.metadata.uid.clone()?.into(),
        version: claim.metadata.resource_version.clone()?.into(),
        deleting: claim.metadata.deletion_timestamp.is_some(),
        finalizer: claim.finalizers().iter().any(|f| f == crds::FINALIZER),
        class: class_name.as_str().into(),
        owner: Owner {
            name: name.clone(),
            uid: uid.as_str().into(),
        },
        status: claim.status.as_ref().map(read).unwrap_or_default(),
        device: claim
            .status
            .as_ref()
            .and_then(|s| s.device.as_ref())
            .map(device),
    })
}

/// What tells a claim from every other, also from one that had its name before.
pub(crate) fn claim_id(claim: &EniClaim) -> (Key, ClaimUid) {
    (
        key_of(claim),
        claim.metadata.uid.clone().unwrap_or_default().into(),
    )
}

/// The object that asks for one ENI for one pod.
pub(crate) fn new_claim(new: &NewClaim) -> EniClaim {
    let NewClaim {
        claim,
        pod,
        uid,
        class,
    } = new;
    EniClaim {
        metadata: ObjectMeta {
            name: Some(claim.name.clone()),
            namespace: Some(claim.namespace.to_string()),
            labels: Some([(crds::CLASS.to_owned(), class.to_string())].into()),
            finalizers: Some(vec![crds::FINALIZER.to_owned()]),
            // The claim goes with its pod even while the operator is away; the finalizer waits for it.
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".into(),
                kind: "Pod".into(),
                name: pod.clone(),
                uid: uid.to_string(),
                controller: Some(false),
                block_owner_deletion: Some(false),
            }]),
            ..ObjectMeta::default()
        },
        spec: EniClaimSpec {
            class_name: class.to_string(),
            owner: api::Owner {
                kind: api::OwnerKind::Pod,
                name: pod.clone(),
                uid: uid.to_string(),
            },
        },
        status: None,
    }
}

/// The operator's part of a status.
fn read(status: &EniClaimStatus) -> Status {
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

fn device(device: &api::Device) -> Device {
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

//! From the API's claim to the core's.

use std::net::IpAddr;

use crds::{
    claim::{DeviceState, EniClaim, EniClaimStatus, IpamAddress},
    class::{DefaultRoute, InstanceMetadata, Interface as ClassInterface},
    condition::kind,
};
use node_agent_core::claim::{
    Address, Attachment, Claim, ClaimKey, Eni, Interface, Metadata, Place, Report,
};

use crate::error::Error;

/// Namespace and name of a claim.
pub fn key(claim: &EniClaim) -> ClaimKey {
    ClaimKey {
        namespace: claim.metadata.namespace.clone().unwrap_or_default(),
        name: claim.metadata.name.clone().unwrap_or_default(),
    }
}

/// What the agent needs of a claim.
pub fn convert(claim: &EniClaim) -> Result<Claim, Error> {
    let key = key(claim);
    let malformed = |why: String| Error::Claim {
        claim: key.to_string(),
        why,
    };
    let nothing = EniClaimStatus::default();
    let status = claim.status.as_ref().unwrap_or(&nothing);
    let mut addresses = Vec::new();
    let ipam = status
        .ipam
        .as_ref()
        .map(|ipam| ipam.addresses.as_slice())
        .unwrap_or_default();
    for address in ipam {
        addresses.push((
            !address.primary,
            parse(address).ok_or_else(|| malformed(format!("ipam address {address:?}")))?,
        ));
    }
    addresses.sort_by_key(|(secondary, _)| *secondary);
    let defaults = ClassInterface::default();
    let (name, default_route, metadata) = match &status.interface {
        Some(interface) => (
            &interface.name,
            interface.default_route,
            interface.instance_metadata,
        ),
        None => (
            &defaults.name,
            defaults.default_route,
            defaults.instance_metadata,
        ),
    };
    match default_route {
        DefaultRoute::Never => {}
    }
    let eni = match &status.eni {
        // Without addresses there is nothing to plug yet.
        Some(eni) if !addresses.is_empty() => {
            let mac = eni
                .mac
                .as_str()
                .parse()
                .map_err(|e| malformed(format!("eni.mac: {e}")))?;
            Some(Eni {
                id: eni.id.to_string(),
                mac,
            })
        }
        Some(_) | None => None,
    };
    let attachment = status.attachment.as_ref().and_then(|attachment| {
        Some(Attachment {
            id: attachment.id.as_ref()?.to_string(),
            release: attachment.release,
        })
    });
    Ok(Claim {
        pod_uid: status
            .binding
            .as_ref()
            .map(|binding| binding.pod_uid.clone()),
        eni,
        attachment,
        interface: Interface {
            name: name.to_string(),
            metadata: match metadata {
                InstanceMetadata::Blocked => Metadata::Blocked,
                InstanceMetadata::Allowed => Metadata::Allowed,
            },
            addresses: addresses.into_iter().map(|(_, address)| address).collect(),
        },
        reported: reported(status),
        waits_for: waits_for(status),
        key,
    })
}

fn parse(address: &IpamAddress) -> Option<Address> {
    let (ip, prefix) = address.address.split_once('/')?;
    let (ip, prefix, gateway): (IpAddr, u8, IpAddr) = (
        ip.parse().ok()?,
        prefix.parse().ok()?,
        address.gateway.parse().ok()?,
    );
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    (prefix <= longest && ip.is_ipv4() == gateway.is_ipv4()).then_some(Address {
        ip,
        prefix,
        gateway,
    })
}

fn reported(status: &EniClaimStatus) -> Option<Report> {
    let device = status.device.as_ref()?;
    let place = match device.state {
        DeviceState::Seen => Place::Seen,
        DeviceState::Plugged => Place::Plugged {
            pod_uid: device.pod_uid.clone().unwrap_or_default(),
            container_id: device.container_id.clone().unwrap_or_default(),
        },
        DeviceState::Home => Place::Home,
        DeviceState::Released => Place::Released,
    };
    Some(Report {
        attachment: device.attachment_id.to_string(),
        place,
    })
}

/// The operator's own words: what went wrong last, or what it is about to do.
fn waits_for(status: &EniClaimStatus) -> String {
    if let Some(error) = &status.last_error {
        return format!("{}: {}", error.code, error.message);
    }
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.kind == kind::READY);
    match (ready, status.phase) {
        (Some(ready), _) if !ready.message.is_empty() => ready.message.clone(),
        (_, Some(phase)) => format!("its phase is {phase:?}"),
        (_, None) => "the operator has not looked at it yet".to_owned(),
    }
}

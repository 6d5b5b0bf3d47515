//! From the API's claim to the core's.

use crds::{
    ClaimStatus, EniClaim,
    claim::{self, DeviceState},
    condition::{PluggedReason, kind},
    interface::{InstanceMetadata, Route},
};
use ipnet::IpNet;
use kube::{ResourceExt, api::DynamicObject};
use node_agent_core::{
    claim::{
        Address, Attachment, BoundPod, Claim, ClaimKey, DefaultRoute, Destination, Dhcp, DhcpMode,
        Eni, Interface, Metadata, Mtu, Place, Report, Unreadable, Via, Wait,
    },
    picture::{Family, Folder, Sysctl},
    port::{Bridge, NodeAccess},
};

use crate::report::{is_outdated, reported_leases};

/// Namespace and name of a claim.
pub fn key(claim: &impl ResourceExt) -> ClaimKey {
    ClaimKey {
        namespace: claim.namespace().unwrap_or_default(),
        name: claim.name_any(),
    }
}

/// A claim from what the API server sent: it may be of another version of the operator, or edited by hand.
pub fn read(object: DynamicObject) -> Result<EniClaim, Unreadable> {
    let word = |name| {
        object
            .data
            .pointer(&format!("/status/binding/{name}"))?
            .as_str()
    };
    let pod = word("podName").zip(word("podUid"));
    let unreadable = Unreadable {
        key: key(&object),
        pod: pod.map(|(name, uid)| BoundPod {
            name: name.to_owned(),
            uid: uid.to_owned(),
        }),
        error: String::new(),
    };
    let read = match serde_json::to_value(object) {
        // With the path of the field that cannot be read.
        Ok(value) => serde_path_to_error::deserialize(value).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    read.map_err(|error| Unreadable {
        error,
        ..unreadable
    })
}

/// What the agent needs of a claim.
pub fn convert(claim: &EniClaim) -> Result<Claim, Unreadable> {
    let key = key(claim);
    let malformed = |error: String| Unreadable {
        key: key.clone(),
        pod: (claim.status.as_ref())
            .and_then(|status| status.binding.as_ref())
            .map(bound_pod),
        error,
    };
    let nothing = ClaimStatus::default();
    let status = claim.status.as_ref().unwrap_or(&nothing);
    let asked_as = claim.spec.interface.as_ref().map(|it| it.name.to_string());
    let interface = interface(status).map_err(malformed)?;
    let eni = match &status.eni {
        // Without addresses there is nothing to plug yet, unless leases bring them.
        Some(eni) if !interface.addresses.is_empty() || interface.dhcp.configures() => Some(Eni {
            id: eni.id.to_string(),
            mac: (eni.mac.as_str().parse())
                .map_err(|e| malformed(format!("status.eni.mac: {e}")))?,
        }),
        Some(_) | None => None,
    };
    let attachment = status.attachment.as_ref().and_then(|attachment| {
        Some(Attachment {
            id: attachment.id.as_ref()?.to_string(),
            instance: attachment.instance_id.to_string(),
            release: attachment.is_released(),
        })
    });
    Ok(Claim {
        pod: status.binding.as_ref().map(bound_pod),
        asked_as,
        eni,
        attachment,
        interface,
        reported: reported(status),
        outdated: is_outdated(claim),
        waits_for: waits_for(status),
        key,
    })
}

fn bound_pod(binding: &claim::Binding) -> BoundPod {
    BoundPod {
        name: binding.pod_name.to_string(),
        uid: binding.pod_uid.to_string(),
    }
}

fn interface(status: &ClaimStatus) -> Result<Interface, String> {
    let crds::Interface {
        name,
        mtu,
        default_route,
        routes,
        cluster_cidrs,
        instance_metadata,
        sysctls,
        dhcp,
        node_access,
    } = status.interface.clone().unwrap_or_default();
    let prefixes = status.ipam.iter().flat_map(|ipam| &ipam.prefixes);
    Ok(Interface {
        name: name.to_string(),
        mtu: mtu.map_or(Mtu::Usual, Mtu::Bytes),
        up: true,
        leased_mtu: None,
        metadata: match instance_metadata {
            InstanceMetadata::Blocked => Metadata::Blocked,
            InstanceMetadata::Allowed => Metadata::Allowed,
        },
        addresses: addresses(status)?,
        prefixes: prefixes.copied().collect(),
        default_route: match default_route {
            crds::interface::DefaultRoute::Never => DefaultRoute::Never,
            crds::interface::DefaultRoute::Fallback => DefaultRoute::Fallback,
            crds::interface::DefaultRoute::Primary => DefaultRoute::Primary,
        },
        destinations: routes.iter().map(destination).collect::<Result<_, _>>()?,
        cluster: cluster_cidrs.into_iter().collect(),
        sysctls: (sysctls.into_iter())
            .map(|(sysctl, value)| Ok((setting(sysctl)?, value)))
            .collect::<Result<_, String>>()?,
        dhcp: Dhcp {
            ipv4: mode(dhcp.ipv4),
            ipv6: mode(dhcp.ipv6),
        },
        node_access: node_access.map(access).transpose()?,
    })
}

fn access(access: crds::interface::NodeAccess) -> Result<NodeAccess, String> {
    let crds::interface::NodeAccess {
        bridge,
        mtu,
        subnet,
        ipv6_subnet,
        destinations,
    } = access;
    let subnets: Vec<IpNet> = subnet.into_iter().chain(ipv6_subnet).collect();
    if subnets.is_empty()
        || subnet.is_some_and(|it| it.addr().is_ipv6())
        || ipv6_subnet.is_some_and(|it| it.addr().is_ipv4())
    {
        return Err(
            "status.interface.nodeAccess: needs a subnet of IPv4, or an ipv6Subnet of IPv6"
                .to_owned(),
        );
    }
    Ok(NodeAccess {
        bridge: Bridge {
            name: bridge.to_string(),
            mtu,
        },
        subnets,
        destinations: destinations.into_iter().collect(),
    })
}

fn mode(mode: crds::interface::DhcpMode) -> DhcpMode {
    match mode {
        crds::interface::DhcpMode::Disabled => DhcpMode::Disabled,
        crds::interface::DhcpMode::Maintain => DhcpMode::Maintain,
        crds::interface::DhcpMode::Configure => DhcpMode::Configure,
    }
}

fn destination(route: &Route) -> Result<Destination, String> {
    let Route { dst, via } = route;
    if via.is_some_and(|via| via.is_ipv4() != dst.addr().is_ipv4()) {
        return Err(format!(
            "status.interface.routes: {dst} has a router of the other family"
        ));
    }
    Ok(Destination {
        to: *dst,
        via: via.map_or(Via::Subnet, Via::Router),
    })
}

/// net, family, folder, IFNAME, name.
fn setting(sysctl: crds::sysctl::Sysctl) -> Result<Sysctl, String> {
    let key = sysctl.key();
    let parts: Vec<_> = key.split('.').collect();
    let (family, folder, name) = match parts[..] {
        ["net", "ipv4", folder, "IFNAME", name] => (Family::V4, folder, name),
        ["net", "ipv6", folder, "IFNAME", name] => (Family::V6, folder, name),
        _ => return Err(format!("{key} is no setting of an interface")),
    };
    let folder = match folder {
        "conf" => Folder::Conf,
        "neigh" => Folder::Neigh,
        _ => return Err(format!("{key} is no setting of an interface")),
    };
    Ok(Sysctl {
        family,
        folder,
        name,
    })
}

/// Those of a family have one gateway, for an ENI is in one subnet: with two there would be two default routes in its table.
fn addresses(status: &ClaimStatus) -> Result<Vec<Address>, String> {
    let addresses = status.ipam.iter().flat_map(|ipam| &ipam.addresses);
    let addresses: Vec<Address> = addresses.map(address).collect::<Result<_, _>>()?;
    for family in [Family::V4, Family::V6] {
        let of_family = addresses.iter().filter(|it| Family::of(it.ip) == family);
        let mut gateways = of_family.filter_map(|address| address.gateway);
        if let Some(first) = gateways.next()
            && let Some(other) = gateways.find(|gateway| *gateway != first)
        {
            return Err(format!(
                "status.ipam.addresses: {family} has the gateways {first} and {other}, and an ENI is in one subnet"
            ));
        }
    }
    Ok(addresses)
}

fn address(of: &claim::Address) -> Result<Address, String> {
    let longest = if of.address.is_ipv4() { 32 } else { 128 };
    if of.prefix_length > longest || of.address.is_ipv4() != of.gateway.is_ipv4() {
        return Err(format!(
            "status.ipam.addresses: {}/{} with gateway {}",
            of.address, of.prefix_length, of.gateway
        ));
    }
    Ok(Address {
        ip: of.address,
        prefix: of.prefix_length,
        gateway: Some(of.gateway),
    })
}

fn reported(status: &ClaimStatus) -> Option<Report> {
    let device = status.device.as_ref()?;
    let pod_uid = || device.pod_uid.clone().unwrap_or_default().to_string();
    let container_id = || device.container_id.clone().unwrap_or_default().into();
    let plugged = status.condition(kind::PLUGGED);
    let place = match device.state {
        DeviceState::Seen => Place::Seen,
        DeviceState::Plugged
            if plugged.is_some_and(|it| it.reason == PluggedReason::Hidden.as_str()) =>
        {
            Place::Hidden {
                pod_uid: pod_uid(),
                container_id: container_id(),
            }
        }
        DeviceState::Plugged => Place::Plugged {
            pod_uid: pod_uid(),
            container_id: container_id(),
        },
        DeviceState::Home => Place::Home,
        DeviceState::Released => Place::Released,
    };
    Some(Report {
        attachment: device.attachment_id.to_string(),
        leases: reported_leases(status),
        node_access: device.node_access.clone(),
        place,
    })
}

/// The operator's own words: what went wrong last, or what it is about to do.
fn waits_for(status: &ClaimStatus) -> Wait {
    if let Some(blocked) = status.blocked() {
        return Wait::Blocked(format!("{}: {}", blocked.reason, blocked.message));
    }
    let ready = status.condition(kind::READY).map(|ready| &ready.message);
    Wait::Progress(match ready {
        Some(message) if !message.is_empty() => message.to_string(),
        Some(_) | None => "the eniclaim-operator has not looked at it yet".to_owned(),
    })
}

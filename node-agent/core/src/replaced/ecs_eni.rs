//! ecs-eni: the form of its documentation (`ipv4-address`), and the later one (`ip-addresses`).

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::Ipv4Net;

use super::{
    keys::{Keys, address},
    mtu::{MTUS, for_ipv6},
};
use crate::{
    claim::{Address, DefaultRoute, Dhcp, DhcpMode, Eni, Interface, Metadata, Mtu},
    facts::Explicit,
    layout::ROUTER_V6,
    mac::Mac,
    picture::Family,
};

/// Of a VPC's subnets ("Subnet sizing for IPv4", Amazon VPC User Guide).
const PREFIXES: std::ops::RangeInclusive<u8> = 16..=28;
/// Likewise for IPv6, where the documented form says none.
const PREFIX_V6: u8 = 64;

/// The key of the documented form for the ENI's address.
pub(super) const ADDRESS: &str = "ipv4-address";
/// The key of the documented form for the router of the ENI's subnet.
pub(super) const GATEWAY: &str = "subnetgateway-ipv4-address";

pub(super) fn read(keys: &mut Keys, if_name: &str) -> Result<Explicit, String> {
    let eni = keys.text("eni")?;
    let eni = eni.ok_or("eni is missing; write the id of the ENI")?;
    let mac = keys.text("mac")?;
    let mac = mac.ok_or("mac is missing; write the MAC address of the ENI")?;
    let up = !keys.flag("stay-down")?;
    let blocked = keys.flag("block-instance-metadata")?;
    let later = keys.texts("ip-addresses")?;
    let ipv4 = keys.text(ADDRESS)?;
    let (addresses, ipv4_dhcp) = match ipv4 {
        Some(_) if !later.is_empty() => {
            return Err(
                "ip-addresses and ipv4-address both say the ENI's addresses; remove the latter"
                    .to_owned(),
            );
        }
        Some(ipv4) => (documented(keys, &ipv4)?, DhcpMode::Maintain),
        None => (listed(keys, &later)?, DhcpMode::Disabled),
    };
    if addresses.is_empty() && up {
        return Err("ip-addresses is missing; write the ENI's addresses with the prefix length of their subnets, for example [\"10.0.1.50/24\"]".to_owned());
    }
    let has_ipv6 = addresses.iter().any(|address| address.ip.is_ipv6());
    let mtu = mtu(keys, has_ipv6)?;
    let interface = Interface {
        name: if_name.to_owned(),
        up,
        // One that is not set up is left as it is.
        mtu: if up { mtu } else { Mtu::AsFound },
        leased_mtu: None,
        node_access: None,
        metadata: if blocked {
            Metadata::Blocked
        } else {
            Metadata::Allowed
        },
        addresses: if up { addresses } else { Vec::new() },
        prefixes: Vec::new(),
        default_route: DefaultRoute::Fallback,
        destinations: Vec::new(),
        cluster: BTreeSet::new(),
        sysctls: BTreeMap::new(),
        dhcp: Dhcp {
            ipv4: if up { ipv4_dhcp } else { DhcpMode::Disabled },
            ipv6: DhcpMode::Disabled,
        },
    };
    let mac = spelled(&mac)?;
    Ok(Explicit {
        eni: Eni { id: eni, mac },
        interface,
    })
}

/// Of the later form.
fn listed(keys: &mut Keys, texts: &[String]) -> Result<Vec<Address>, String> {
    let gateways = gateways(keys)?;
    let mut addresses: Vec<Address> = Vec::new();
    for text in texts {
        let (ip, prefix) = address("ip-addresses", text)?;
        let prefix = prefix.ok_or_else(|| {
            format!("ip-addresses {text:?} has no prefix length; write that of its subnet, for example \"{ip}/24\"")
        })?;
        if addresses.iter().any(|address| address.ip == ip) {
            keys.warn(format!("ip-addresses has {ip} twice"));
            continue;
        }
        let gateway = gateways.get(&Family::of(ip)).copied();
        addresses.push(Address {
            ip,
            prefix,
            gateway: gateway.or_else(|| router(ip)),
        });
    }
    for (family, gateway) in &gateways {
        let of_family = |address: &Address| Family::of(address.ip) == *family;
        if !addresses.iter().any(of_family) {
            keys.warn(format!(
                "gateway-ip-addresses has {gateway}, and ip-addresses no address of its family"
            ));
        }
    }
    Ok(addresses)
}

/// The first gateway of each family.
fn gateways(keys: &mut Keys) -> Result<BTreeMap<Family, IpAddr>, String> {
    let mut gateways = BTreeMap::new();
    for text in keys.texts("gateway-ip-addresses")? {
        let (ip, _) = address("gateway-ip-addresses", &text)?;
        let first = *gateways.entry(Family::of(ip)).or_insert(ip);
        if first != ip {
            keys.warn(format!(
                "gateway-ip-addresses has {ip} behind {first}, which is the gateway"
            ));
        }
    }
    Ok(gateways)
}

/// Of the documented form.
fn documented(keys: &mut Keys, text: &str) -> Result<Vec<Address>, String> {
    let gateway = keys.text(GATEWAY)?;
    let (IpAddr::V4(ip), own) = address(ADDRESS, text)? else {
        return Err(format!("ipv4-address {text:?} is no address of IPv4"));
    };
    let gateway = match gateway {
        None => None,
        Some(text) => match address(GATEWAY, &text)? {
            (IpAddr::V4(ip), Some(prefix)) => Some((ip, prefix)),
            _ => {
                return Err(format!(
                    "{GATEWAY} {text:?} must be an address of IPv4 with a prefix length, for example \"10.0.1.1/24\""
                ));
            }
        },
    };
    let prefix = own.or(gateway.map(|(_, prefix)| prefix)).ok_or_else(|| {
        format!("ipv4-address {ip} has no prefix length; write that of its subnet, for example \"{ip}/24\", or add {GATEWAY}")
    })?;
    if !PREFIXES.contains(&prefix) {
        return Err(format!(
            "the prefix length of ipv4-address is {prefix}; that of a VPC's subnets is 16 to 28"
        ));
    }
    // The router of a VPC's subnet: "Subnet sizing for IPv4", Amazon VPC User Guide.
    let first = Ipv4Net::new(ip, prefix).map(|subnet| subnet.hosts().next());
    let gateway = gateway.map(|(ip, _)| ip).or(first.ok().flatten());
    let ipv4 = Address {
        ip: ip.into(),
        prefix,
        gateway: gateway.map(IpAddr::V4),
    };
    let ipv6 = match keys.text("ipv6-address")? {
        None => None,
        Some(text) => match address("ipv6-address", &text)? {
            (ip @ IpAddr::V6(_), prefix) => Some(Address {
                ip,
                prefix: prefix.unwrap_or(PREFIX_V6),
                gateway: router(ip),
            }),
            (IpAddr::V4(_), _) => {
                return Err(format!("ipv6-address {text:?} is no address of IPv6"));
            }
        },
    };
    Ok([Some(ipv4), ipv6].into_iter().flatten().collect())
}

/// The router of every subnet of IPv6, which the originals learned from its advertisements.
fn router(ip: IpAddr) -> Option<IpAddr> {
    ip.is_ipv6().then_some(ROUTER_V6.into())
}

/// 0: as the device has it.
fn mtu(keys: &mut Keys, has_ipv6: bool) -> Result<Mtu, String> {
    match keys.number("mtu")? {
        None | Some(0) => Ok(Mtu::AsFound),
        Some(mtu) if !MTUS.contains(&mtu) => Err(format!(
            "mtu {mtu} must be 68 to 65535 bytes, or 0: as it is"
        )),
        Some(mtu) => {
            for_ipv6(mtu, has_ipv6)?;
            Ok(u32::try_from(mtu).map_or(Mtu::AsFound, Mtu::Bytes))
        }
    }
}

/// A MAC address in any usual spelling: by colons, hyphens, or points in groups of four digits.
pub(super) fn spelled(text: &str) -> Result<Mac, String> {
    let refuse = || format!("mac {text:?} is no MAC address, for example \"0a:1b:2c:3d:4e:5f\"");
    let groups = |separator, digits| {
        let mut groups = text.split(separator);
        groups.all(|group: &str| group.len() == digits)
    };
    if ![(':', 2), ('-', 2), ('.', 4)]
        .into_iter()
        .any(|(separator, digits)| groups(separator, digits))
    {
        return Err(refuse());
    }
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok());
    let bytes: Option<Vec<u8>> = bytes.collect();
    bytes
        .and_then(|bytes| Mac::try_from(bytes.as_slice()).ok())
        .ok_or_else(refuse)
}

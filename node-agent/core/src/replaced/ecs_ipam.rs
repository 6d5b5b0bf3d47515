//! ecs-ipam: subnets, and what is wanted of them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::keys::{Keys, address};
use crate::{
    picture::Family,
    port::{self, Pool, PortAsked, PortRoute},
};

/// The keys of a family.
struct Names {
    family: Family,
    subnet: &'static str,
    address: &'static str,
    gateway: &'static str,
    routes: &'static str,
    /// The longest prefix that leaves room for a gateway and an address.
    longest: u8,
    example: &'static str,
}

const FAMILIES: [Names; 2] = [
    Names {
        family: Family::V4,
        subnet: "ipv4-subnet",
        address: "ipv4-address",
        gateway: "ipv4-gateway",
        routes: "ipv4-routes",
        longest: 30,
        example: "169.254.172.0/22",
    },
    Names {
        family: Family::V6,
        subnet: "ipv6-subnet",
        address: "ipv6-address",
        gateway: "ipv6-gateway",
        routes: "ipv6-routes",
        longest: 126,
        example: "fd00:ec2::172:0/112",
    },
];

/// Which addresses are given back: those, or those of the id, or those of the container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// Addresses, which are meant whatever the id is.
    pub addresses: Vec<IpAddr>,
    /// What the configuration called them.
    pub id: Option<String>,
}

/// The section `ipam` of a configuration.
pub(super) fn section(keys: &mut Keys) -> Result<Keys, String> {
    let section = keys.section("ipam")?;
    section.ok_or_else(|| {
        format!("ipam is missing; write where addresses come from, for example {{\"type\": \"ecs-ipam\", \"ipv4-subnet\": {:?}}}", FAMILIES[0].example)
    })
}

pub(super) fn read(ipam: &mut Keys) -> Result<PortAsked, String> {
    let id = ipam.text("id")?;
    let (mut pools, mut routes) = (Vec::new(), Vec::new());
    for names in &FAMILIES {
        let pool = pool(ipam, names)?;
        let of_family = ipam.routes(names.routes)?;
        for (to, gateway) in of_family {
            routes.push(route(names, &to, gateway.as_deref())?);
        }
        pools.extend(pool);
    }
    if pools.is_empty() {
        return Err(format!(
            "ipam has no subnet; add ipv4-subnet or ipv6-subnet, for example \"ipv4-subnet\": {:?}",
            FAMILIES[0].example
        ));
    }
    Ok(PortAsked {
        id,
        bridge: None,
        pools,
        routes,
        pod: None,
    })
}

/// What of a configuration says what is given back. What cannot be read says nothing.
pub(super) fn release(text: &str) -> Release {
    let mut ipam = Keys::parse(text).and_then(|mut keys| section(&mut keys));
    let Ok(ipam) = &mut ipam else {
        return Release::default();
    };
    let mut text = |key| ipam.text(key).ok().flatten();
    let id = text("id");
    let addresses = FAMILIES
        .iter()
        .filter_map(|names| Some((names.address, text(names.address)?)));
    let addresses = addresses.filter_map(|(key, text)| Some(address(key, &text).ok()?.0));
    Release {
        addresses: addresses.collect(),
        id,
    }
}

fn pool(ipam: &mut Keys, names: &Names) -> Result<Option<Pool>, String> {
    let wanted = ipam.text(names.address)?;
    let gateway = ipam.text(names.gateway)?;
    let Some(text) = ipam.text(names.subnet)? else {
        for (key, value) in [(names.address, wanted), (names.gateway, gateway)] {
            if value.is_some() {
                return Err(format!(
                    "{key} has no effect without {}; add that",
                    names.subnet
                ));
            }
        }
        return Ok(None);
    };
    let subnet = match address(names.subnet, &text)? {
        (ip, Some(prefix)) if Family::of(ip) == names.family => IpNet::new(ip, prefix),
        _ => {
            return Err(format!(
                "{} {text:?} is no subnet of {}, for example {:?}",
                names.subnet, names.family, names.example
            ));
        }
    };
    let subnet = subnet.map_err(|error| format!("{} {text:?}: {error}", names.subnet))?;
    let subnet = subnet.trunc();
    if subnet.prefix_len() > names.longest {
        return Err(format!(
            "{} {text:?} has no room for a gateway and an address; its prefix must have at most {} bits",
            names.subnet, names.longest
        ));
    }
    let gateway = match gateway {
        None => port::first(subnet),
        Some(text) => of_subnet(names.gateway, &text, subnet)?.0,
    };
    let wanted = match wanted {
        None => None,
        Some(text) => {
            let (ip, prefix) = of_subnet(names.address, &text, subnet)?;
            if ip == gateway {
                return Err(format!(
                    "{} {text:?} is the gateway of the subnet; choose another address",
                    names.address
                ));
            }
            let prefix = prefix.unwrap_or(subnet.prefix_len());
            Some(IpNet::new(ip, prefix).map_err(|error| format!("{}: {error}", names.address))?)
        }
    };
    Ok(Some(Pool {
        subnet,
        gateway,
        address: wanted,
    }))
}

/// An address of the subnet that can be somebody's.
fn of_subnet(key: &str, text: &str, subnet: IpNet) -> Result<(IpAddr, Option<u8>), String> {
    let (ip, prefix) = address(key, text)?;
    if !subnet.contains(&ip) {
        return Err(format!("{key} {text:?} is not in the subnet {subnet}"));
    }
    if !port::is_given(subnet, ip) {
        return Err(format!(
            "{key} {text:?} stands for all of the subnet {subnet}; choose another address of it"
        ));
    }
    Ok((ip, prefix))
}

fn route(names: &Names, to: &str, gateway: Option<&str>) -> Result<PortRoute, String> {
    let Names { family, routes, .. } = names;
    let (ip, prefix) = address(routes, to)?;
    if Family::of(ip) != *family {
        return Err(format!("{routes}: {to:?} is no destination of {family}"));
    }
    // A destination without a prefix length is a host.
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    let to = IpNet::new(ip, prefix.unwrap_or(longest));
    let to = to.map_err(|error| format!("{routes}: {ip}: {error}"))?;
    let gateway = match gateway {
        None => None,
        Some(text) => {
            let (ip, _) = address(routes, text)?;
            if Family::of(ip) != *family {
                return Err(format!("{routes}: gw {text:?} is no address of {family}"));
            }
            Some(ip)
        }
    };
    Ok(PortRoute {
        to: to.trunc(),
        gateway,
    })
}

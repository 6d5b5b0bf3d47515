//! ecs-bridge: a port of a bridge, with addresses of ecs-ipam.

use super::{
    ecs_ipam,
    keys::Keys,
    mtu::{MTUS, for_ipv6},
};
use crate::port::{Bridge, PortAsked};

/// What it was without the key.
const MTU: u32 = 1500;
/// `IFNAMSIZ` of `include/uapi/linux/if.h`, without the byte that ends it.
const LONGEST_NAME: usize = 15;

pub(super) fn read(keys: &mut Keys) -> Result<PortAsked, String> {
    let name = keys.text("bridge")?;
    let name =
        name.ok_or("bridge is missing; write the name of the bridge, for example \"ecs-br0\"")?;
    // `dev_valid_name` in net/core/dev.c.
    let invalid = |c: char| c == '/' || c == ':' || c.is_whitespace();
    if name.len() > LONGEST_NAME || matches!(&*name, "." | "..") || name.contains(invalid) {
        return Err(format!(
            "bridge {name:?} is no name of an interface; it must have at most {LONGEST_NAME} characters, none of them '/', ':' or a space"
        ));
    }
    let mtu = keys.number("mtu")?;
    let mut ipam = ecs_ipam::section(keys)?;
    match ipam.text("type")?.as_deref() {
        Some("ecs-ipam") => {}
        Some(other) => {
            return Err(format!(
                "ipam.type {other:?} is not supported; eniclaim gives the addresses itself, as \"ecs-ipam\""
            ));
        }
        None => return Err("ipam.type is missing; write \"ecs-ipam\"".to_owned()),
    }
    let asked = ecs_ipam::read(&mut ipam)?;
    keys.adopt(ipam);
    let has_ipv6 = asked.pools.iter().any(|pool| pool.gateway.is_ipv6());
    let mtu = match mtu {
        None | Some(0) => MTU,
        Some(mtu) if !MTUS.contains(&mtu) => {
            return Err(format!("mtu {mtu} must be 68 to 65535 bytes"));
        }
        Some(mtu) => u32::try_from(mtu).unwrap_or(MTU),
    };
    for_ipv6(mtu.into(), has_ipv6)?;
    for route in &asked.routes {
        let is_ours = |gateway: &_| asked.pools.iter().any(|pool| pool.gateway == *gateway);
        if let Some(gateway) = route.gateway.filter(|gateway| !is_ours(gateway)) {
            return Err(format!(
                "the route to {} has the gw {gateway}, which is no gateway of the bridge; its containers reach the node alone",
                route.to
            ));
        }
    }
    Ok(PortAsked {
        bridge: Some(Bridge { name, mtu }),
        ..asked
    })
}

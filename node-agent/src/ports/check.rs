//! Compares a port with what it should be.

use node_agent_core::{
    difference::differences,
    picture::{Family, Link, Picture},
    port::{Port, PortKey, layout},
};

use super::{guard::Around, open};
use crate::{error::Error, kernel::namespace::Namespace, plug::Node};

/// What differs, in the container and on the node.
pub fn check(
    node: &Node,
    pod: &Namespace,
    key: PortKey,
    port: &Port,
    bridge: &str,
) -> Result<(), Error> {
    let mut found = on_node(node, key, port, bridge)?;
    found.extend(in_pod(pod, key, port)?);
    if found.is_empty() {
        Ok(())
    } else {
        Err(Error::NotAsWanted { differences: found })
    }
}

fn on_node(node: &Node, key: PortKey, port: &Port, bridge: &str) -> Result<Vec<String>, Error> {
    let end = key.host_end();
    let mut netlink = node.host.inside(open)??;
    let looking = || Error::netlink("look at a link");
    let bridged = netlink.named(bridge).map_err(looking())?;
    let Some(here) = netlink.named(&end).map_err(looking())? else {
        return Ok(vec![format!("its end {end} on the node is missing")]);
    };
    let mut found = Vec::new();
    let index = bridged.map(|bridge| bridge.device.index);
    if index.is_none() || here.bridge != index {
        found.push(format!("its end {end} is no port of the bridge {bridge}"));
    }
    if !here.device.is_up() {
        found.push(format!("its end {end} on the node is down"));
    }
    let around = Around::read(node, &mut netlink)?;
    found.extend(around.differences(node, key, port)?);
    Ok(found)
}

fn in_pod(pod: &Namespace, key: PortKey, port: &Port) -> Result<Vec<String>, Error> {
    let mut netlink = pod.inside(open)??;
    let named = netlink.named(port.name());
    let Some(there) = named.map_err(Error::netlink("look at a link of the pod"))? else {
        return Ok(vec!["the interface is missing".to_owned()]);
    };
    let device = there.device;
    let addresses = netlink.addresses(device.index);
    let addresses = addresses.map_err(Error::netlink("list the addresses of the pod"))?;
    let mut seen = Picture {
        link: Some(Link {
            name: device.name.clone(),
            up: device.is_up(),
            mtu: device.mtu,
        }),
        addresses: addresses.all,
        ..Picture::default()
    };
    for family in [Family::V4, Family::V6] {
        match netlink.main_routes(family, device.index) {
            Ok(routes) => seen.routes.extend(routes),
            Err(_) if family == Family::V6 => {}
            Err(error) => return Err(Error::netlink("list the routes of the pod")(error)),
        }
    }
    let mtu = port.bridge.as_ref().map_or(device.mtu, |bridge| bridge.mtu);
    let mut found = differences(&seen, &layout(port, mtu));
    if device.address != Some(key.mac()) {
        found.push(format!("the MAC address is not {}", key.mac()));
    }
    Ok(found)
}

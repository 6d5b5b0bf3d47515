//! Adds a port, keeps the journal ahead of it, and makes the answer.

use std::net::IpAddr;

use cni::protocol::{Added, AddedAddress, AddedRoute, Addressed, Reply};
use ipnet::IpNet;
use node_agent_core::{
    facts::ports::Wanted,
    port::{Port, PortKey, PortState},
};

use crate::{
    kernel::{link::Device, namespace::Namespace},
    plug::{Deferred, Node},
    ports::{self, Failed, Files, Left, Made},
};

/// What it takes to add a port.
pub(super) struct Adding<'a> {
    pub node: &'a Node,
    pub files: &'a Files,
    /// The container's namespace; none where addresses alone are given.
    pub netns: Option<&'a Namespace>,
}

impl Adding<'_> {
    /// The journal first: whatever happens then, the next agent knows whose the addresses are.
    pub fn add(
        &self,
        key: PortKey,
        mut port: Port,
        wanted: Option<&Wanted>,
    ) -> Result<(Port, Reply, Deferred), Failed> {
        let as_before = |error| Failed {
            error,
            left: Left::AsBefore,
        };
        if let Some(netns) = self.netns {
            port.netns = Some(netns.identify().map_err(as_before)?);
        }
        let known = port.state == PortState::Added;
        if !known {
            self.files.write(key, &port).map_err(as_before)?;
        }
        let made = match (wanted, self.netns) {
            (Some(wanted), Some(netns)) => {
                let made = ports::add(self.node, netns, key, &mut port, wanted);
                Some(made.map_err(|failed| self.undone(key, known, failed))?)
            }
            (None, _) | (_, None) => None,
        };
        port.state = PortState::Added;
        if let Err(error) = self.files.write(key, &port) {
            let left = Left::after(ports::delete(self.node, key, &port).err());
            return Err(self.undone(key, known, Failed { error, left }));
        }
        let reply = reply(&port, key, made.as_ref());
        let commits = made.map(|made| made.commits).unwrap_or_default();
        Ok((port, reply, Deferred::from(commits)))
    }

    /// What is gone goes from the journal as well.
    fn undone(&self, key: PortKey, known: bool, mut failed: Failed) -> Failed {
        let is_gone = match failed.left {
            Left::Nothing => true,
            Left::AsBefore => !known,
            Left::Unknown(_) => false,
        };
        if is_gone {
            failed.left = Left::after(self.files.remove(key).err());
        }
        failed
    }
}

fn reply(port: &Port, key: PortKey, made: Option<&Made>) -> Reply {
    let addresses = port.addresses.iter().map(|one| AddedAddress {
        address: one.address.to_string(),
        gateway: Some(one.gateway.to_string()),
    });
    let addresses = addresses.collect();
    let route = |to: IpNet, gateway: Option<IpAddr>| AddedRoute {
        to: to.to_string(),
        gateway: gateway.map(|gateway| gateway.to_string()),
    };
    let Some(made) = made else {
        let routes = port.routes.iter();
        return Reply::Addresses(Addressed {
            addresses,
            routes: routes.map(|one| route(one.to, one.gateway)).collect(),
            device: None,
        });
    };
    let on_node = |device: &Device| Added {
        name: device.name.clone(),
        on_node: true,
        mac: device
            .address
            .map(|mac| mac.to_string())
            .unwrap_or_default(),
        mtu: device.mtu,
        pci_id: None,
        addresses: Vec::new(),
        routes: Vec::new(),
    };
    let to_gateways = port
        .addresses
        .iter()
        .map(|one| (one.gateway.into(), one.gateway));
    let routes = port.routes().into_iter().chain(to_gateways);
    let there = Added {
        name: port.name().to_owned(),
        on_node: false,
        mac: key.mac().to_string(),
        mtu: made.mtu,
        pci_id: None,
        addresses,
        routes: routes.map(|(to, via)| route(to, Some(via))).collect(),
    };
    Reply::Added(vec![on_node(&made.bridge), on_node(&made.here), there])
}

//! What the plugin is answered where it is the IPAM plugin of another one.

use cni::{
    CniError,
    error::code,
    protocol::{self, AddedAddress, Addressed, Device, Reply},
};
use node_agent_core::{
    claim::Address,
    layout::default_routes,
    plan::{Given, addresses},
};
use telemetry::Outcome;

use crate::engine::{Engine, work::route};

impl Engine {
    /// The addresses of the pod's claim. Nothing is moved, and nothing is waited for.
    pub(super) fn addresses(&self, asked: &protocol::Addresses) -> Reply {
        let protocol::Addresses { sandbox, pod } = asked;
        let asking = match super::callers::pod(pod.clone()) {
            Ok(asking) => asking,
            Err(error) => return Reply::Failed(error),
        };
        let found = addresses(&self.facts, &asking, &sandbox.if_name);
        let outcome = match &found {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Waiting,
        };
        self.parts.metrics.addressed(outcome);
        tracing::info!(
            pod = format!("{}/{}", pod.namespace, pod.name),
            command = "IPAM",
            container = sandbox.container_id,
            outcome = outcome.as_str(),
            error = found.as_ref().err(),
            "the addresses of the pod's ENI were asked for"
        );
        match found {
            Ok(interface) => Reply::Addresses(Addressed {
                addresses: added_addresses(&interface.addresses),
                routes: default_routes(interface).into_iter().map(route).collect(),
                device: None,
            }),
            Err(why) => Reply::Failed(CniError::new(code::TRY_LATER, why)),
        }
    }

    /// The addresses of a claim, with the device that another plugin moves.
    pub(super) fn given(&self, given: Given) -> Reply {
        let Given {
            addresses,
            routes,
            device,
        } = given;
        let device = device.and_then(|mac| {
            Some(Device {
                index: self.parts.node.last_index(mac)?,
                mac: mac.to_string(),
            })
        });
        Reply::Addresses(Addressed {
            addresses: added_addresses(&addresses),
            routes: routes.into_iter().map(route).collect(),
            device,
        })
    }
}

/// Addresses with the prefix of their subnet.
pub(super) fn added_addresses(addresses: &[Address]) -> Vec<AddedAddress> {
    let addresses = addresses.iter().map(|address| AddedAddress {
        address: format!("{}/{}", address.ip, address.prefix),
        gateway: address.gateway.map(|gateway| gateway.to_string()),
    });
    addresses.collect()
}

//! Configurations of ecs-eni that leave the subnet of the ENI to the instance metadata service, as those of its documentation may.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use serde_json::{Map, Value};

use super::{
    ecs_eni::{GATEWAY, spelled},
    keys::{Keys, address},
};
use crate::mac::Mac;

/// One whose `ipv4-address` has no prefix length, without a gateway that has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithoutSubnet {
    /// The ENI.
    pub mac: Mac,
    /// Its address.
    pub ip: Ipv4Addr,
    keys: Map<String, Value>,
}

impl WithoutSubnet {
    /// `None`: the configuration of this plugin is not one of them, or wrong in a way that [`read`](super::read) says.
    pub fn find(plugin: &str, text: &str) -> Option<Self> {
        if plugin != "ecs-eni" {
            return None;
        }
        let mut keys = Keys::parse(text).ok()?;
        let (IpAddr::V4(ip), None) = address("", &keys.text("ipv4-address").ok()??).ok()? else {
            return None;
        };
        let mac = spelled(&keys.text("mac").ok()??).ok()?;
        let later = keys.texts("ip-addresses").ok()?;
        let is_lacking = later.is_empty() && keys.text(GATEWAY).ok()?.is_none();
        let mut keys: Map<String, Value> = serde_json::from_str(text).ok()?;
        // It may be there, and be null or empty.
        keys.retain(|key, _| !key.eq_ignore_ascii_case(GATEWAY));
        is_lacking.then_some(Self { mac, ip, keys })
    }

    /// The configuration with the gateway of this subnet.
    ///
    /// # Errors
    /// One sentence: the address is of another subnet.
    pub fn complete(mut self, subnet: Ipv4Net) -> Result<String, String> {
        let ip = self.ip;
        if !subnet.contains(&ip) {
            return Err(format!(
                "ipv4-address {ip} is not in {subnet}, which is the subnet of {} by the instance metadata service; correct the address or mac",
                self.mac
            ));
        }
        // The router of a VPC's subnet: "Subnet sizing for IPv4", Amazon VPC User Guide.
        let router = subnet.hosts().next().unwrap_or(subnet.addr());
        let gateway = format!("{router}/{}", subnet.prefix_len());
        self.keys.insert(GATEWAY.to_owned(), gateway.into());
        Ok(Value::Object(self.keys).to_string())
    }

    /// The sentence where the service does not say the subnet, and why.
    pub fn unknown(&self, why: &str) -> String {
        let ip = self.ip;
        format!(
            "ipv4-address {ip} has no prefix length, and the instance metadata service does not say the subnet of {}: {why}; write the prefix length, \
             for example \"{ip}/24\", or add {GATEWAY}",
            self.mac
        )
    }
}

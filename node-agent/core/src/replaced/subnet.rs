//! Configurations of ecs-eni that leave the subnet of the ENI to the instance metadata service, as those of its documentation may.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use serde_json::{Map, Value};

use super::{
    ecs_eni::{ADDRESS, GATEWAY, spelled},
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
    /// All keys but that of the address.
    keys: Map<String, Value>,
}

impl WithoutSubnet {
    /// `None`: the configuration of this plugin is not one of them, or wrong in a way that [`read`](super::read) says.
    pub fn find(plugin: &str, text: &str) -> Option<Self> {
        if plugin != "ecs-eni" {
            return None;
        }
        let mut keys = Keys::parse(text).ok()?;
        let (IpAddr::V4(ip), None) = address(ADDRESS, &keys.text(ADDRESS).ok()??).ok()? else {
            return None;
        };
        let mac = spelled(&keys.text("mac").ok()??).ok()?;
        let later = keys.texts("ip-addresses").ok()?;
        let is_lacking = later.is_empty() && keys.text(GATEWAY).ok()?.is_none();
        let mut keys: Map<String, Value> = serde_json::from_str(text).ok()?;
        keys.retain(|key, _| !key.eq_ignore_ascii_case(ADDRESS));
        is_lacking.then_some(Self { mac, ip, keys })
    }

    /// The configuration with the prefix length of this subnet.
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
        let address = format!("{ip}/{}", subnet.prefix_len());
        self.keys.insert(ADDRESS.to_owned(), address.into());
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

//! Networks and routers, as they are written in a class.

use ipnet::IpNet;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};
use smol_str::SmolStr;

use crate::id::NotAnId;

/// A network, whose address has no bits beyond its prefix.
pub fn network(text: &str) -> Result<IpNet, NotAnId> {
    let parsed = text.split_once('/').and_then(|(address, prefix)| {
        // By the standard library: `IpNet` would take 010.8.0.0 for 10.8.0.0.
        let network = IpNet::new(address.parse().ok()?, prefix.parse().ok()?).ok()?;
        (network == network.trunc()).then_some(network)
    });
    parsed.ok_or_else(|| NotAnId {
        value: text.to_owned(),
        what: "a network in CIDR notation without host bits",
        example: "10.8.0.0/16",
    })
}

/// Reads a field that is a network.
pub(crate) fn one<'de, D: Deserializer<'de>>(field: D) -> Result<IpNet, D::Error> {
    network(&SmolStr::deserialize(field)?).map_err(Error::custom)
}

/// Reads a field that is a network, or nothing.
pub(crate) fn optional<'de, D: Deserializer<'de>>(field: D) -> Result<Option<IpNet>, D::Error> {
    one(field).map(Some)
}

/// Reads a field that is a list of networks.
pub(crate) fn several<'de, D: Deserializer<'de>>(field: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<SmolStr>::deserialize(field)?;
    let networks: Result<_, _> = texts.iter().map(|text| network(text)).collect();
    networks.map_err(Error::custom)
}

/// The schema of a network.
pub(crate) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "maxLength": 43,
        "x-kubernetes-validations": [{
            "rule": "isCIDR(self) && cidr(self) == cidr(self).masked()",
            "message": "is not a network in CIDR notation without host bits, for example 10.8.0.0/16"
        }]
    })
}

/// The schema of an address.
pub(crate) fn ip(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 45, "pattern": "^[0-9a-f.:]+$" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_no_host_bits() {
        for good in [
            "10.8.0.0/16",
            "0.0.0.0/0",
            "10.0.1.7/32",
            "fd00::/8",
            "::/0",
            "2001:db8::1/128",
        ] {
            assert_eq!(network(good).unwrap().to_string(), good);
        }
        for bad in [
            "10.8.0.1/16",
            "010.8.0.0/16",
            "10.8.0.0",
            "10.8.0.0/33",
            "fd00::1/64",
            "::/129",
            "a/8",
            "10.8.0.0/-1",
        ] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }
}

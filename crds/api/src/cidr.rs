//! Networks and routers, as they are written in a class.

use std::{fmt, net::IpAddr, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr};

use crate::id::NotAnId;

/// A network: its first address and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Its first address.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Length of its prefix.
    pub fn prefix(self) -> u8 {
        self.prefix
    }
}

impl FromStr for Cidr {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let address: IpAddr = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            has_no_host_bits(address, prefix).then_some(Self { address, prefix })
        });
        parsed.ok_or_else(|| NotAnId {
            value: text.to_owned(),
            what: "a network in CIDR notation without host bits",
            example: "10.8.0.0/16",
        })
    }
}

fn has_no_host_bits(address: IpAddr, prefix: u8) -> bool {
    let (bits, length) = match address {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)) << 96, 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    prefix <= length && bits.checked_shl(u32::from(prefix)).unwrap_or(0) == 0
}

impl TryFrom<SmolStr> for Cidr {
    type Error = NotAnId;

    fn try_from(text: SmolStr) -> Result<Self, NotAnId> {
        text.parse()
    }
}

impl From<Cidr> for SmolStr {
    fn from(cidr: Cidr) -> Self {
        cidr.to_smolstr()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl JsonSchema for Cidr {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cidr".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "maxLength": 43,
            "x-kubernetes-validations": [{
                "rule": "isCIDR(self) && cidr(self) == cidr(self).masked()",
                "message": "is not a network in CIDR notation without host bits, for example 10.8.0.0/16"
            }]
        })
    }
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
            assert_eq!(good.parse::<Cidr>().unwrap().to_string(), good);
        }
        for bad in [
            "10.8.0.1/16",
            "10.8.0.0",
            "10.8.0.0/33",
            "fd00::1/64",
            "::/129",
            "a/8",
            "10.8.0.0/-1",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }
}

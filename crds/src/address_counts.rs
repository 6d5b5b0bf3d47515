//! How many addresses and prefixes an ENI of a class gets.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How many addresses and prefixes of each listed family an ENI gets when it is made. A prefix takes the place of one address:
/// an ENI of an m5.large takes 10 of IPv4 and 10 of IPv6, of other instance types up to 64.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.ipv4) || self.ipv4 < 2 || !has(self.ipv4Prefixes) || self.ipv4Prefixes < 1")
        .message("EC2 gives a new ENI secondary IPv4 addresses or IPv4 prefixes, not both; take out ipv4 or ipv4Prefixes, the primary address is always there"),
    validation = Rule::new("!has(self.ipv6) || !has(self.ipv6Prefixes) || self.ipv6Prefixes < 1")
        .message("EC2 gives a new ENI IPv6 addresses or IPv6 prefixes, not both; take out ipv6 or ipv6Prefixes")
)]
pub struct AddressCounts {
    /// IPv4 addresses, the primary one included. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(min = 1, max = 64), extend("format" = "int32"))]
    pub ipv4: Option<u8>,
    /// IPv6 addresses. Absent: 1, or none beside ipv6Prefixes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(min = 1, max = 64), extend("format" = "int32"))]
    pub ipv6: Option<u8>,
    /// Delegated IPv4 prefixes, each a /28: 16 addresses of the subnet in a row. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(max = 63), extend("format" = "int32"))]
    pub ipv4_prefixes: Option<u8>,
    /// Delegated IPv6 prefixes, each a /80. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u8", range(max = 64), extend("format" = "int32"))]
    pub ipv6_prefixes: Option<u8>,
}

//! Which addresses and prefixes a class asks for.

use api::{
    IpFamily,
    claim::{IPV4_PREFIX_SIZE, RequestedCounts},
};

use crate::ec2::Subnet;

/// Which addresses and prefixes an ENI of a class gets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Addresses {
    /// The families, the preferred one first.
    pub families: Vec<IpFamily>,
    /// IPv4 addresses, the primary one included; counts only where the family is listed.
    pub ipv4: u8,
    /// IPv4 prefixes.
    pub ipv4_prefixes: u8,
    /// IPv6 addresses; counts only where the family is listed.
    pub ipv6: u8,
    /// IPv6 prefixes: EC2 gives a new ENI those or addresses.
    pub ipv6_prefixes: u8,
}

impl Default for Addresses {
    /// One IPv4 address.
    fn default() -> Self {
        Self {
            families: vec![IpFamily::IPv4],
            ipv4: 1,
            ipv4_prefixes: 0,
            ipv6: 1,
            ipv6_prefixes: 0,
        }
    }
}

impl Addresses {
    /// Whether the family is listed.
    pub fn has(&self, family: IpFamily) -> bool {
        self.families.contains(&family)
    }

    /// The family whose addresses come first.
    pub fn preferred(&self) -> IpFamily {
        self.families.first().copied().unwrap_or(IpFamily::IPv4)
    }

    /// How many IPv4 addresses of a subnet an ENI takes.
    pub fn of_subnet(&self) -> u32 {
        if self.has(IpFamily::IPv4) {
            u32::from(self.ipv4) + IPV4_PREFIX_SIZE * u32::from(self.ipv4_prefixes)
        } else {
            0
        }
    }

    /// Whether a subnet has what the families need. An ENI in a subnet of both always gets an IPv4 address.
    pub fn fit(&self, subnet: &Subnet) -> bool {
        self.has(IpFamily::IPv4) == subnet.ipv4.is_some()
            && (!self.has(IpFamily::IPv6) || subnet.ipv6.is_some())
    }

    /// What the Create request counts. Of the usual class it is nothing.
    pub fn counts(&self, subnet: &Subnet) -> RequestedCounts {
        let some = |count: u8| (count > 0).then_some(count);
        let (ipv4, ipv6) = (self.has(IpFamily::IPv4), self.has(IpFamily::IPv6));
        RequestedCounts {
            secondary_private_ip_address_count: some(self.ipv4.saturating_sub(1)).filter(|_| ipv4),
            ipv4_prefix_count: some(self.ipv4_prefixes).filter(|_| ipv4),
            ipv6_address_count: match (ipv6, some(self.ipv6_prefixes)) {
                (true, None) => some(self.ipv6),
                (true, Some(_)) => None,
                (false, _) => subnet.assigns_ipv6.then_some(0),
            },
            ipv6_prefix_count: some(self.ipv6_prefixes).filter(|_| ipv6),
        }
    }
}

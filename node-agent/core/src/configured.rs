//! An interface that DHCP leases configure: their addresses, routes and MTU in place of the claim's.

use ipnet::IpNet;

use crate::{
    claim::{Address, Destination, Interface, Via},
    dhcp::{Contents, Leases, Loss, Standing},
    layout::ROUTER_V6,
    picture::Family,
};

impl Leases {
    fn of(&self, family: Family) -> Option<&Standing> {
        match family {
            Family::V4 => self.ipv4.as_ref(),
            Family::V6 => self.ipv6.as_ref(),
        }
    }
}

impl Interface {
    /// As it is before there are leases.
    #[must_use]
    pub fn unconfigured(&self) -> Self {
        let mut interface = self.clone();
        for family in self.dhcp.configured() {
            interface.strip(family);
        }
        interface
    }

    /// As the leases say: a family without one has no addresses. `None`: of a family it is not known yet.
    pub fn configured(&self, leases: &Leases) -> Option<Self> {
        let mut interface = self.unconfigured();
        for family in self.dhcp.configured() {
            if let Standing::Leased(contents) = leases.of(family)? {
                interface.take(family, contents);
            }
        }
        Some(interface)
    }

    /// What a pod that starts waits for; `None`: the leases that configure the interface are there, or none does.
    pub fn lacks_lease(&self, leases: Option<&Leases>) -> Option<String> {
        let mut families = self.dhcp.configured();
        families.find_map(|family| {
            let protocol = match family {
                Family::V4 => "DHCPv4",
                Family::V6 => "DHCPv6",
            };
            match leases.and_then(|leases| leases.of(family)) {
                Some(Standing::Leased(_)) => None,
                Some(Standing::Lost(Loss::Conflict)) => Some(format!(
                    "another host uses the address that a {protocol} server leased to it"
                )),
                Some(Standing::Lost(_)) => Some(format!("a {protocol} server refused it a lease")),
                Some(Standing::Differs(_) | Standing::NoAnswer) | None => {
                    Some(format!("no {protocol} server has leased it an address yet"))
                }
            }
        })
    }

    /// What is delegated by EC2 alone stays: DHCPv4 leases no prefixes.
    fn strip(&mut self, family: Family) {
        self.addresses.retain(|it| Family::of(it.ip) != family);
        if family == Family::V6 {
            self.prefixes.retain(|it| Family::of(it.addr()) != family);
        }
    }

    fn take(&mut self, family: Family, contents: &Contents) {
        let is_default = |to: &IpNet| to.prefix_len() == 0;
        let mut routes = contents.routes.iter();
        let gateway = match family {
            Family::V4 => routes
                .find(|(to, _)| is_default(to))
                .and_then(|(_, via)| *via),
            // DHCPv6 names no routers.
            Family::V6 => Some(ROUTER_V6.into()),
        };
        let addresses = contents.addresses.iter();
        self.addresses.extend(addresses.map(|ip| {
            Address {
                ip: *ip,
                prefix: contents
                    .prefix_length
                    .unwrap_or(if ip.is_ipv4() { 32 } else { 128 }),
                gateway,
            }
        }));
        self.prefixes.extend(&contents.prefixes);
        if let Some(mtu) = contents.mtu {
            self.leased_mtu = Some(mtu.into());
        }
        for (to, via) in &contents.routes {
            let known = self.destinations.iter().any(|it| it.to == *to);
            if !is_default(to) && !known {
                let via = via.map_or(Via::Link, Via::Router);
                self.destinations.push(Destination { to: *to, via });
            }
        }
    }
}

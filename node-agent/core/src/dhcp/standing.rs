//! How an ENI stands with DHCP, as its claim says it. A renewal that says nothing new changes nothing here.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{BootTime, Loss, v4, v6};

/// So many packets without an answer, about half a minute, are worth a sentence: a server that is slow is not silent.
const SILENT_AFTER_V4: u32 = 4;
const SILENT_AFTER_V6: u32 = 5;

/// How an ENI stands with the servers of both families; `None`: there is nothing to say, or yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leases {
    /// With those of DHCPv4.
    pub ipv4: Option<Standing>,
    /// With those of DHCPv6.
    pub ipv6: Option<Standing>,
}

/// How an ENI stands with the servers of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has a lease.
    Leased(Box<Contents>),
    /// A server offers these, which are not the claim's.
    Differs(Vec<IpNet>),
    /// It had a lease.
    Lost(Loss),
    /// No server answers.
    NoAnswer,
}

/// What a lease says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// Length of the prefix of their subnet; DHCPv6 says none.
    pub prefix_length: Option<u8>,
    /// Prefixes that are delegated to the interface.
    pub prefixes: Vec<IpNet>,
    /// The server: its address, or its DUID in hexadecimal.
    pub server: String,
    /// DNS servers, the best first.
    pub dns: Vec<IpAddr>,
    /// The domain.
    pub domain: Option<String>,
    /// Domains to search, the best first.
    pub search: Vec<String>,
    /// NTP servers, the best first.
    pub ntp: Vec<IpAddr>,
    /// MTU in bytes.
    pub mtu: Option<u16>,
    /// Routes: destination, and router if it is not on the link.
    pub routes: Vec<(IpNet, Option<IpAddr>)>,
}

/// When a lease is prolonged and when it ends; `None`: never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// T1: its server is asked.
    pub renew_at: Option<BootTime>,
    /// T2: any server is asked.
    pub rebind_at: Option<BootTime>,
    /// The first end of something that is leased.
    pub expires_at: Option<BootTime>,
}

impl Standing {
    /// What is to be said after `before`: while nothing new is known, what was said stays true, but for a lease that is not there.
    pub fn after(before: Option<Self>, now: Option<Self>) -> Option<Self> {
        now.or_else(|| before.filter(|before| !matches!(before, Self::Leased(_))))
    }

    fn of(
        held: Option<Contents>,
        differing: Option<Vec<IpNet>>,
        lost: Option<Loss>,
        is_silent: bool,
    ) -> Option<Self> {
        held.map(|contents| Self::Leased(Box::new(contents)))
            .or_else(|| differing.map(Self::Differs))
            .or_else(|| lost.map(Self::Lost))
            .or_else(|| is_silent.then_some(Self::NoAnswer))
    }
}

impl v4::Lease {
    /// What is said of it; `lost`: why the last lease ended that was there.
    pub fn standing(&self, now: BootTime, lost: Option<Loss>) -> Option<Standing> {
        let differing = self.differing.map(|offer| vec![host(offer.address.into())]);
        let is_silent = matches!(&self.state, v4::State::Selecting(exchange) if exchange.sent >= SILENT_AFTER_V4);
        Standing::of(self.held(now).map(contents_v4), differing, lost, is_silent)
    }

    /// When it is prolonged, and when it ends.
    pub fn times(&self) -> Option<Times> {
        let term = self.binding()?.term;
        Some(Times {
            renew_at: term.renew_at(),
            rebind_at: term.rebind_at(),
            expires_at: term.expires_at(),
        })
    }
}

impl v6::Lease {
    /// What is said of it; `lost`: why the last lease ended that was there.
    pub fn standing(&self, now: BootTime, lost: Option<Loss>) -> Option<Standing> {
        let differing = self.differing.as_ref().map(|differing| {
            let addresses = differing.addresses.iter().map(|ip| host((*ip).into()));
            let prefixes = differing.prefixes.iter().copied().map(IpNet::V6);
            addresses.chain(prefixes).collect()
        });
        let is_silent = match &self.state {
            v6::State::Soliciting(exchange, _) | v6::State::Informing(exchange, None) => {
                exchange.sent >= SILENT_AFTER_V6
            }
            _ => false,
        };
        Standing::of(self.held(now).map(contents_v6), differing, lost, is_silent)
    }

    /// When it is prolonged, and when the first part of it ends.
    pub fn times(&self) -> Option<Times> {
        let binding = self.binding()?;
        Some(Times {
            renew_at: binding.renew_at,
            rebind_at: binding.rebind_at,
            expires_at: binding.end(),
        })
    }
}

fn contents_v4(parameters: &v4::Parameters) -> Contents {
    let v4::Parameters {
        address,
        prefix,
        server,
        routes,
        dns,
        domain,
        search,
        ntp,
        mtu,
    } = parameters.clone();
    Contents {
        addresses: vec![address.into()],
        prefix_length: Some(prefix),
        prefixes: Vec::new(),
        server: server.to_string(),
        dns: dns.into_iter().map(IpAddr::V4).collect(),
        domain,
        search,
        ntp: ntp.into_iter().map(IpAddr::V4).collect(),
        mtu,
        routes: (routes.into_iter())
            .map(|route| (IpNet::V4(route.to), route.via.map(IpAddr::V4)))
            .collect(),
    }
}

fn contents_v6(parameters: v6::Parameters) -> Contents {
    let v6::Parameters {
        resources,
        server,
        dns,
        search,
        ntp,
    } = parameters;
    Contents {
        addresses: resources.addresses.into_iter().map(IpAddr::V6).collect(),
        prefixes: resources.prefixes.into_iter().map(IpNet::V6).collect(),
        server: server.to_string(),
        dns: dns.into_iter().map(IpAddr::V6).collect(),
        search,
        ntp: ntp.into_iter().map(IpAddr::V6).collect(),
        ..Contents::default()
    }
}

fn host(address: IpAddr) -> IpNet {
    address.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_stays_until_something_new_is_known_but_no_lease_outlives_itself() {
        let lost = Some(Standing::Lost(Loss::Expired));
        assert_eq!(Standing::after(lost.clone(), None), lost);
        let leased = Some(Standing::Leased(Box::default()));
        assert_eq!(Standing::after(leased.clone(), None), None);
        assert_eq!(Standing::after(leased, lost.clone()), lost);
        assert_eq!(
            Standing::after(lost, Some(Standing::NoAnswer)),
            Some(Standing::NoAnswer)
        );
    }
}

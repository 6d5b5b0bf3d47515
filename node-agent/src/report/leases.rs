//! Leases as a claim's status says them, and back.

use crds::{
    ClaimStatus, IpFamily,
    claim::{Lease, LeaseState, LeasedRoute},
    condition::LeasedReason,
};
use ipnet::IpNet;
use node_agent_core::{
    claim::{Dhcp, DhcpMode},
    dhcp::{Contents, Leases, Loss, Standing},
};

/// How the ENI stands with the servers of each family.
pub(super) fn of_status(leases: &Leases) -> Vec<Lease> {
    let ipv4 = leases.ipv4.as_ref().map(|it| lease(IpFamily::IPv4, it));
    let ipv6 = leases.ipv6.as_ref().map(|it| lease(IpFamily::IPv6, it));
    ipv4.into_iter().chain(ipv6).collect()
}

/// What an agent said before.
pub fn reported_leases(status: &ClaimStatus) -> Leases {
    let of = |family| {
        let lease = status.leases.iter().find(|lease| lease.family == family)?;
        Some(standing(lease.clone()))
    };
    Leases {
        ipv4: of(IpFamily::IPv4),
        ipv6: of(IpFamily::IPv6),
    }
}

/// Whether the condition Leased holds, and why; nothing where there is nothing to say. The family that stands worse decides.
pub(super) fn condition(
    leases: &[Lease],
    own: &[String],
    dhcp: Dhcp,
) -> Option<(bool, LeasedReason, String)> {
    let worst = leases
        .iter()
        .max_by_key(|lease| lease.state != LeaseState::Leased)?;
    let (family, mode) = match worst.family {
        IpFamily::IPv4 => ("DHCPv4", dhcp.ipv4),
        IpFamily::IPv6 => ("DHCPv6", dhcp.ipv6),
    };
    let configures = mode == DhcpMode::Configure;
    let without =
        "the interface has no address of it until servers lease one, and they are asked again";
    let addresses = worst.addresses.iter().map(ToString::to_string);
    let prefixes = worst.prefixes.iter().map(ToString::to_string);
    let theirs = addresses.chain(prefixes).collect::<Vec<_>>().join(", ");
    let own = own.join(", ");
    let (reason, message) = match worst.state {
        LeaseState::Leased if configures => (
            LeasedReason::Leased,
            "the interface has what DHCP servers lease to it".to_owned(),
        ),
        LeaseState::Leased => (
            LeasedReason::Leased,
            "the DHCP servers lease to the interface what the claim has".to_owned(),
        ),
        LeaseState::Differs => (
            LeasedReason::Differs,
            format!(
                "a {family} server offers {theirs}, and the claim has {own}: the pod keeps what the claim has and takes no lease; correct the server, or set spec.interface.dhcp of the class to Disabled"
            ),
        ),
        LeaseState::Refused if configures => (
            LeasedReason::Refused,
            format!("a {family} server refused a lease: {without}"),
        ),
        LeaseState::Expired if configures => (
            LeasedReason::Expired,
            format!("the {family} lease ended, since no server prolonged it: {without}"),
        ),
        LeaseState::Conflict => (
            LeasedReason::Conflict,
            format!(
                "another host uses the address that a {family} server leased, and the lease was declined: {without}"
            ),
        ),
        LeaseState::NoAnswer if configures => (
            LeasedReason::NoAnswer,
            format!("no {family} server answers: {without}"),
        ),
        LeaseState::Refused => (
            LeasedReason::Refused,
            format!(
                "a {family} server refused to lease {own}; the pod keeps it, and the servers are asked again"
            ),
        ),
        LeaseState::Expired => (
            LeasedReason::Expired,
            format!(
                "the {family} lease ended, since no server prolonged it; the pod keeps its addresses, and the servers are asked again"
            ),
        ),
        LeaseState::NoAnswer => (
            LeasedReason::NoAnswer,
            format!(
                "no {family} server answers; the pod has its addresses all the same; where there is none, set spec.interface.dhcp of the class to Disabled"
            ),
        ),
    };
    Some((worst.state == LeaseState::Leased, reason, message))
}

fn lease(family: IpFamily, standing: &Standing) -> Lease {
    let (state, contents) = match standing {
        Standing::Leased(contents) => (LeaseState::Leased, (**contents).clone()),
        Standing::Differs(offered) => (LeaseState::Differs, of_offer(offered)),
        Standing::Lost(Loss::Expired) => (LeaseState::Expired, Contents::default()),
        Standing::Lost(Loss::Conflict) => (LeaseState::Conflict, Contents::default()),
        // The others end no lease for what the claim has.
        Standing::Lost(_) => (LeaseState::Refused, Contents::default()),
        Standing::NoAnswer => (LeaseState::NoAnswer, Contents::default()),
    };
    let Contents {
        addresses,
        prefix_length,
        prefixes,
        server,
        dns,
        domain,
        search,
        ntp,
        mtu,
        routes,
    } = contents;
    let routes = routes.into_iter();
    Lease {
        family,
        state,
        addresses,
        prefix_length,
        prefixes,
        server: Some(server).filter(|server| !server.is_empty()),
        dns_servers: dns,
        domain_name: domain,
        search_domains: search,
        ntp_servers: ntp,
        mtu,
        routes: routes.map(|(dst, via)| LeasedRoute { dst, via }).collect(),
    }
}

/// Addresses are written as such, and not as prefixes of their whole length.
fn of_offer(offered: &[IpNet]) -> Contents {
    let is_address = |net: &&IpNet| net.prefix_len() == net.max_prefix_len();
    let (addresses, prefixes): (Vec<&IpNet>, Vec<&IpNet>) = offered.iter().partition(is_address);
    Contents {
        addresses: addresses.into_iter().map(IpNet::addr).collect(),
        prefixes: prefixes.into_iter().copied().collect(),
        ..Contents::default()
    }
}

fn standing(lease: Lease) -> Standing {
    let Lease {
        family: _,
        state,
        addresses,
        prefix_length,
        prefixes,
        server,
        dns_servers,
        domain_name,
        search_domains,
        ntp_servers,
        mtu,
        routes,
    } = lease;
    match state {
        LeaseState::Leased => Standing::Leased(Box::new(Contents {
            addresses,
            prefix_length,
            prefixes,
            server: server.unwrap_or_default(),
            dns: dns_servers,
            domain: domain_name,
            search: search_domains,
            ntp: ntp_servers,
            mtu,
            routes: routes.into_iter().map(|it| (it.dst, it.via)).collect(),
        })),
        LeaseState::Differs => {
            let addresses = addresses.into_iter().map(IpNet::from);
            Standing::Differs(addresses.chain(prefixes).collect())
        }
        LeaseState::Refused => Standing::Lost(Loss::Refused),
        LeaseState::Expired => Standing::Lost(Loss::Expired),
        LeaseState::Conflict => Standing::Lost(Loss::Conflict),
        LeaseState::NoAnswer => Standing::NoAnswer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAINTAIN: Dhcp = Dhcp {
        ipv4: DhcpMode::Maintain,
        ipv6: DhcpMode::Maintain,
    };

    fn of(text: &str) -> Vec<IpNet> {
        text.split(' ').map(|net| net.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_reported_reads_back_as_what_it_was() {
        let contents = Contents {
            addresses: vec!["10.0.1.50".parse().unwrap()],
            prefix_length: Some(24),
            server: "10.0.1.1".into(),
            dns: vec!["10.0.0.2".parse().unwrap()],
            domain: Some("ec2.internal".into()),
            mtu: Some(9001),
            routes: vec![(of("0.0.0.0/0")[0], Some("10.0.1.1".parse().unwrap()))],
            ..Contents::default()
        };
        let ipv4 = [
            Some(Standing::Leased(Box::new(contents))),
            Some(Standing::Lost(Loss::Expired)),
            Some(Standing::Lost(Loss::Conflict)),
            None,
        ];
        let ipv6 = [
            Some(Standing::Differs(of("2001:db8::5/128 2001:db8:1::/80"))),
            Some(Standing::NoAnswer),
            Some(Standing::Lost(Loss::Refused)),
            None,
        ];
        for leases in ipv4
            .into_iter()
            .zip(ipv6)
            .map(|(ipv4, ipv6)| Leases { ipv4, ipv6 })
        {
            let status = ClaimStatus {
                leases: of_status(&leases),
                ..ClaimStatus::default()
            };
            assert_eq!(reported_leases(&status), leases);
        }
    }

    #[test]
    fn family_that_stands_worse_decides() {
        let leases = Leases {
            ipv4: Some(Standing::Differs(of("10.0.1.77/32"))),
            ipv6: Some(Standing::Leased(Box::default())),
        };
        let own = ["10.0.1.50".to_owned()];
        let (holds, reason, message) = condition(&of_status(&leases), &own, MAINTAIN).unwrap();
        assert!(!holds && reason.as_str() == "Differs");
        assert!(
            message.contains("offers 10.0.1.77, and the claim has 10.0.1.50"),
            "{message}"
        );
        assert_eq!(condition(&[], &own, MAINTAIN), None);
    }
}

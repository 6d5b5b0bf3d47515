//! Which frames of a container pass its port: to the node and to the destinations of its routes, from its own addresses.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::Port;
use crate::{
    layout::{METADATA_V4, METADATA_V6},
    mac::Mac,
};

/// What is asked of a frame, and what becomes of one that fits. The first that fits decides; what none fits is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRule {
    /// Which frames.
    pub frames: Frames,
    /// What becomes of them.
    pub passes: bool,
}

/// Frames from a port's MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frames {
    /// ARP that says this of its sender.
    Arp {
        /// The address of the sender.
        sender: std::net::Ipv4Addr,
    },
    /// Packets of either family.
    Packets {
        /// Their source.
        from: IpAddr,
        /// Their destination.
        to: IpNet,
    },
    /// Neighbour solicitations of IPv6 (RFC 4861, section 4.3).
    Solicitations {
        /// Their source.
        from: Ipv6Addr,
    },
    /// Neighbour advertisements of IPv6 (RFC 4861, section 4.4).
    Advertisements {
        /// The address that they are about.
        of: Ipv6Addr,
    },
}

/// The rules of a port with this MAC address.
pub fn rules(port: &Port, mac: Mac) -> Vec<FrameRule> {
    let mut rules = Vec::new();
    let routes = port.routes();
    for address in &port.addresses {
        let from = address.address.addr();
        match from {
            IpAddr::V4(sender) => rules.push(accept(Frames::Arp { sender })),
            IpAddr::V6(own) => {
                for own in [own, link_local(mac)] {
                    rules.push(accept(Frames::Solicitations { from: own }));
                    rules.push(accept(Frames::Advertisements { of: own }));
                }
            }
        }
        let to = |to| Frames::Packets { from, to };
        rules.push(accept(to(address.gateway.into())));
        // The pod answers the node from the address that the node has asked.
        let enis = port.pod.iter().flat_map(|pod| &pod.enis);
        for eni in enis.filter(|eni| eni.is_ipv4() == from.is_ipv4()) {
            let to = address.gateway.into();
            rules.push(accept(Frames::Packets { from: *eni, to }));
            // Linux asks for the gateway from the address of the packet that waits (`arp_solicit` in net/ipv4/arp.c).
            if let IpAddr::V4(sender) = *eni {
                rules.push(accept(Frames::Arp { sender }));
            }
        }
        let metadata: IpAddr = if from.is_ipv4() {
            METADATA_V4.into()
        } else {
            METADATA_V6.into()
        };
        // A route may be wider than what is meant by it.
        for refused in [metadata.into(), address.subnet] {
            let frames = to(refused);
            rules.push(FrameRule {
                frames,
                passes: false,
            });
        }
        let of_family = routes
            .iter()
            .filter(|(_, gateway)| *gateway == address.gateway);
        rules.extend(of_family.map(|(net, _)| accept(to(*net))));
    }
    rules
}

fn accept(frames: Frames) -> FrameRule {
    FrameRule {
        frames,
        passes: true,
    }
}

/// The address that the kernel makes of a MAC address for its link (RFC 4291, appendix A).
pub fn link_local(mac: Mac) -> Ipv6Addr {
    let mac = mac.bytes().map(u128::from);
    // The bit of a universal address is turned round.
    let maker = mac.iter().take(3).fold(0, |all, byte| all << 8 | byte) ^ 0x02_0000;
    let number = mac.iter().skip(3).fold(0, |all, byte| all << 8 | byte);
    Ipv6Addr::from_bits(0xfe80 << 112 | maker << 40 | 0xfffe << 24 | number)
}

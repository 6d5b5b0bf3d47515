//! The rules that let everything out but frames to the instance metadata service.

use node_agent_core::layout::{METADATA_V4, METADATA_V6};

use crate::kernel::nft::expression::{Base, Expression, Verdict};

/// Ethernet header: destination, source, type.
pub(super) const ETHERNET_TYPE: u32 = 12;
pub(super) const ETHERNET_HEADER: u32 = 14;
/// What a VPC carries (`include/uapi/linux/if_ether.h`).
pub(super) const ETH_P_IP: u16 = 0x0800;
pub(super) const ETH_P_ARP: u16 = 0x0806;
pub(super) const ETH_P_IPV6: u16 = 0x86dd;

/// Only what goes somewhere in a VPC passes: ARP, and IPv4 and IPv6 to another destination, so that no tag and no encapsulation
/// hides one.
///
/// Only the bytes of the frame are asked, from its first one on. Of a packet socket's frame everything else is what the
/// sender says: `skb->protocol` is its `sll_protocol`, and where that is a VLAN's, the kernel looks for the network header
/// four bytes further on, whether there is a tag or not (`packet_parse_headers` in `net/packet/af_packet.c`).
///
/// The last rule also gets the frames whose bytes cannot be asked: with `PACKET_QDISC_BYPASS` and a protocol other than
/// `ETH_P_ALL` the kernel does not say where the frame begins.
pub(super) fn rules() -> [Vec<Expression>; 4] {
    let arp = vec![
        load(ETHERNET_TYPE, 2),
        Expression::Equal(ETH_P_ARP.to_be_bytes().into()),
        Expression::Verdict(Verdict::Accept),
    ];
    [
        // RFC 791 section 3.1, RFC 8200 section 3: the destination is at byte 16 and 24. Extension headers come behind it.
        accept_ip(ETH_P_IP, 4, 16, &METADATA_V4.octets()),
        accept_ip(ETH_P_IPV6, 6, 24, &METADATA_V6.octets()),
        arp,
        vec![Expression::Verdict(Verdict::Drop)],
    ]
}

/// Accepts a family's packets whose destination, `offset` bytes into their header, is not `refused`. Type and version must
/// agree, so that no receiver can take the packet for one of the other family.
fn accept_ip(ethernet_type: u16, version: u8, offset: u32, refused: &[u8]) -> Vec<Expression> {
    let length = u32::try_from(refused.len()).unwrap_or_default();
    vec![
        load(ETHERNET_TYPE, 2),
        Expression::Equal(ethernet_type.to_be_bytes().into()),
        load(ETHERNET_HEADER, 1),
        // The version is the upper half of the first byte.
        Expression::Mask(vec![0xf0]),
        Expression::Equal(vec![version << 4]),
        load(ETHERNET_HEADER + offset, length),
        Expression::NotEqual(refused.into()),
        Expression::Verdict(Verdict::Accept),
    ]
}

pub(super) fn load(offset: u32, length: u32) -> Expression {
    Expression::Payload {
        base: Base::Link,
        offset,
        length,
    }
}

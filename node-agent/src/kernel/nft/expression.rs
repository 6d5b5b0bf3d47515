//! The expressions that a rule is made of, as the kernel takes them and shows them.
//!
//! A rule is done with a packet at the first expression that does not hold for it. Every value goes through one register:
//! loaded into it, changed in it, compared with it.

use crate::kernel::nft::{
    attribute::{bytes, find, find_number, find_string, nested, number, string},
    header::{
        IP_CT_DIR_ORIGINAL, NF_ACCEPT, NF_DROP, NFT_CMP_EQ, NFT_CMP_NEQ, NFT_CT_DST_IP,
        NFT_CT_DST_IP6, NFT_CT_STATUS, NFT_META_IIFGROUP, NFT_META_NFPROTO, NFT_META_OIFGROUP,
        NFT_META_OIFNAME, NFT_META_PROTOCOL, NFT_NAT_SNAT, NFT_PAYLOAD_CSUM_INET,
        NFT_PAYLOAD_L4CSUM_PSEUDOHDR, NFT_PAYLOAD_LL_HEADER, NFT_PAYLOAD_NETWORK_HEADER,
        NFT_PAYLOAD_TRANSPORT_HEADER, NFT_REG_1, NFT_REG_VERDICT, NFTA_BITWISE_DREG,
        NFTA_BITWISE_LEN, NFTA_BITWISE_MASK, NFTA_BITWISE_SREG, NFTA_BITWISE_XOR, NFTA_CMP_DATA,
        NFTA_CMP_OP, NFTA_CMP_SREG, NFTA_CT_DIRECTION, NFTA_CT_DREG, NFTA_CT_KEY, NFTA_DATA_VALUE,
        NFTA_DATA_VERDICT, NFTA_EXPR_DATA, NFTA_EXPR_NAME, NFTA_IMMEDIATE_DATA,
        NFTA_IMMEDIATE_DREG, NFTA_LIST_ELEM, NFTA_META_DREG, NFTA_META_KEY, NFTA_NAT_FAMILY,
        NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_TYPE, NFTA_PAYLOAD_BASE, NFTA_PAYLOAD_CSUM_FLAGS,
        NFTA_PAYLOAD_CSUM_OFFSET, NFTA_PAYLOAD_CSUM_TYPE, NFTA_PAYLOAD_DREG, NFTA_PAYLOAD_LEN,
        NFTA_PAYLOAD_OFFSET, NFTA_PAYLOAD_SREG, NFTA_VERDICT_CODE,
    },
};

/// One expression of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Loads bytes of the packet, at most 16. Does not hold for a packet that is shorter, or that has no such header.
    Payload {
        /// What `offset` counts from.
        base: Base,
        /// The first byte.
        offset: u32,
        /// How many bytes.
        length: u32,
    },
    /// Loads what the kernel noted about the packet.
    Meta(Key),
    /// Loads what the kernel noted about the connection that the packet is of.
    Connection(OfConnection),
    /// Keeps of the loaded bytes the bits of this mask, which is as long as they are.
    Mask(Vec<u8>),
    /// Holds if the loaded bytes are these.
    Equal(Vec<u8>),
    /// Holds if they are not.
    NotEqual(Vec<u8>),
    /// Loads these bytes.
    Value(Vec<u8>),
    /// Puts the loaded bytes into the packet.
    Store {
        /// What `offset` counts from.
        base: Base,
        /// The first byte.
        offset: u32,
        /// How many bytes.
        length: u32,
        /// Where the checksum of an IPv4 header is, if they are an address in one: then that and the transport's are put right, too.
        checksum: Option<u32>,
    },
    /// Decides.
    Verdict(Verdict),
    /// The connection's packets leave from the address of the link that they leave by.
    Masquerade,
    /// They leave from the loaded address, which is of this `NFPROTO_*`.
    Source(u8),
}

/// A header of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Base {
    /// The frame as it goes on the wire; a VLAN tag that the kernel carries beside the packet is in its place.
    Link = NFT_PAYLOAD_LL_HEADER,
    /// The network header, where the kernel thinks it is. The sender of a raw frame can make it think wrong.
    Network = NFT_PAYLOAD_NETWORK_HEADER,
    /// The header of UDP or TCP.
    Transport = NFT_PAYLOAD_TRANSPORT_HEADER,
}

/// What the kernel noted about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Key {
    /// The Ethernet type. The sender of a raw frame chooses it, whatever is in the frame.
    Protocol = NFT_META_PROTOCOL,
    /// The family that is tracked, one byte.
    Family = NFT_META_NFPROTO,
    /// The name of the device that it leaves by, in 16 bytes.
    OutName = NFT_META_OIFNAME,
    /// The group of the device that it came by, four bytes in the order of the machine.
    InGroup = NFT_META_IIFGROUP,
    /// The group of the device that it leaves by.
    OutGroup = NFT_META_OIFGROUP,
}

/// What the kernel noted about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum OfConnection {
    /// Bits of `IPS_*`, four bytes in the order of the machine.
    Status = NFT_CT_STATUS,
    /// Where its first packet was sent, IPv4.
    DestinationV4 = NFT_CT_DST_IP,
    /// Where its first packet was sent, IPv6.
    DestinationV6 = NFT_CT_DST_IP6,
}

/// What becomes of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Verdict {
    /// It goes no further.
    Drop = NF_DROP,
    /// It passes this chain.
    Accept = NF_ACCEPT,
}

impl Expression {
    /// As an element of a rule's list.
    pub(super) fn encode(&self) -> Vec<u8> {
        let (name, data) = match self {
            Self::Payload {
                base,
                offset,
                length,
            } => (
                "payload",
                vec![
                    number(NFTA_PAYLOAD_DREG, NFT_REG_1),
                    number(NFTA_PAYLOAD_BASE, *base as u32),
                    number(NFTA_PAYLOAD_OFFSET, *offset),
                    number(NFTA_PAYLOAD_LEN, *length),
                ],
            ),
            Self::Meta(key) => (
                "meta",
                vec![
                    number(NFTA_META_DREG, NFT_REG_1),
                    number(NFTA_META_KEY, *key as u32),
                ],
            ),
            Self::Connection(key) => ("ct", encode_connection(*key)),
            Self::Mask(mask) => ("bitwise", encode_mask(mask)),
            Self::Value(value) => (
                "immediate",
                vec![
                    number(NFTA_IMMEDIATE_DREG, NFT_REG_1),
                    nested(NFTA_IMMEDIATE_DATA, &[bytes(NFTA_DATA_VALUE, value)]),
                ],
            ),
            Self::Store {
                base,
                offset,
                length,
                checksum,
            } => ("payload", encode_store(*base, *offset, *length, *checksum)),
            Self::Equal(value) => ("cmp", encode_comparison(NFT_CMP_EQ, value)),
            Self::NotEqual(value) => ("cmp", encode_comparison(NFT_CMP_NEQ, value)),
            Self::Masquerade => ("masq", Vec::new()),
            Self::Source(protocol) => (
                "nat",
                vec![
                    number(NFTA_NAT_TYPE, NFT_NAT_SNAT),
                    number(NFTA_NAT_FAMILY, u32::from(*protocol)),
                    number(NFTA_NAT_REG_ADDR_MIN, NFT_REG_1),
                ],
            ),
            Self::Verdict(verdict) => {
                let code = number(NFTA_VERDICT_CODE, *verdict as u32);
                let data = [nested(NFTA_DATA_VERDICT, &[code])];
                (
                    "immediate",
                    vec![
                        number(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT),
                        nested(NFTA_IMMEDIATE_DATA, &data),
                    ],
                )
            }
        };
        nested(
            NFTA_LIST_ELEM,
            &[string(NFTA_EXPR_NAME, name), nested(NFTA_EXPR_DATA, &data)],
        )
    }

    /// Reads an element of a rule's list; nothing if it is none that this module writes.
    pub(super) fn decode(element: &[u8]) -> Option<Self> {
        let data = find(element, NFTA_EXPR_DATA)?;
        let is = |kind, value| (find_number(data, kind) == Some(value)).then_some(());
        match find_string(element, NFTA_EXPR_NAME)? {
            "payload" => {
                is(NFTA_PAYLOAD_DREG, NFT_REG_1)?;
                Some(Self::Payload {
                    base: match find_number(data, NFTA_PAYLOAD_BASE)? {
                        NFT_PAYLOAD_LL_HEADER => Base::Link,
                        NFT_PAYLOAD_NETWORK_HEADER => Base::Network,
                        _ => return None,
                    },
                    offset: find_number(data, NFTA_PAYLOAD_OFFSET)?,
                    length: find_number(data, NFTA_PAYLOAD_LEN)?,
                })
            }
            "meta" => {
                is(NFTA_META_DREG, NFT_REG_1)?;
                let key = find_number(data, NFTA_META_KEY)?;
                let known = [Key::Protocol, Key::Family, Key::InGroup, Key::OutGroup];
                let key = known.into_iter().find(|known| *known as u32 == key)?;
                Some(Self::Meta(key))
            }
            "ct" => {
                is(NFTA_CT_DREG, NFT_REG_1)?;
                let key = find_number(data, NFTA_CT_KEY)?;
                let mut known = OfConnection::ALL.into_iter();
                let key = known.find(|known| *known as u32 == key)?;
                let is_original = find(data, NFTA_CT_DIRECTION) == key.direction();
                is_original.then_some(Self::Connection(key))
            }
            "masq" => data.is_empty().then_some(Self::Masquerade),
            "nat" => {
                is(NFTA_NAT_TYPE, NFT_NAT_SNAT)?;
                is(NFTA_NAT_REG_ADDR_MIN, NFT_REG_1)?;
                let protocol = find_number(data, NFTA_NAT_FAMILY)?;
                u8::try_from(protocol).ok().map(Self::Source)
            }
            "bitwise" => decode_mask(data),
            "cmp" => {
                is(NFTA_CMP_SREG, NFT_REG_1)?;
                let value = value(data, NFTA_CMP_DATA)?;
                match find_number(data, NFTA_CMP_OP)? {
                    NFT_CMP_EQ => Some(Self::Equal(value)),
                    NFT_CMP_NEQ => Some(Self::NotEqual(value)),
                    _ => None,
                }
            }
            "immediate" if is(NFTA_IMMEDIATE_DREG, NFT_REG_1).is_some() => {
                value(data, NFTA_IMMEDIATE_DATA).map(Self::Value)
            }
            "immediate" => {
                is(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT)?;
                let verdict = find(find(data, NFTA_IMMEDIATE_DATA)?, NFTA_DATA_VERDICT)?;
                Verdict::decode(find_number(verdict, NFTA_VERDICT_CODE)?).map(Self::Verdict)
            }
            _ => None,
        }
    }
}

impl OfConnection {
    const ALL: [Self; 3] = [Self::Status, Self::DestinationV4, Self::DestinationV6];

    /// Of which direction it is asked; none where it is the connection's.
    fn direction(self) -> Option<&'static [u8]> {
        match self {
            Self::Status => None,
            Self::DestinationV4 | Self::DestinationV6 => Some(&[IP_CT_DIR_ORIGINAL]),
        }
    }
}

impl Verdict {
    pub(super) fn decode(code: u32) -> Option<Self> {
        match code {
            NF_DROP => Some(Self::Drop),
            NF_ACCEPT => Some(Self::Accept),
            _ => None,
        }
    }
}

fn encode_connection(key: OfConnection) -> Vec<Vec<u8>> {
    let direction = key.direction();
    [
        number(NFTA_CT_DREG, NFT_REG_1),
        number(NFTA_CT_KEY, key as u32),
    ]
    .into_iter()
    .chain(direction.map(|direction| bytes(NFTA_CT_DIRECTION, direction)))
    .collect()
}

fn encode_comparison(operator: u32, value: &[u8]) -> Vec<Vec<u8>> {
    vec![
        number(NFTA_CMP_SREG, NFT_REG_1),
        number(NFTA_CMP_OP, operator),
        nested(NFTA_CMP_DATA, &[bytes(NFTA_DATA_VALUE, value)]),
    ]
}

fn encode_store(base: Base, offset: u32, length: u32, checksum: Option<u32>) -> Vec<Vec<u8>> {
    let mut data = vec![
        number(NFTA_PAYLOAD_SREG, NFT_REG_1),
        number(NFTA_PAYLOAD_BASE, base as u32),
        number(NFTA_PAYLOAD_OFFSET, offset),
        number(NFTA_PAYLOAD_LEN, length),
    ];
    if let Some(place) = checksum {
        data.extend([
            number(NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET),
            number(NFTA_PAYLOAD_CSUM_OFFSET, place),
            number(NFTA_PAYLOAD_CSUM_FLAGS, NFT_PAYLOAD_L4CSUM_PSEUDOHDR),
        ]);
    }
    data
}

fn encode_mask(mask: &[u8]) -> Vec<Vec<u8>> {
    let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
    let flip = vec![0; mask.len()];
    vec![
        number(NFTA_BITWISE_SREG, NFT_REG_1),
        number(NFTA_BITWISE_DREG, NFT_REG_1),
        number(NFTA_BITWISE_LEN, length),
        nested(NFTA_BITWISE_MASK, &[bytes(NFTA_DATA_VALUE, mask)]),
        nested(NFTA_BITWISE_XOR, &[bytes(NFTA_DATA_VALUE, &flip)]),
    ]
}

/// An operation other than mask and exclusive or has no mask (`nft_bitwise_dump` in `net/netfilter/nft_bitwise.c`).
fn decode_mask(data: &[u8]) -> Option<Expression> {
    let register = |kind| find_number(data, kind) == Some(NFT_REG_1);
    let flips = value(data, NFTA_BITWISE_XOR)?.iter().any(|byte| *byte != 0);
    if flips || !register(NFTA_BITWISE_SREG) || !register(NFTA_BITWISE_DREG) {
        return None;
    }
    Some(Expression::Mask(value(data, NFTA_BITWISE_MASK)?))
}

fn value(data: &[u8], kind: u16) -> Option<Vec<u8>> {
    find(find(data, kind)?, NFTA_DATA_VALUE).map(<[u8]>::to_vec)
}

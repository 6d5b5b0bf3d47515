//! Netlink attributes: written into bytes, and found in them.

use netlink_packet_core::NlasIterator;

/// Flag in the kind of an attribute that holds attributes (`include/uapi/linux/netlink.h`).
const NLA_F_NESTED: u16 = 1 << 15;

/// An attribute with a value of bytes.
pub fn bytes(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut attribute = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    attribute.extend(value);
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

/// An attribute that holds attributes.
pub fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    bytes(kind | NLA_F_NESTED, &attributes.concat())
}

/// An attribute with a text that ends in NUL.
pub fn string(kind: u16, text: &str) -> Vec<u8> {
    bytes(kind, &[text.as_bytes(), b"\0"].concat())
}

/// An attribute with a number; nftables takes all its numbers in network order.
pub fn number(kind: u16, value: u32) -> Vec<u8> {
    bytes(kind, &value.to_be_bytes())
}

/// The attributes in `attributes`, kind and value.
pub fn all(attributes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(attributes)
        .filter_map(Result::ok)
        .filter_map(|nla| {
            let (kind, length) = (nla.kind(), usize::from(nla.length()));
            Some((kind, nla.into_inner().get(4..length)?))
        })
}

/// The value of the first attribute `kind`.
pub fn find(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    all(attributes)
        .find(|(found, _)| *found == kind)
        .map(|(_, value)| value)
}

/// The number that is the value of the attribute `kind`.
pub fn find_number(attributes: &[u8], kind: u16) -> Option<u32> {
    Some(u32::from_be_bytes(find(attributes, kind)?.try_into().ok()?))
}

/// The text that is the value of the attribute `kind`.
pub fn find_string(attributes: &[u8], kind: u16) -> Option<&str> {
    let text = find(attributes, kind)?;
    std::str::from_utf8(text.strip_suffix(b"\0").unwrap_or(text)).ok()
}

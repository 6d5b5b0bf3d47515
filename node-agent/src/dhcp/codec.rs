//! From the packets of the machines to bytes and back.
//!
//! Written by hand: what arrives may come from the pod itself, and no packet may end the agent (docs/decisions/0021).

mod names;
pub mod v4;
pub mod v6;

/// Why bytes do not reach the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Dropped {
    /// A field or an option ends after the packet, or DHCPv4's options have no end.
    #[error("the packet is truncated")]
    Truncated,
    /// It does not have the cookie of DHCPv4 (RFC 2131 section 3).
    #[error("the packet is not DHCP")]
    NotDhcp,
    /// It says nothing that a server says to a client.
    #[error("the packet is no answer of a DHCP server")]
    NotAnAnswer,
    /// It is for a client that is not of Ethernet.
    #[error("the packet is for another kind of hardware than Ethernet")]
    OtherHardware,
    /// It has no type (option 53), or one that is not one byte.
    #[error("the packet has no message type")]
    NoMessageType,
}

/// Takes so many bytes off.
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Dropped> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(Dropped::Truncated)?;
    *bytes = rest;
    Ok(*taken)
}

/// Takes a part off whose length the packet says.
fn take_part<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Dropped> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Dropped::Truncated)?;
    *bytes = rest;
    Ok(taken)
}

/// The value of an option that has one length only.
fn exact<T, const N: usize>(value: &[u8], read: fn([u8; N]) -> T) -> Option<T> {
    value.try_into().ok().map(read)
}

/// The value of an option that is a list of such values; empty if it is none.
fn list<T: From<[u8; N]>, const N: usize>(value: &[u8]) -> Vec<T> {
    let (items, rest) = value.as_chunks::<N>();
    if rest.is_empty() {
        items.iter().copied().map(T::from).collect()
    } else {
        Vec::new()
    }
}

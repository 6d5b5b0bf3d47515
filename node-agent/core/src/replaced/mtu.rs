//! What an MTU may be.

use crate::layout::IPV6_MTU;

/// No network of IPv4 has a smaller one (RFC 791), no packet is larger.
pub(super) const MTUS: std::ops::RangeInclusive<i64> = 68..=65_535;

/// Refuses one that is too small for IPv6, if there is any.
pub(super) fn for_ipv6(mtu: i64, has_ipv6: bool) -> Result<(), String> {
    if has_ipv6 && mtu < i64::from(IPV6_MTU) {
        return Err(format!(
            "mtu {mtu} is too small for the addresses of IPv6, which need {IPV6_MTU} bytes"
        ));
    }
    Ok(())
}

//! Leases.

#[path = "dhcp/v4.rs"]
mod v4;
#[path = "dhcp/v6.rs"]
mod v6;

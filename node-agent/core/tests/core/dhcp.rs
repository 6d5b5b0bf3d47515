//! Leases.

#[path = "dhcp/v4.rs"]
mod v4;

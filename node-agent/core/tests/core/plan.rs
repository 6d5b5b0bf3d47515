//! Single decisions.

#[path = "plan/addresses.rs"]
mod addresses;
#[path = "plan/borrowed.rs"]
mod borrowed;
#[path = "plan/configure.rs"]
mod configure;
#[path = "plan/devices.rs"]
mod devices;
#[path = "plan/enim.rs"]
mod enim;
#[path = "plan/explicit.rs"]
mod explicit;
#[path = "plan/leases.rs"]
mod leases;
#[path = "plan/reports.rs"]
mod reports;
#[path = "plan/requests.rs"]
mod requests;
#[path = "plan/sandboxes.rs"]
mod sandboxes;
#[path = "plan/several.rs"]
mod several;
#[path = "plan/unreadable.rs"]
mod unreadable;

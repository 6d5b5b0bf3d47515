//! Leases of IPv4.

#[path = "v4/hostile.rs"]
mod hostile;
#[path = "v4/keep.rs"]
mod keep;
#[path = "v4/obtain.rs"]
mod obtain;
#[path = "v4/parameters.rs"]
mod parameters;
#[path = "v4/restart.rs"]
mod restart;
#[path = "v4/session.rs"]
mod session;

//! Leases of IPv6.

#[path = "v6/hostile.rs"]
mod hostile;
#[path = "v6/keep.rs"]
mod keep;
#[path = "v6/model.rs"]
mod model;
#[path = "v6/obtain.rs"]
mod obtain;
#[path = "v6/pace.rs"]
mod pace;
#[path = "v6/random.rs"]
mod random;
#[path = "v6/restart.rs"]
mod restart;
#[path = "v6/server.rs"]
mod server;
#[path = "v6/session.rs"]
mod session;

//! Leases of IPv4.

#[path = "v4/hostile.rs"]
mod hostile;
#[path = "v4/keep.rs"]
mod keep;
#[path = "v4/model.rs"]
mod model;
#[path = "v4/obtain.rs"]
mod obtain;
#[path = "v4/pace.rs"]
mod pace;
#[path = "v4/parameters.rs"]
mod parameters;
#[path = "v4/random.rs"]
mod random;
#[path = "v4/restart.rs"]
mod restart;
#[path = "v4/server.rs"]
mod server;
#[path = "v4/session.rs"]
mod session;

//! AWS for one machine: the EC2 Query protocol and the wires around the rules of crate `vpc`.

mod control;
mod dhcp;
mod ec2;
mod error;
mod fault;
mod http;
mod imds;
mod keeper;
mod namespace;
pub mod protocol;
mod proxies;
mod rules;
mod server;
mod state;
mod store;
mod tls;
mod wires;

pub use error::SimError;
pub use server::{Options, serve};
pub use tls::Identity;

//! DHCP outside of the machines in `node_agent_core::dhcp`: packets as bytes, and sockets.

pub mod codec;
pub mod exchange;

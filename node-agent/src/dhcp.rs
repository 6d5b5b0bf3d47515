//! DHCP outside of the machines in `node_agent_core::dhcp`: packets as bytes.

pub mod codec;

//! A node of network namespaces, and what runs on it: the agent, its API server, CNI plugins.

pub mod agent;
pub mod api_server;
pub mod claims;
pub mod dnsmasq;
pub mod link;
pub mod namespace;
pub mod plugin;
pub mod upstream;

//! DHCP outside of the machines in `node_agent_core::dhcp`: packets as bytes, and sockets.

pub mod client;
pub mod codec;
mod device;
pub mod exchange;
pub mod files;
mod handle;
mod keeper;
mod news;
pub mod probe;
mod tended;
mod turn;

pub use self::{
    handle::{Handle, Kept, handle},
    keeper::Keeper,
};

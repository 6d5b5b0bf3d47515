//! The kernel: everything that speaks netlink or enters a namespace is below this module, and nothing here decides.

pub mod events;
pub mod hardware;
pub mod link;
pub mod namespace;
pub mod neighbour;
pub mod netlink;
pub mod nft;
pub mod routing;
pub mod step;
pub mod surroundings;
pub mod view;

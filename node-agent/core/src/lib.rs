//! What the kernel of a node should look like for its claims, and the least that makes it so: values in, values out.

pub mod absence;
pub mod claim;
mod configured;
pub mod custody;
pub mod dhcp;
pub mod diff;
pub mod difference;
pub mod facts;
pub mod layout;
pub mod mac;
pub mod picture;
pub mod plan;
pub mod port;
pub mod replaced;
pub mod step;

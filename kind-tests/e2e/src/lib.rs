//! What the demo and the scenarios share: a cluster with eniclaim installed, and what one can see and do from outside.

pub mod attack;
pub mod netlink;
pub mod raw;
pub mod steps;
pub mod world;

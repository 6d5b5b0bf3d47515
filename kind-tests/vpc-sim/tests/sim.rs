//! The protocol by example, and the program on real wires.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "sim/boto3.rs"]
mod boto3;
#[path = "sim/control.rs"]
mod control;
#[path = "sim/dhcp.rs"]
mod dhcp;
#[path = "sim/facts.rs"]
mod facts;
#[path = "sim/machine.rs"]
mod machine;
#[path = "sim/protocol.rs"]
mod protocol;
#[path = "sim/refused.rs"]
mod refused;
#[path = "sim/restart.rs"]
mod restart;
#[path = "sim/wires.rs"]
mod wires;

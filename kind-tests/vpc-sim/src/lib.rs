//! AWS for one machine: the EC2 Query protocol and the wires around the rules of crate `vpc`.

pub mod protocol;

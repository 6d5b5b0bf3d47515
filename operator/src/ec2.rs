//! Calls to EC2: each one with its timeout, its counter and the reason why it may be repeated.

mod calls;
mod client;
mod refusal;

pub use client::{client, configure};

pub use calls::Ec2;

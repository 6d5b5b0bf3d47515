//! EC2's rules for network interfaces as a pure value: calls and passing time in, the next state of the world out.
//!
//! Ids are handed out by a counter and time is an argument, so equal histories give equal worlds.
//! Rules that no documentation settles are marked `unverified`, and listed in `docs/simulator.md`.

mod action;
mod address;
mod attach;
mod audit;
mod authorization;
mod cidr;
mod cidr6;
mod create;
mod describe;
pub mod dhcp;
mod eni;
mod error;
mod filters;
mod history;
mod ids;
mod instance;
mod lifecycle;
mod model;
mod modify;
mod mutation;
mod request;
mod settings;
mod subnet;
mod throttle;
mod time;
mod tracking;
pub mod world;

pub use action::Action;
pub use address::{Counts, Others};
pub use audit::Violation;
pub use authorization::Why;
pub use cidr::{Cidr, NotACidr};
pub use cidr6::Cidr6;
pub use describe::{Filter, Query};
pub use dhcp::DhcpSettings;
pub use eni::{Attachment, AttachmentState, Eni, EniState, Mac};
pub use error::Ec2Error;
pub use ids::{AttachmentId, EniId, GroupId, InstanceId, SubnetId, VpcId};
pub use instance::{INSTANCE_TYPES, Instance, InstanceState, InstanceType, InstanceView, Launch};
pub use model::unnumbered;
pub use mutation::Mutation;
pub use request::{Attach, Change, Create, Detach, Request, Response};
pub use settings::{Settings, Tags};
pub use subnet::{Ingress, Protocol, SecurityGroup, Source, Subnet, SubnetView};
pub use time::{Delays, Event, Transition};
pub use tracking::ConnectionTracking;
pub use world::Vpc;

//! The agent against the real kernel: namespaces, a veth in the place of the ENI, compared with ip and nft.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "agent/addresses.rs"]
mod addresses;
#[path = "agent/answer.rs"]
mod answer;
#[path = "agent/api_server.rs"]
mod api_server;
#[path = "agent/borrowed.rs"]
mod borrowed;
#[path = "agent/bridge.rs"]
mod bridge;
#[path = "agent/caller.rs"]
mod caller;
#[path = "agent/churn.rs"]
mod churn;
#[path = "agent/claim.rs"]
mod claim;
#[path = "agent/decision.rs"]
mod decision;
#[path = "agent/dhcp.rs"]
mod dhcp;
#[path = "agent/engine.rs"]
mod engine;
#[path = "agent/events.rs"]
mod events;
#[path = "agent/explicit.rs"]
mod explicit;
#[path = "agent/hang_up.rs"]
mod hang_up;
#[path = "agent/hidden.rs"]
mod hidden;
#[path = "agent/home.rs"]
mod home;
#[path = "agent/http.rs"]
mod http;
#[path = "agent/install.rs"]
mod install;
#[path = "agent/instance_metadata.rs"]
mod instance_metadata;
#[path = "agent/journal.rs"]
mod journal;
#[path = "agent/lacks.rs"]
mod lacks;
#[path = "agent/many.rs"]
mod many;
#[path = "agent/metadata.rs"]
mod metadata;
#[path = "agent/networks.rs"]
mod networks;
#[path = "agent/nft.rs"]
mod nft;
#[path = "agent/places.rs"]
mod places;
#[path = "agent/plug.rs"]
mod plug;
#[path = "agent/presence.rs"]
mod presence;
#[path = "agent/process.rs"]
mod process;
#[path = "agent/raw.rs"]
mod raw;
#[path = "agent/refusals.rs"]
mod refusals;
#[path = "agent/report.rs"]
mod report;
#[path = "agent/running.rs"]
mod running;
#[path = "agent/scan.rs"]
mod scan;
#[path = "agent/several.rs"]
mod several;
#[path = "agent/silence.rs"]
mod silence;
#[path = "agent/socket.rs"]
mod socket;
#[path = "agent/standalone.rs"]
mod standalone;
#[path = "agent/status.rs"]
mod status;
#[path = "agent/task.rs"]
mod task;
#[path = "agent/upgrade.rs"]
mod upgrade;
#[path = "agent/watch.rs"]
mod watch;
#[path = "agent/world.rs"]
mod world;
#[path = "agent/xdp.rs"]
mod xdp;

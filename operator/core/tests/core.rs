//! The core against a small world: an API server, EC2's rules, agents, and time that passes only when nothing else can happen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "core/agent.rs"]
mod agent;
#[path = "core/api_server.rs"]
mod api_server;
#[path = "core/ec2.rs"]
mod ec2;
#[path = "core/election.rs"]
mod election;
#[path = "core/executor.rs"]
mod executor;
#[path = "core/judge.rs"]
mod judge;
#[path = "core/kept.rs"]
mod kept;
#[path = "core/kept_edge.rs"]
mod kept_edge;
#[path = "core/kept_random.rs"]
mod kept_random;
#[path = "core/lease.rs"]
mod lease;
#[path = "core/model.rs"]
mod model;
#[path = "core/processes.rs"]
mod processes;
#[path = "core/story.rs"]
mod story;
#[path = "core/world.rs"]
mod world;

#[path = "core/attachments.rs"]
mod attachments;
#[path = "core/attributes.rs"]
mod attributes;
#[path = "core/cards.rs"]
mod cards;
#[path = "core/check.rs"]
mod check;
#[path = "core/classes.rs"]
mod classes;
#[path = "core/counting.rs"]
mod counting;
#[path = "core/creation.rs"]
mod creation;
#[path = "core/drain.rs"]
mod drain;
#[path = "core/families.rs"]
mod families;
#[path = "core/gauges.rs"]
mod gauges;
#[path = "core/groups.rs"]
mod groups;
#[path = "core/hold.rs"]
mod hold;
#[path = "core/in_use.rs"]
mod in_use;
#[path = "core/leading.rs"]
mod leading;
#[path = "core/leases.rs"]
mod leases;
#[path = "core/limits.rs"]
mod limits;
#[path = "core/lost.rs"]
mod lost;
#[path = "core/marks.rs"]
mod marks;
#[path = "core/neighbours.rs"]
mod neighbours;
#[path = "core/networks.rs"]
mod networks;
#[path = "core/node_report.rs"]
mod node_report;
#[path = "core/persistent.rs"]
mod persistent;
#[path = "core/pods.rs"]
mod pods;
#[path = "core/random.rs"]
mod random;
#[path = "core/refused.rs"]
mod refused;
#[path = "core/resolving.rs"]
mod resolving;
#[path = "core/rollout.rs"]
mod rollout;
#[path = "core/several.rs"]
mod several;
#[path = "core/subnets.rs"]
mod subnets;
#[path = "core/sweeping.rs"]
mod sweeping;
#[path = "core/twofold.rs"]
mod twofold;
#[path = "core/watching.rs"]
mod watching;

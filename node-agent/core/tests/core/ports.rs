//! Ports of the node's bridges: which addresses are given, to whom, and for how long.

#[path = "ports/access.rs"]
mod access;
#[path = "ports/allocate.rs"]
mod allocate;
#[path = "ports/configurations.rs"]
mod configurations;
#[path = "ports/frames.rs"]
mod frames;
#[path = "ports/model.rs"]
mod model;
#[path = "ports/plan.rs"]
mod plan;
#[path = "ports/story.rs"]
mod story;
#[path = "ports/world.rs"]
mod world;

use ipnet::IpNet;
use node_agent_core::{
    facts::Wanted,
    port::{Bridge, Pool, PortAsked},
};

use crate::makers::read;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn a_pool(subnet: &str) -> Pool {
    let subnet = net(subnet);
    let gateway = match subnet {
        IpNet::V4(subnet) => subnet.hosts().next().unwrap().into(),
        IpNet::V6(subnet) => subnet.hosts().nth(1).unwrap().into(),
    };
    Pool {
        subnet,
        gateway,
        address: None,
    }
}

fn on_bridge(subnet: &str) -> PortAsked {
    PortAsked {
        id: None,
        bridge: Some(Bridge {
            name: "ecs-br0".into(),
            mtu: 1500,
        }),
        pools: vec![a_pool(subnet)],
        routes: Vec::new(),
        pod: None,
    }
}

fn addresses_alone(subnet: &str, id: &str) -> PortAsked {
    PortAsked {
        id: Some(id.into()),
        bridge: None,
        ..on_bridge(subnet)
    }
}

/// What a configuration of this plugin asks for, without a warning.
fn understood(plugin: &str, text: &str) -> PortAsked {
    let asked = read(plugin, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(asked.warnings, [""; 0], "{text}");
    match asked.wanted {
        Wanted::Port(asked) => *asked,
        other => panic!("{other:?}"),
    }
}

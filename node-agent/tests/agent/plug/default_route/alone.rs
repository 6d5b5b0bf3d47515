//! A pod whose only interface is its ENI.

use node_agent_core::claim::DefaultRoute;
use serde_json::{Value, json};

use super::{FIRST, MODES, chained, differs, dual, plugged, unplugged};
use crate::{plug::pick, world::World};

/// A pod without an interface of anybody else.
fn alone() -> World {
    let world = chained();
    world.ip("pod", "link del eth0");
    world
}

#[test]
fn without_an_earlier_interface_the_default_route_is_in_table_main() {
    for default_route in MODES {
        let (world, interface) = (alone(), dual(default_route));
        let before = world.portrait("pod");
        plugged(&world, &interface);
        let main = |family: &str| -> Vec<Value> {
            let routes = world.json("pod", &format!("{family} route show table main"));
            let ours = routes
                .as_array()
                .unwrap()
                .iter()
                .filter(|route| route["protocol"] == "236");
            ours.map(|route| {
                pick(
                    route,
                    &["dst", "gateway", "dev", "prefsrc", "metric", "flags"],
                )
            })
            .collect()
        };
        let (v4, v6) = if default_route == DefaultRoute::Never {
            (vec![], vec![])
        } else {
            (
                vec![
                    json!({ "dst": "default", "gateway": "10.0.1.1", "dev": "eni0", "prefsrc": "10.0.1.50", "flags": ["onlink"] }),
                    json!({ "dst": "10.0.1.0/24", "dev": "eni0", "prefsrc": "10.0.1.50", "flags": [] }),
                ],
                vec![
                    json!({ "dst": "2001:db8:1::/64", "dev": "eni0", "prefsrc": "2001:db8:1::50", "metric": 1024, "flags": [] }),
                    json!({ "dst": "default", "gateway": "fe80:ec2::1", "dev": "eni0", "prefsrc": "2001:db8:1::50", "metric": 1024, "flags": ["onlink"] }),
                ],
            )
        };
        assert_eq!((main("-4"), main("-6")), (v4, v6), "{default_route:?}");
        assert_eq!(differs(&world, &interface), "");
        plugged(&world, &interface);
        unplugged(&world, FIRST);
        assert_eq!(world.portrait("pod"), before);
    }
}

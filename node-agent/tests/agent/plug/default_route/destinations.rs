//! Networks that the class leads to the ENI.

use node_agent_core::claim::{DefaultRoute, Destination, Interface, Via};
use serde_json::json;

use super::{FIRST, chained, differs, dual, plugged, unplugged, way};
use crate::plug::pick;

#[test]
fn destinations_of_the_class_leave_by_the_interface() {
    let world = chained();
    let destination = |to: &str, via: Option<&str>| Destination {
        to: to.parse().unwrap(),
        via: via.map_or(Via::Subnet, |via| Via::Router(via.parse().unwrap())),
    };
    let interface = Interface {
        destinations: vec![
            destination("10.0.0.0/8", Some("10.0.1.9")),
            destination("10.0.1.0/24", None),
            destination("2001:db8:9::/48", None),
        ],
        ..dual(DefaultRoute::Never)
    };
    let before = world.portrait("pod");
    plugged(&world, &interface);
    for (to, from, wanted) in [
        ("10.9.9.9", "", "eni0"),
        ("10.0.1.7", "", "eni0"),
        ("10.0.1.5", "", "eth0"),
        ("10.96.0.10", "", "eth0"),
        ("10.244.1.9", "", "eth0"),
        ("203.0.113.9", "", "eth0"),
        ("10.9.9.9", "from 10.244.1.2", "eth0"),
        ("2001:db8:9::9", "", "eni0"),
        ("2001:db8:8::9", "", "eth0"),
    ] {
        assert_eq!(way(&world, to, from), wanted, "to {to} {from}");
    }
    let way = world.json("pod", "route get 10.9.9.9");
    assert_eq!(
        pick(&way[0], &["gateway", "prefsrc"]),
        json!({ "gateway": "10.0.1.9", "prefsrc": "10.0.1.50" })
    );
    assert_eq!(differs(&world, &interface), "");
    unplugged(&world, FIRST);
    assert_eq!(world.portrait("pod"), before);
}

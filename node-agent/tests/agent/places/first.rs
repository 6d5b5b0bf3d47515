//! Nothing before the plugin: the ENI is the pod's first interface.

use serde_json::{Value, json};

use super::runtime::{Site, ours};
use crate::world::{HOME, MAC};

fn site(plugin: &Value) -> Site {
    let site = Site::new();
    site.network(&json!([plugin]));
    site
}

fn refused(site: &Site, part: &str) {
    let error = site.cnitool("add").unwrap_err();
    assert!(error.contains(part), "{error}");
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
    assert!(site.world.has_link("host", "eth1"), "never touched");
}

/// Cases: C06.
/// Shape: IPv4, Fallback, first.
#[test]
fn eni_is_the_interface_of_the_pod_with_its_default_route() {
    let mut site = site(&ours());
    let result = site.cnitool("add").unwrap();
    let interface = &result["interfaces"][0];
    assert_eq!(
        (&interface["name"], &interface["mac"]),
        (&json!("eth0"), &json!(MAC))
    );
    assert_eq!(
        result["ips"],
        json!([{ "interface": 0, "address": "10.0.1.50/24", "gateway": "10.0.1.1" }])
    );
    assert_eq!(
        result["routes"],
        json!([{ "dst": "0.0.0.0/0", "gw": "10.0.1.1" }])
    );
    let notice = site.agent.notice();
    assert_eq!(
        notice.patch().unwrap()["status"]["device"]["ifName"],
        "eth0"
    );
    let routes = site.world.json("bare", "route");
    let default = &routes[0];
    assert_eq!(
        (
            &default["dst"],
            &default["gateway"],
            &default["dev"],
            &default["prefsrc"]
        ),
        (
            &json!("default"),
            &json!("10.0.1.1"),
            &json!("eth0"),
            &json!("10.0.1.50")
        )
    );
    // Other subnets, from whatever address the kernel chooses.
    site.world.serve("vpc", 80);
    site.world.reach("bare", None, "10.0.9.9", 80).unwrap();
    site.world.reach("bare", None, "10.0.1.1", 80).unwrap();
    site.world
        .reach("bare", None, "169.254.169.254", 80)
        .unwrap_err();
    assert_eq!(site.cnitool("check"), Ok(Value::Null));
    site.world.ip("bare", "route del default");
    let error = site.cnitool("check").unwrap_err();
    assert!(
        error.contains("route 0.0.0.0/0") && error.contains("is missing"),
        "{error}"
    );
    for _ in 0..2 {
        assert_eq!(site.cnitool("del"), Ok(Value::Null));
        assert!(site.world.has_link("host", HOME));
    }
    assert_eq!(site.agent.journal(), 0);
}

#[test]
fn pod_that_does_not_ask_is_told_what_to_do() {
    let mut site = site(&ours());
    site.annotations = json!({ "other": "x" });
    refused(&site, "pod shop/web-0 does not ask for an ENI");
}

/// As Multus calls its delegates: without annotations, and in a pod that has its network already.
#[test]
fn multus_needs_the_key_for_it_and_the_pods_own_default_route_stays() {
    let mut plugin = ours();
    plugin.as_object_mut().unwrap().remove("capabilities");
    let site = site(&plugin);
    refused(&site, "came without annotations");
    plugin["pods"] = json!("All");
    site.network(&json!([plugin]));
    site.world
        .ip("bare", "link add own type veth peer name other");
    site.world.ip("bare", "link set other up");
    site.world.ip("bare", "addr add 10.244.1.2/24 dev own");
    site.world.ip("bare", "link set own up");
    site.world.ip("bare", "route add default via 10.244.1.1");
    let before = site.world.json("bare", "route");
    let result = site.cnitool("add").unwrap();
    assert_eq!(result["routes"], Value::Null);
    assert_eq!(site.world.json("bare", "route"), before);
    assert_eq!(site.cnitool("check"), Ok(Value::Null));
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
    assert!(site.world.has_link("host", HOME));
    assert_eq!(site.world.json("bare", "route"), before);
}

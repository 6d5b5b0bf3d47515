//! As the IPAM plugin of host-device, which has moved the device when it asks: M22.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::runtime::{Site, host_device, ours};

/// host-device with addresses of the claim.
fn addressed() -> Value {
    let mut plugin = host_device();
    plugin["ipam"] = json!({ "type": "eniclaim" });
    plugin
}

fn site(plugins: &Value) -> Site {
    let site = Site::new();
    site.network(plugins);
    site
}

/// Shape: IPv4, IPAM.
#[test]
fn host_device_puts_the_claims_addresses_on_the_device_that_it_moved() {
    let site = site(&json!([addressed()]));
    let result = site.cnitool("add").unwrap();
    assert_eq!(result["ips"][0]["address"], "10.0.1.50/24");
    let device = site.world.device("bare").unwrap();
    assert_eq!(device["addr_info"][0]["local"], "10.0.1.50");
    site.world.serve("vpc", 80);
    site.world.reach("bare", None, "10.0.9.9", 80).unwrap();
    assert_eq!(site.cnitool("check"), Ok(Value::Null));
    assert_eq!(site.agent.journal(), 0, "nothing of it is ours");
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
    assert!(site.world.has_link("host", "eth1"));
}

#[test]
fn claim_that_is_not_there_is_refused_at_once() {
    let site = site(&json!([addressed()]));
    site.agent.list(vec![]);
    let start = Instant::now();
    let error = site.cnitool("add").unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(
        error.contains("no EniClaim on this node is bound to pod shop/web-0"),
        "{error}"
    );
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
    assert!(site.world.has_link("host", "eth1"));
}

/// host-device moves and addresses, and ours behind it makes rules and routes.
#[test]
fn chained_behind_it_rules_and_routes_are_ours_and_the_address_stays_theirs() {
    let site = site(&json!([addressed(), ours()]));
    let result = site.cnitool("add").unwrap();
    assert_eq!(result["interfaces"].as_array().unwrap().len(), 1);
    let device = site.world.device("bare").unwrap();
    let addresses = device["addr_info"].as_array().unwrap();
    let v4 = addresses.iter().filter(|a| a["family"] == "inet");
    assert_eq!(v4.map(|a| &a["prefixlen"]).collect::<Vec<_>>(), [24]);
    let rules = site.world.json("bare", "rule show pref 512");
    assert_eq!(rules.as_array().unwrap().len(), 2);
    assert_eq!(site.cnitool("check"), Ok(Value::Null));
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
    assert!(site.world.has_link("host", "eth1"));
    site.world.wait_until(|_| site.agent.journal() == 0);
}

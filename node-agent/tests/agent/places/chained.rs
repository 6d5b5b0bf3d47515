//! Behind ptp.

use serde_json::{Value, json};

use super::runtime::{Site, ours, ptp};
use crate::world::{HOME, MAC};

fn site() -> Site {
    let site = Site::new();
    site.network(&json!([ptp(), ours()]));
    site
}

/// The names of the interfaces that a result lists in the pod.
fn in_pod(result: &Value) -> Vec<&str> {
    let interfaces = result["interfaces"].as_array().unwrap().iter();
    let interfaces = interfaces.filter(|interface| interface["sandbox"].is_string());
    interfaces
        .map(|interface| interface["name"].as_str().unwrap())
        .collect()
}

fn is_home(site: &Site) {
    assert!(site.world.has_link("host", HOME));
    assert_eq!(site.agent.journal(), 0);
    assert!(!site.world.has_link("bare", "eni0"));
}

/// Shape: IPv4, after ptp.
/// CHECK of ptp finds nothing on its interface that it did not put there, or it fails.
#[test]
fn eni_is_a_further_interface_and_check_of_both_passes() {
    let site = site();
    let result = site.cnitool("add").unwrap();
    assert_eq!(in_pod(&result), ["eth0", "eni0"]);
    assert_eq!(result["interfaces"][2]["mac"], MAC);
    assert_eq!(result["ips"].as_array().unwrap().len(), 1);
    assert_eq!(site.cnitool("check"), Ok(Value::Null));
    site.world.ip("bare", "link set eni0 mtu 1400");
    let error = site.cnitool("check").unwrap_err();
    assert!(error.contains("MTU is 1400, not 9001"), "{error}");
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
    assert!(!site.world.has_link("bare", "eth0"));
    is_home(&site);
    assert_eq!(site.cnitool("del"), Ok(Value::Null), "twice");
}

/// Cases: M12.
#[test]
fn del_of_the_two_succeeds_in_any_order_and_twice() {
    for order in [[ours(), ptp()], [ptp(), ours()]] {
        let site = site();
        let first = site.plugin("ADD", ptp(), None).unwrap();
        let both = site.plugin("ADD", ours(), Some(&first)).unwrap();
        assert_eq!(in_pod(&both), ["eth0", "eni0"]);
        for plugin in [&order[0], &order[1], &order[1], &order[0]] {
            let deleted = site.plugin("DEL", plugin.clone(), Some(&both));
            assert_eq!(deleted, Ok(Value::Null), "{plugin}");
        }
        assert!(!site.world.has_link("bare", "eth0"));
        is_home(&site);
    }
}

#[test]
fn gc_without_valid_attachments_leaves_nothing() {
    let site = site();
    site.cnitool("add").unwrap();
    assert_eq!(site.cnitool("gc"), Ok(Value::Null));
    is_home(&site);
    assert_eq!(site.cnitool("gc"), Ok(Value::Null), "twice");
}

#[test]
fn pod_that_does_not_ask_gets_what_ptp_gave() {
    let mut site = site();
    site.annotations = json!({ "other": "x" });
    let result = site.cnitool("add").unwrap();
    assert_eq!(in_pod(&result), ["eth0"]);
    assert_eq!(site.cnitool("check"), Ok(Value::Null));
    assert_eq!(site.cnitool("del"), Ok(Value::Null));
    assert!(site.world.has_link("host", "eth1"), "never touched");
}

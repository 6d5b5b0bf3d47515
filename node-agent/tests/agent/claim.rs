//! From the API's claim to the core's.

use node_agent::claim::convert;
use node_agent_core::claim::{DefaultRoute, Mtu, Via, Wait};
use serde_json::json;

use crate::running::{a_claim, claim_document, with};

#[test]
fn attached_claim_has_all_that_a_plug_needs() {
    let claim = convert(&a_claim()).unwrap();
    assert_eq!(claim.key.to_string(), "shop/web-0-abcde");
    assert!(
        claim
            .pod
            .is_some_and(|pod| pod.name == "web-0" && pod.uid == "u-1")
    );
    assert_eq!(claim.interface.name, "eni0");
    assert_eq!(claim.interface.addresses[0].ip.to_string(), "10.0.1.50");
    assert!(claim.attachment.is_some() && claim.eni.is_some());
}

#[test]
fn mtu_is_that_of_the_class_or_left_to_the_device() {
    assert_eq!(convert(&a_claim()).unwrap().interface.mtu, Mtu::Usual);
    let claim = with(a_claim(), "/status/interface", json!({ "mtu": 1400 }));
    assert_eq!(convert(&claim).unwrap().interface.mtu, Mtu::Bytes(1400));
}

#[test]
fn routes_networks_and_settings_are_those_of_the_claim() {
    let interface = json!({
        "defaultRoute": "Primary", "clusterCidrs": ["10.96.0.0/12"],
        "routes": [{ "dst": "10.8.0.0/16", "via": "10.0.1.9" }, { "dst": "2001:db8:9::/48" }],
        "sysctls": { "net.ipv6.neigh.IFNAME.gc_stale_time": "120" }
    });
    let interface = convert(&with(a_claim(), "/status/interface", interface));
    let interface = interface.unwrap().interface;
    assert_eq!(interface.default_route, DefaultRoute::Primary);
    let networks: Vec<_> = interface.cluster.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.96.0.0/12"]);
    let destinations: Vec<_> = (interface.destinations.iter())
        .map(|one| (one.to.to_string(), one.via))
        .collect();
    assert_eq!(
        destinations,
        [
            (
                "10.8.0.0/16".to_owned(),
                Via::Router("10.0.1.9".parse().unwrap())
            ),
            ("2001:db8:9::/48".to_owned(), Via::Subnet)
        ]
    );
    let (sysctl, value) = interface.sysctls.first_key_value().unwrap();
    assert_eq!(
        (sysctl.path("eni0").as_str(), value.as_str()),
        ("ipv6/neigh/eni0/gc_stale_time", "120")
    );
}

/// What the class may set is what the agent can set: each leads to a file of the interface.
#[test]
fn every_setting_of_a_class_has_a_path() {
    for sysctl in crds::sysctl::Sysctl::ALL {
        let key = sysctl.key();
        let claim = with(
            a_claim(),
            "/status/interface",
            json!({ "sysctls": { key: "1" } }),
        );
        let sysctls = convert(&claim).unwrap().interface.sysctls;
        let path = sysctls.first_key_value().unwrap().0.path("IFNAME");
        assert_eq!(path.replace('/', "."), key.trim_start_matches("net."));
    }
}

#[test]
fn attachment_without_an_id_is_none() {
    let claim = with(a_claim(), "/status/attachment/id", json!(null));
    assert_eq!(convert(&claim).unwrap().attachment, None);
}

#[test]
fn claim_waits_by_the_operators_word_and_is_blocked_by_its_reason() {
    let mut document = claim_document();
    let waits_for = |document: &serde_json::Value| {
        convert(&serde_json::from_value(document.clone()).unwrap())
            .unwrap()
            .waits_for
    };
    let new = "the eniclaim-operator has not looked at it yet";
    assert_eq!(waits_for(&document), Wait::Progress(new.into()));
    let ready = |reason: &str, message: &str| {
        json!([{
            "type": "Ready", "status": "False", "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z"
        }])
    };
    document["status"]["conditions"] = ready("Attaching", "the ENI is being attached");
    let attaching = Wait::Progress("the ENI is being attached".into());
    assert_eq!(waits_for(&document), attaching);
    document["status"]["conditions"] = ready("SubnetFull", "no free address");
    let blocked = Wait::Blocked("SubnetFull: no free address".into());
    assert_eq!(waits_for(&document), blocked);
    document["status"]["conditions"] = ready("OfALaterVersion", "something else");
    let unknown = Wait::Progress("something else".into());
    assert_eq!(waits_for(&document), unknown);
}

/// Cases: C02.
#[test]
fn address_that_fits_no_subnet_is_refused_by_name() {
    for (pointer, value, part) in [
        ("prefixLength", json!(33), "10.0.1.50/33"),
        ("address", json!("2001:db8::1"), "2001:db8::1/24"),
    ] {
        let pointer = format!("/status/ipam/addresses/0/{pointer}");
        let error = convert(&with(a_claim(), &pointer, value)).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("shop/web-0-abcde") && said.contains(part),
            "{said}"
        );
    }
}

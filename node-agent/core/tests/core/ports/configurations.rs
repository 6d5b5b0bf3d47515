//! Configurations of ecs-bridge and ecs-ipam, as their documentation has them, and as they are written wrong.

use node_agent_core::{
    facts::Wanted,
    port::{Bridge, PortAsked, PortRoute},
    replaced::{Release, release},
};

use super::{net, understood};
use crate::makers::read;

/// The example of ecs-bridge's documentation, to the letter.
const BRIDGE: &str = r#"{
    "type":"ecs-bridge",
    "cniVersion":"0.3.0",
    "bridge":"ecs-br0",
    "mtu":1500,
    "ipam":{
	"type":"ecs-ipam",
	"id":"test",
	"cniVersion":"0.3.0",
	"ipv4-subnet":"169.254.172.0/22",
	"ipv4-routes":[
	    {
		"dst":"169.254.172.1"
	    }
	]
    }
}"#;

/// That of ecs-ipam's.
const IPAM: &str = r#"{
"ipam": {
"type": "ecs-ipam",
"id": "12345",
"ipv4-address": "10.0.0.2/24",
"ipv4-gateway": "10.0.0.1",
"ipv4-subnet": "10.0.0.0/24",
"ipv4-routes": [
{"dst": "169.254.170.2/32"},
{"dst": "169.254.170.0/20", "gw": "10.0.0.1"}
]
}
}"#;

/// Subnet, gateway and wanted address of each pool, as text.
fn pools(asked: &PortAsked) -> Vec<String> {
    let pools = asked.pools.iter().map(|pool| {
        let address = pool.address.map(|address| format!(" {address}"));
        format!(
            "{} {}{}",
            pool.subnet,
            pool.gateway,
            address.unwrap_or_default()
        )
    });
    pools.collect()
}

fn ipam(keys: &str) -> String {
    format!(r#"{{"cniVersion":"0.3.0","ipam":{{"type":"ecs-ipam",{keys}}}}}"#)
}

fn bridge(keys: &str) -> String {
    format!(r#"{{"type":"ecs-bridge","cniVersion":"0.3.0",{keys}}}"#)
}

const WITH_IPAM: &str = r#""ipam":{"type":"ecs-ipam","ipv4-subnet":"169.254.172.0/22"}"#;

/// Cases: C09.
#[test]
fn examples_of_the_documentation_are_understood_to_the_letter() {
    let asked = understood("ecs-bridge", BRIDGE);
    let bridge = Bridge {
        name: "ecs-br0".into(),
        mtu: 1500,
    };
    assert_eq!(asked.bridge, Some(bridge));
    assert_eq!(asked.id.as_deref(), Some("test"));
    assert_eq!(pools(&asked), ["169.254.172.0/22 169.254.172.1"]);
    // A destination without a prefix length is a host.
    let route = PortRoute {
        to: net("169.254.172.1/32"),
        gateway: None,
    };
    assert_eq!(asked.routes, [route]);
    let asked = understood("ecs-ipam", IPAM);
    assert_eq!((asked.bridge, asked.id.as_deref()), (None, Some("12345")));
    assert_eq!(asked.routes[1].gateway, Some("10.0.0.1".parse().unwrap()));
    let asked = understood("ecs-ipam", IPAM);
    assert_eq!(pools(&asked), ["10.0.0.0/24 10.0.0.1 10.0.0.2/24"]);
}

#[test]
fn what_is_left_out_is_as_it_was() {
    for (keys, expected) in [
        (
            r#""ipv4-subnet":"10.0.0.5/24""#,
            &["10.0.0.0/24 10.0.0.1"][..],
        ),
        (
            r#""ipv4-subnet":"10.0.0.0/24","ipv4-address":"10.0.0.7""#,
            &["10.0.0.0/24 10.0.0.1 10.0.0.7/24"],
        ),
        (
            r#""ipv4-subnet":"10.0.0.0/24","ipv4-address":"10.0.0.7/32","ipv4-gateway":"10.0.0.8/24""#,
            &["10.0.0.0/24 10.0.0.8 10.0.0.7/32"],
        ),
        (
            r#""ipv6-subnet":"2001:db8::/64","ipv4-subnet":"10.0.0.0/30","ipv6-address":"2001:db8::99""#,
            &[
                "10.0.0.0/30 10.0.0.1",
                "2001:db8::/64 2001:db8::1 2001:db8::99/64",
            ],
        ),
        (
            r#""ipv6-subnet":"2001:db8::/126","ipv6-address":"2001:db8::3/126""#,
            &["2001:db8::/126 2001:db8::1 2001:db8::3/126"],
        ),
    ] {
        assert_eq!(
            pools(&understood("ecs-ipam", &ipam(keys))),
            expected,
            "{keys}"
        );
    }
    for mtu in ["", r#","mtu":0"#, r#","mtu":null"#] {
        let asked = understood(
            "ecs-bridge",
            &bridge(&format!(r#""bridge":"b",{WITH_IPAM}{mtu}"#)),
        );
        assert_eq!(asked.bridge.unwrap().mtu, 1500, "{mtu}");
    }
}

#[test]
fn keys_match_in_any_letter_case_and_those_that_mean_nothing_are_said() {
    let text = r#"{"BRIDGE":"b","isGateway":true,"Ipam":{"Type":"ecs-ipam","IPv4-Subnet":"10.0.0.0/24","timeout":"5s"}}"#;
    let asked = read("ecs-bridge", text).unwrap();
    assert!(matches!(asked.wanted, Wanted::Port(_)));
    let mut warnings = asked.warnings;
    warnings.sort();
    let unknown = |key| format!("unknown key {key:?} has no effect");
    assert_eq!(warnings, [unknown("isGateway"), unknown("timeout")]);
    // What else is in a configuration with addresses is for the plugin that asks.
    let text = r#"{"type":"bridge","hairpinMode":true,"ipam":{"type":"ecs-ipam","ipv4-subnet":"10.0.0.0/24"}}"#;
    understood("ecs-ipam", text);
}

fn refused(plugin: &str, text: &str, sentence: &str) {
    let error = read(plugin, text).unwrap_err();
    assert!(error.contains(sentence), "{text}: {error}");
}

/// Cases: P01.
#[test]
fn addresses_that_are_wrong_are_refused_with_the_name_of_their_key() {
    refused("ecs-ipam", r#"{"cniVersion":"0.3.0"}"#, "ipam is missing");
    refused("ecs-ipam", r#"{"ipam":7}"#, "ipam 7 must be an object");
    for (keys, sentence) in [
        (r#""id":"a""#, "ipam has no subnet"),
        (
            r#""ipv4-address":"10.0.0.2/24""#,
            "no effect without ipv4-subnet",
        ),
        (
            r#""ipv4-subnet":"10.0.0.0""#,
            "ipv4-subnet \"10.0.0.0\" is no subnet of IPv4",
        ),
        (r#""ipv4-subnet":"2001:db8::/64""#, "is no subnet of IPv4"),
        (r#""ipv6-subnet":"10.0.0.0/24""#, "is no subnet of IPv6"),
        (r#""ipv4-subnet":"10.0.0.0/31""#, "has no room"),
        (r#""ipv6-subnet":"2001:db8::/127""#, "has no room"),
    ] {
        refused("ecs-ipam", &ipam(keys), sentence);
    }
    for (keys, sentence) in [
        (
            r#""ipv4-address":"10.0.1.7/24""#,
            "ipv4-address \"10.0.1.7/24\" is not in the subnet 10.0.0.0/24",
        ),
        (
            r#""ipv4-address":"10.0.0.0/24""#,
            "stands for all of the subnet",
        ),
        (
            r#""ipv4-address":"10.0.0.255/24""#,
            "stands for all of the subnet",
        ),
        (
            r#""ipv4-address":"10.0.0.1/24""#,
            "is the gateway of the subnet",
        ),
        (
            r#""ipv4-address":"zz""#,
            "ipv4-address \"zz\" is no IP address",
        ),
        (
            r#""ipv4-gateway":"10.0.0.0""#,
            "ipv4-gateway \"10.0.0.0\" stands for all",
        ),
        (
            r#""ipv4-gateway":"10.0.0.255""#,
            "stands for all of the subnet",
        ),
        (r#""ipv4-gateway":"10.0.1.1""#, "is not in the subnet"),
        (
            r#""ipv4-routes":[{"gw":"10.0.0.1"}]"#,
            "ipv4-routes: a route has no dst",
        ),
        (
            r#""ipv4-routes":[{"dst":"2001:db8::/64"}]"#,
            "is no destination of IPv4",
        ),
        (
            r#""ipv4-routes":[{"dst":"10.1.0.0/16","gw":"2001:db8::1"}]"#,
            "gw \"2001:db8::1\" is no address of IPv4",
        ),
        (r#""ipv4-routes":["10.1.0.0/16"]"#, "must be an object"),
        (r#""ipv4-routes":{}"#, "ipv4-routes {} must be a list"),
        (
            r#""ipv6-subnet":"2001:db8::/64","ipv6-gateway":"10.0.0.1""#,
            "is not in the subnet",
        ),
        (
            r#""ipv6-subnet":"2001:db8::/64","ipv6-address":"2001:db8::/64""#,
            "stands for all",
        ),
    ] {
        let keys = format!(r#""ipv4-subnet":"10.0.0.0/24",{keys}"#);
        refused("ecs-ipam", &ipam(&keys), sentence);
    }
}

#[test]
fn bridge_that_is_wrong_is_refused_with_the_name_of_its_key() {
    for (keys, sentence) in [
        (WITH_IPAM.to_owned(), "bridge is missing"),
        (format!(r#""bridge":"",{WITH_IPAM}"#), "bridge is missing"),
        (format!(r#""bridge":"a-bridge-name-too-long",{WITH_IPAM}"#), "at most 15 characters"),
        (format!(r#""bridge":"a/b",{WITH_IPAM}"#), "is no name of an interface"),
        (format!(r#""bridge":"b","mtu":"1500",{WITH_IPAM}"#), "mtu \"1500\" must be a whole number"),
        (format!(r#""bridge":"b","mtu":-1,{WITH_IPAM}"#), "mtu -1 must be 68 to 65535"),
        (format!(r#""bridge":"b","mtu":70000,{WITH_IPAM}"#), "mtu 70000 must be 68 to 65535"),
        (r#""bridge":"b""#.to_owned(), "ipam is missing"),
        (r#""bridge":"b","ipam":{"ipv4-subnet":"10.0.0.0/24"}"#.to_owned(), "ipam.type is missing"),
        (
            r#""bridge":"b","ipam":{"type":"host-local","subnet":"10.0.0.0/24"}"#.to_owned(),
            "ipam.type \"host-local\" is not supported",
        ),
        (
            r#""bridge":"b","mtu":1000,"ipam":{"type":"ecs-ipam","ipv6-subnet":"2001:db8::/64"}"#.to_owned(),
            "mtu 1000 is too small for the addresses of IPv6",
        ),
        (
            r#""bridge":"b","ipam":{"type":"ecs-ipam","ipv4-subnet":"10.0.0.0/24","ipv4-routes":[{"dst":"10.1.0.0/16","gw":"10.9.9.9"}]}"#.to_owned(),
            "the route to 10.1.0.0/16 has the gw 10.9.9.9, which is no gateway of the bridge",
        ),
    ] {
        refused("ecs-bridge", &bridge(&keys), sentence);
    }
}

#[test]
fn del_names_addresses_or_an_id_or_nothing() {
    let by_id = Release {
        addresses: Vec::new(),
        id: Some("12345".into()),
    };
    let by_both = Release {
        addresses: vec!["10.0.0.2".parse().unwrap()],
        ..by_id.clone()
    };
    assert_eq!(release("ecs-ipam", IPAM), Some(by_both));
    // What else is wrong with it is no reason to keep an address.
    assert_eq!(release("ecs-ipam", &ipam(r#""id":"12345""#)), Some(by_id));
    assert_eq!(release("ecs-ipam", "{}"), Some(Release::default()));
    assert_eq!(release("ecs-bridge", BRIDGE), None);
}

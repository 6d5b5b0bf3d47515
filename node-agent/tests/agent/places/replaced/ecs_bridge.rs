//! The examples of ecs-bridge's and ecs-ipam's documents.

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{METADATA, Runtime, VERSIONS, named, speaking, with};

/// That of ecs-bridge's.
const ECS_BRIDGE: &str = r#"{
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
const ECS_IPAM: &str = r#"{
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
/// Where its routes lead: the credentials.
const ENDPOINT: &str = "169.254.170.2";

#[test]
fn example_of_ecs_bridge_leads_to_the_node() {
    let runtime = Runtime::new();
    for version in VERSIONS {
        let text = speaking(&named(ECS_BRIDGE), version);
        let mut given = String::new();
        runtime.serves(&text, version, |added| {
            let interfaces = added["interfaces"].as_array().unwrap();
            let names = interfaces.iter().map(|one| one["name"].as_str().unwrap());
            let names: Vec<_> = names.collect();
            assert_eq!((names[0], names[2]), ("ecs-br0", "eth0"));
            assert_eq!(interfaces[2]["sandbox"], json!(runtime.world.path("task")));
            let ip = &added["ips"][0];
            assert_eq!(
                [&ip["interface"], &ip["gateway"]],
                [&json!(2), &json!("169.254.172.1")]
            );
            assert_eq!(
                added["routes"],
                json!([{ "dst": "169.254.172.1/32", "gw": "169.254.172.1" }])
            );
            let address = ip["address"].as_str().unwrap();
            assert_eq!(
                runtime.eth0(),
                json!([interfaces[2]["mac"], 1500, [address]])
            );
            assert_eq!(runtime.routes(), ["169.254.172.1"]);
            address.split('/').next().unwrap().clone_into(&mut given);
            runtime.reaches("task", "169.254.172.1");
            runtime.reaches("host", &given);
            assert!(runtime.world.has_link("host", names[1]));
        });
        // One that was given comes last again.
        let number = VERSIONS.iter().position(|one| *one == version).unwrap();
        assert_eq!(given, format!("169.254.172.{}", number + 2));
    }
    let links = runtime.world.json("host", "link show type veth");
    let links = links.as_array().unwrap().iter();
    let links: Vec<_> = links.map(|link| link["ifname"].as_str().unwrap()).collect();
    assert!(
        !links.iter().any(|name| name.starts_with("vetha9fe")),
        "{links:?}"
    );
    // As that of the original does.
    assert!(
        runtime.world.has_link("host", "ecs-br0"),
        "the bridge stays"
    );
}

/// As its document runs it: by itself. The `cniVersion`, which the example lacks, is that of the other documents.
#[test]
fn example_of_ecs_ipam_gives_the_address_that_it_names_until_it_is_given_back() {
    let runtime = Runtime::new();
    let text = with(ECS_IPAM, r#""cniVersion":"0.3.0""#);
    let before = (
        runtime.world.portrait("host"),
        runtime.world.portrait("task"),
    );
    let netns = runtime.world.path("task");
    let call = |verb, container| {
        let environment = [
            ("CNI_COMMAND", verb),
            ("CNI_CONTAINERID", container),
            ("CNI_NETNS", &*netns),
            ("CNI_IFNAME", "eth0"),
        ];
        runtime.piped("ecs-ipam", &text, &environment)
    };
    let added = call("ADD", "c1").unwrap();
    assert_eq!(
        added["ips"],
        json!([{ "version": "4", "address": "10.0.0.2/24", "gateway": "10.0.0.1" }])
    );
    let routes = added["routes"].as_array().unwrap().iter().map(|route| {
        let to: IpNet = route["dst"].as_str().unwrap().parse().unwrap();
        (to.trunc().to_string(), route["gw"].as_str())
    });
    assert_eq!(
        routes.collect::<Vec<_>>(),
        [
            ("169.254.170.2/32".to_owned(), None),
            ("169.254.160.0/20".to_owned(), Some("10.0.0.1"))
        ]
    );
    let error = call("ADD", "c2").unwrap_err();
    assert!(error.contains("10.0.0.2"), "{error}");
    for _ in 0..2 {
        assert_eq!(call("DEL", "c1"), Ok(Value::Null));
    }
    assert_eq!(call("ADD", "c2"), Ok(added));
    assert_eq!(call("DEL", "c2"), Ok(Value::Null));
    assert_eq!(runtime.ports(), 0);
    let after = (
        runtime.world.portrait("host"),
        runtime.world.portrait("task"),
    );
    assert_eq!(after, before, "it touches nothing");
}

/// What a container has with the addresses of that example, whoever makes the interface.
fn has_the_addresses_of_ecs_ipam(runtime: &Runtime, added: &Value) {
    let ip = &added["ips"][0];
    assert_eq!(
        [&ip["address"], &ip["gateway"]],
        [&json!("10.0.0.2/24"), &json!("10.0.0.1")]
    );
    assert_eq!(runtime.eth0()[2], json!(["10.0.0.2/24"]));
    let routes = runtime.routes();
    for by_the_gateway in [
        "169.254.160.0/20 via 10.0.0.1",
        "169.254.170.2 via 10.0.0.1",
    ] {
        let is_there = routes.iter().any(|route| route == by_the_gateway);
        assert!(is_there, "{by_the_gateway}: {routes:?}");
    }
    runtime.reaches("task", "10.0.0.1");
    runtime.reaches("task", ENDPOINT);
    runtime.reaches("host", "10.0.0.2");
}

/// A network with the example as its addresses. Which plugin asks for them the example does not say.
fn addressed(plugin: &str, version: &str) -> String {
    let keys = format!(r#""cniVersion":"{version}",{plugin}"#);
    with(&named(ECS_IPAM), &keys)
}

#[test]
fn example_of_ecs_ipam_serves_ecs_bridge() {
    let runtime = Runtime::new();
    let host = &runtime.world;
    for address in [ENDPOINT, METADATA] {
        host.ip("host", &format!("addr add {address}/32 dev lo"));
    }
    for version in VERSIONS {
        let text = addressed(r#""type":"ecs-bridge","bridge":"ecs-br0""#, version);
        runtime.serves(&text, version, |added| {
            has_the_addresses_of_ecs_ipam(&runtime, added);
            // One of its routes leads there as well.
            runtime.does_not_reach(METADATA);
        });
    }
}

#[test]
fn example_of_ecs_ipam_serves_another_plugin() {
    let runtime = Runtime::new();
    let host = &runtime.world;
    host.ip("host", &format!("addr add {ENDPOINT}/32 dev lo"));
    let links = || host.json("host", "link").as_array().unwrap().len();
    let before = links();
    for version in VERSIONS {
        runtime.serves(&addressed(r#""type":"ptp""#, version), version, |added| {
            has_the_addresses_of_ecs_ipam(&runtime, added);
        });
        assert_eq!(links(), before, "{version}");
    }
}

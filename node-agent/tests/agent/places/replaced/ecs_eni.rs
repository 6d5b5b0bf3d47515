//! The example of ecs-eni's document.

use serde_json::{Value, json};

use super::{METADATA, Runtime, VERSIONS, named, speaking, with};
use crate::world::{HOME, MAC};

/// The example of ecs-eni's document.
const ECS_ENI: &str = r#"{
"type":"ecs-eni",
"cniVersion":"0.3.0",
"eni":"eni-eni01en1",
"ipv4-address":"172.31.31.65/20",
"mac":"01:23:45:67:89:ab",
"block-instance-metadata":true
}"#;
/// The MAC address in it, which is that of a group: the kernel gives it to no device (`is_valid_ether_addr`).
const OF_A_GROUP: &str = "01:23:45:67:89:ab";

#[test]
fn example_of_ecs_eni_moves_the_eni_with_its_address() {
    let runtime = Runtime::new();
    runtime.world.ip("vpc", "addr add 172.31.16.1/20 dev eni0a");
    let mtu = runtime.world.device("host").unwrap()["mtu"].clone();
    // To the letter it is understood, and there can be no such device.
    let error = runtime.cnitool("add", &named(ECS_ENI)).unwrap_err();
    assert!(error.contains(OF_A_GROUP), "{error}");
    assert!(runtime.world.has_link("host", "eth1"), "another was taken");
    assert_eq!(runtime.cnitool("del", &named(ECS_ENI)), Ok(Value::Null));
    let text = named(ECS_ENI).replace(OF_A_GROUP, MAC);
    for version in VERSIONS {
        runtime.serves(&speaking(&text, version), version, |added| {
            let interface = &added["interfaces"][0];
            assert_eq!(
                [&interface["name"], &interface["mac"], &interface["sandbox"]],
                [
                    &json!("eth0"),
                    &json!(MAC),
                    &json!(runtime.world.path("task"))
                ]
            );
            let ip = &added["ips"][0];
            assert_eq!(
                [&ip["interface"], &ip["address"], &ip["gateway"]],
                [&json!(0), &json!("172.31.31.65/20"), &json!("172.31.16.1")]
            );
            assert_eq!(
                added["routes"],
                json!([{ "dst": "0.0.0.0/0", "gw": "172.31.16.1" }])
            );
            assert_eq!(runtime.eth0(), json!([MAC, mtu, ["172.31.31.65/32"]]));
            assert!(
                runtime
                    .routes()
                    .contains(&"default via 172.31.16.1".to_owned()),
                "{:?}",
                runtime.routes()
            );
            for reached in ["172.31.16.1", "10.0.9.9"] {
                runtime.reaches("task", reached);
            }
            runtime.reaches("vpc", "172.31.31.65");
            runtime.does_not_reach(METADATA);
        });
        assert!(runtime.world.has_link("host", HOME), "{version}");
    }
}

/// The document has a value for this parameter, and no configuration with it.
#[test]
fn gateway_as_the_document_of_ecs_eni_writes_it_is_the_router() {
    let runtime = Runtime::new();
    let gateway = r#""subnetgateway-ipv4-address":"10.15.145.128/25""#;
    // An address of that subnet; its prefix length is the gateway's.
    let text = with(&named(ECS_ENI), gateway)
        .replace("172.31.31.65/20", "10.15.145.200")
        .replace(OF_A_GROUP, MAC);
    runtime
        .world
        .ip("vpc", "addr add 10.15.145.128/32 dev eni0a");
    runtime
        .world
        .ip("vpc", "route add 10.15.145.128/25 dev eni0a");
    runtime.serves(&text, "0.3.0", |added| {
        assert_eq!(added["ips"][0]["address"], "10.15.145.200/25");
        assert_eq!(
            added["routes"],
            json!([{ "dst": "0.0.0.0/0", "gw": "10.15.145.128" }])
        );
        runtime.reaches("task", "10.0.9.9");
        runtime.does_not_reach(METADATA);
    });
    assert!(runtime.world.has_link("host", HOME));
}

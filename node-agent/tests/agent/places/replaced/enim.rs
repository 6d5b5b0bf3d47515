//! The example of enim's document.

use serde_json::{Value, json};

use super::{Runtime, with};
use crate::world::MAC;

/// That of enim's which is JSON; the other one says less, with a comma too many.
const ENIM: &str = r#"{ "cniVersion": "1.0.10", "name": "examplenet", "ipam": { "type": "enim"} }"#;

#[test]
fn example_of_enim_serves_host_device_with_the_addresses_of_the_claim() {
    let runtime = Runtime::of_a_pod();
    // A network has the plugin that asks, which no example of the document says.
    let text = with(ENIM, r#""type":"host-device","device":"eth1""#);
    // There is no such version of the specification.
    let error = runtime.cnitool("add", &text).unwrap_err();
    assert!(error.contains("1.0.10"), "{error}");
    for version in ["0.3.0", "1.0.0", "1.1.0"] {
        let text = text.replace("1.0.10", version);
        runtime.adds(&text, version, |added| {
            assert_eq!(added["interfaces"][0]["mac"], MAC);
            let ip = &added["ips"][0];
            assert_eq!(
                [&ip["interface"], &ip["address"], &ip["gateway"]],
                [&json!(0), &json!("10.0.1.50/24"), &json!("10.0.1.1")]
            );
            let device = runtime.world.device("task").unwrap();
            assert_eq!(device["ifname"], "eth0");
            assert_eq!(runtime.eth0()[2], json!(["10.0.1.50/24"]));
            runtime.reaches("task", "10.0.1.1");
            runtime.reaches("task", "10.0.9.9");
        });
        // Once: host-device fails where its device is not in the container any more.
        assert_eq!(runtime.cnitool("del", &text), Ok(Value::Null), "{version}");
        runtime.has_nothing(version);
        assert!(runtime.world.has_link("host", "eth1"), "{version}");
    }
}

/// The command line of the document, with a version that there is, the name of the program, and the pod.
#[test]
fn command_line_in_the_document_of_enim_answers_with_the_claim() {
    let mut runtime = Runtime::of_a_pod();
    let call = |runtime: &Runtime, verb, text: &str| {
        let environment = [
            ("CNI_COMMAND", verb),
            ("CNI_CONTAINERID", "example"),
            ("CNI_NETNS", "/dev/null"),
            ("CNI_IFNAME", "dummy0"),
            ("CNI_PATH", "."),
        ];
        runtime.piped("enim", text, &environment)
    };
    let error = call(&runtime, "ADD", ENIM).unwrap_err();
    assert!(error.contains("1.0.10"), "{error}");
    let text = ENIM.replace("1.0.10", "1.0.0");
    // Which device it is, which the document shows as well.
    let index = &runtime.world.device("host").unwrap()["ifindex"];
    let addresses =
        json!([{ "interface": index, "address": "10.0.1.50/24", "gateway": "10.0.1.1" }]);
    // By itself, and under the plugin of its own project, which asks before it moves the device.
    for text in [&text, &with(&text, r#""type":"exclusive-device""#)] {
        let added = call(&runtime, "ADD", text).unwrap();
        assert_eq!(added["ips"], addresses);
        assert_eq!(added["interfaces"][0]["mac"], MAC);
    }
    for _ in 0..2 {
        assert_eq!(call(&runtime, "DEL", &text), Ok(Value::Null));
    }
    // `ip` in CNI_ARGS, by which a certain address is asked for.
    runtime.arguments = "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u-1;ip=10.0.1.50";
    call(&runtime, "ADD", &text).unwrap();
    runtime.arguments = "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u-1;ip=10.0.1.51";
    let error = call(&runtime, "ADD", &text).unwrap_err();
    assert!(error.contains("asks for 10.0.1.51"), "{error}");
    assert_eq!(runtime.agent.journal(), 0);
}

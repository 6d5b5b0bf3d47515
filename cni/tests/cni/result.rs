//! The result of ADD, for every version.

use cni::{
    json::Json,
    protocol::{Added, AddedAddress, AddedRoute},
    result::{alone, with_interfaces},
    version::SpecVersion,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    json::{a_text, a_value, an_object},
    runtime::previous_result,
};

pub fn an_eni() -> Added {
    Added {
        on_node: false,
        name: "eni0".into(),
        mac: "02:00:00:00:00:0a".into(),
        mtu: 9001,
        pci_id: Some("0000:00:06.0".into()),
        addresses: vec![AddedAddress {
            address: "10.0.1.50/24".into(),
            gateway: Some("10.0.1.1".into()),
        }],
        routes: Vec::new(),
    }
}

fn dual(mut eni: Added) -> Added {
    eni.addresses.push(AddedAddress {
        address: "2600:1f16::50/64".into(),
        gateway: Some("fe80:ec2::1".into()),
    });
    eni
}

fn result(version: SpecVersion, previous: &Value, added: &[Added]) -> Value {
    let text = previous.to_string();
    let result = with_interfaces(
        version,
        Json::parse(text.as_bytes()).unwrap(),
        added,
        "/run/netns/x",
    );
    serde_json::from_slice(&result.unwrap()).unwrap()
}

/// What the only plugin prints.
fn whole(version: SpecVersion, added: &[Added]) -> Value {
    serde_json::from_slice(&alone(version, None, added, "/run/netns/x").unwrap()).unwrap()
}

/// Cases: C05, C06.
#[test]
fn each_version_gets_the_shape_it_knows() {
    for version in SpecVersion::ALL {
        let has = |value: &Value| !value.is_null();
        let chained = result(version, &previous_result(), &[an_eni()]);
        let alone = whole(version, &[an_eni()]);
        for (result, interface) in [(&chained, 2), (&alone, 0)] {
            let interface = &result["interfaces"][interface];
            assert_eq!(result["cniVersion"], version.as_str());
            assert_eq!(has(&interface["mtu"]), version >= SpecVersion::V1_1_0);
            assert_eq!(has(&interface["pciID"]), version >= SpecVersion::V1_1_0);
        }
        assert_eq!(
            has(&alone["ips"][0]["version"]),
            version < SpecVersion::V1_0_0
        );
    }
}

/// CRI-O reports every address of the result as the pod's, and calls CHECK after ADD, in which upstream's plugins look for each address
/// of the result on their own interface.
#[test]
fn addresses_behind_other_plugins_stay_theirs() {
    let result = result(SpecVersion::V1_1_0, &previous_result(), &[dual(an_eni())]);
    assert_eq!(result["ips"], previous_result()["ips"]);
}

/// Cases: C07.
#[test]
fn every_address_of_an_eni_is_listed_with_its_gateway_in_every_version() {
    let mut eni = dual(an_eni());
    eni.addresses.insert(
        1,
        AddedAddress {
            address: "10.0.1.51/24".into(),
            gateway: Some("10.0.1.1".into()),
        },
    );
    for version in SpecVersion::ALL {
        let result = whole(version, std::slice::from_ref(&eni));
        let ips = result["ips"].as_array().unwrap().iter();
        let listed =
            ips.map(|ip| [&ip["address"], &ip["gateway"], &ip["interface"]].map(Value::clone));
        let expected = eni.addresses.iter();
        let expected = expected.map(|a| [json!(a.address), json!(a.gateway), json!(0)]);
        assert!(listed.eq(expected), "{result}");
    }
}

#[test]
fn borrowed_device_stays_as_its_plugin_listed_it() {
    let interfaces =
        json!([{ "name": "eth0", "mac": "02:00:00:00:00:0A", "sandbox": "/run/netns/x" }]);
    let previous = json!({ "cniVersion": "1.1.0", "interfaces": interfaces });
    let mut eni = an_eni();
    eni.name = "eth0".into();
    assert_eq!(
        result(SpecVersion::V1_1_0, &previous, &[eni.clone()]),
        previous
    );
    // On the host, where it was before.
    let elsewhere = json!({ "interfaces": [{ "name": "eth1", "mac": "02:00:00:00:00:0a" }] });
    let result = result(SpecVersion::V1_1_0, &elsewhere, &[eni]);
    assert_eq!(result["interfaces"].as_array().unwrap().len(), 2);
}

/// Cases: C06.
#[test]
fn only_plugin_lists_interface_addresses_and_routes() {
    let mut eni = dual(an_eni());
    eni.routes = vec![AddedRoute {
        to: "0.0.0.0/0".into(),
        gateway: Some("10.0.1.1".into()),
    }];
    assert_eq!(
        whole(SpecVersion::V1_0_0, &[eni.clone()]),
        json!({
            "cniVersion": "1.0.0",
            "interfaces": [{ "name": "eni0", "mac": "02:00:00:00:00:0a", "sandbox": "/run/netns/x" }],
            "ips": [
                { "interface": 0, "address": "10.0.1.50/24", "gateway": "10.0.1.1" },
                { "interface": 0, "address": "2600:1f16::50/64", "gateway": "fe80:ec2::1" },
            ],
            "routes": [{ "dst": "0.0.0.0/0", "gw": "10.0.1.1" }],
        })
    );
    let old = whole(SpecVersion::V0_4_0, &[eni]);
    assert_eq!(old["ips"][0]["version"], "4");
    assert_eq!(old["ips"][1]["version"], "6");
}

/// Cases: C06.
#[test]
fn several_enis_are_several_interfaces_with_their_own_addresses() {
    let mut second = an_eni();
    (second.name, second.mac) = ("eni1".into(), "02:00:00:00:00:0b".into());
    second.addresses[0].address = "10.0.2.60/24".into();
    let both = [an_eni(), second];
    let chained = result(SpecVersion::V1_1_0, &previous_result(), &both);
    assert_eq!(chained["interfaces"][2]["name"], "eni0");
    assert_eq!(chained["interfaces"][3]["name"], "eni1");
    let alone = whole(SpecVersion::V1_1_0, &both);
    assert_eq!(alone["ips"][0]["interface"], 0);
    assert_eq!(alone["ips"][1]["interface"], 1);
    assert_eq!(alone["ips"][1]["address"], "10.0.2.60/24");
}

#[test]
fn everything_else_stays_as_it_is_written() {
    let previous = r#"{ "ips" : [ {"address":"10.0.0.1/24" , "x":1.10} ],"dns":{"search":["a" ]}, "n": 12345678901234567890123,
        "interfaces":[{"name":"eth0"}] }"#;
    let json = Json::parse(previous.as_bytes()).unwrap();
    let result = with_interfaces(SpecVersion::V1_0_0, json, &[an_eni()], "/run/netns/x").unwrap();
    let result = String::from_utf8(result).unwrap();
    for part in [
        r#""dns":{"search":["a" ]}"#,
        r#""n": 12345678901234567890123"#,
        r#"{"address":"10.0.0.1/24" , "x":1.10}"#,
    ] {
        assert!(result.contains(part), "{result}");
    }
}

fn with_lists() -> impl Strategy<Value = Map<String, Value>> {
    let list = || prop::option::of(prop::collection::vec(a_value(), 0..3).prop_map(Value::from));
    (an_object(a_value()), list(), list()).prop_map(|(mut map, interfaces, ips)| {
        for (key, list) in [("interfaces", interfaces), ("ips", ips)] {
            map.remove(key);
            map.extend(list.map(|list| (key.to_owned(), list)));
        }
        map
    })
}

proptest! {
    #[test]
    fn previous_result_comes_first_and_whole(previous in with_lists(), pretty: bool) {
        let text = a_text(&Value::Object(previous.clone()), pretty);
        let previous: Value = serde_json::from_str(&text).unwrap();
        let json = Json::parse(text.as_bytes()).unwrap();
        let result = with_interfaces(SpecVersion::V1_1_0, json, &[an_eni()], "/x").unwrap();
        let mut result: Value = serde_json::from_slice(&result).unwrap();
        let none = Vec::new();
        let before = previous.get("interfaces").and_then(Value::as_array).unwrap_or(&none);
        prop_assert_eq!(&result["interfaces"].as_array().unwrap()[..before.len()], &before[..]);
        for key in ["interfaces", "cniVersion"] {
            result.as_object_mut().unwrap().remove(key);
        }
        let mut rest = previous;
        for key in ["interfaces", "cniVersion"] {
            rest.as_object_mut().unwrap().remove(key);
        }
        prop_assert_eq!(result, rest);
    }
}

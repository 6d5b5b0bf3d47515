//! The result of ADD, for every version.

use cni::{
    json::Json,
    protocol::{Added, AddedAddress},
    result::with_interfaces,
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
        name: "eni0".into(),
        mac: "02:00:00:00:00:0a".into(),
        mtu: 9001,
        pci_id: Some("0000:00:06.0".into()),
        addresses: vec![AddedAddress {
            address: "10.0.1.50/24".into(),
            gateway: "10.0.1.1".into(),
        }],
    }
}

fn dual(mut eni: Added) -> Added {
    eni.addresses.push(AddedAddress {
        address: "2600:1f16::50/64".into(),
        gateway: "fe80:ec2::1".into(),
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

/// Cases: C05, C06.
#[test]
fn each_version_gets_the_shape_it_knows() {
    for version in SpecVersion::ALL {
        let result = result(version, &previous_result(), &[an_eni()]);
        assert_eq!(result["cniVersion"], version.as_str());
        let has = |value: &Value| !value.is_null();
        let (ip, interface) = (&result["ips"][1], &result["interfaces"][2]);
        assert_eq!(has(&ip["version"]), version < SpecVersion::V1_0_0);
        assert_eq!(has(&interface["mtu"]), version >= SpecVersion::V1_1_0);
        assert_eq!(has(&interface["pciID"]), version >= SpecVersion::V1_1_0);
    }
}

#[test]
fn address_family_has_its_version() {
    let mut previous = previous_result();
    previous["ips"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "address": "fd00::2/64" }));
    let result = result(SpecVersion::V0_4_0, &previous, &[dual(an_eni())]);
    assert_eq!(result["ips"][2]["version"], "4");
    assert_eq!(result["ips"][3]["version"], "6");
}

/// CRI-O reports every address of the result, and kubelet takes the first of each family as the pod's.
#[test]
fn eni_never_gives_the_pod_its_first_address_of_a_family() {
    let families = |previous: Value| -> Vec<String> {
        let result = result(SpecVersion::V1_0_0, &previous, &[dual(an_eni())]);
        let ips = result["ips"].as_array().unwrap().iter();
        ips.map(|ip| ip["address"].as_str().unwrap().to_owned())
            .collect()
    };
    let previous = |ips: Value| json!({ "interfaces": [{ "name": "eth0" }], "ips": ips });
    assert_eq!(
        families(previous(json!([{ "address": "10.244.1.2/24" }]))),
        ["10.244.1.2/24", "10.0.1.50/24"]
    );
    assert_eq!(
        families(previous(json!([{ "address": "fd00::2/64" }]))),
        ["fd00::2/64", "2600:1f16::50/64"]
    );
    assert!(families(previous(json!([]))).is_empty());
    assert!(families(json!({})).is_empty());
}

/// Cases: C06.
#[test]
fn several_enis_are_several_interfaces_with_their_own_addresses() {
    let mut second = an_eni();
    second.name = "eni1".into();
    second.addresses[0].address = "10.0.2.60/24".into();
    let result = result(SpecVersion::V1_1_0, &previous_result(), &[an_eni(), second]);
    assert_eq!(result["interfaces"][2]["name"], "eni0");
    assert_eq!(result["interfaces"][3]["name"], "eni1");
    assert_eq!(result["ips"][1]["interface"], 2);
    assert_eq!(result["ips"][2]["interface"], 3);
    assert_eq!(result["ips"][2]["address"], "10.0.2.60/24");
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
        for key in ["interfaces", "ips"] {
            let before = previous.get(key).and_then(Value::as_array).unwrap_or(&none);
            prop_assert_eq!(&result[key].as_array().unwrap()[..before.len()], &before[..]);
        }
        for key in ["interfaces", "ips", "cniVersion"] {
            result.as_object_mut().unwrap().remove(key);
        }
        let mut rest = previous;
        for key in ["interfaces", "ips", "cniVersion"] {
            rest.as_object_mut().unwrap().remove(key);
        }
        prop_assert_eq!(result, rest);
    }
}

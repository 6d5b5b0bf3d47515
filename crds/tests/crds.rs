//! The generated CRDs: checked in as they are, bounded everywhere, and each rule shown by an accepted and a refused object.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{collections::BTreeSet, fs, path::Path};

use kube::CustomResourceExt;
use serde_json::Value;

fn crds() -> [(&'static str, Value); 3] {
    [
        (
            "EniClass",
            serde_json::to_value(crds::EniClass::crd()).unwrap(),
        ),
        (
            "EniClaim",
            serde_json::to_value(crds::EniClaim::crd()).unwrap(),
        ),
        (
            "EniNode",
            serde_json::to_value(crds::EniNode::crd()).unwrap(),
        ),
    ]
}

fn schema(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// Calls `visit` with the path and the schema of every field.
fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), field, visit);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            walk(&format!("{path}[]"), &schema[inner], visit);
        }
    }
}

#[test]
fn checked_in_yaml_is_what_the_types_generate() {
    for (kind, crd) in crds() {
        let plural = crd["spec"]["names"]["plural"].as_str().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("yaml/{plural}.yaml"));
        let checked_in: Value =
            serde_saphyr::from_str(&fs::read_to_string(&path).unwrap_or_default()).unwrap_or_else(
                |error| panic!("{}: {error}; make it again with: make crds", path.display()),
            );
        assert_eq!(
            checked_in,
            crd,
            "{kind}: {} is old; make it again with: make crds",
            path.display()
        );
    }
}

/// Name, source and priority of each column that `kubectl get` prints; those of priority 1 only with `-o wide`.
#[test]
fn the_printed_columns_are_these_in_this_order() {
    let columns = |crd: &Value| -> Vec<String> {
        let columns = &crd["spec"]["versions"][0]["additionalPrinterColumns"];
        let column = |column: &Value| {
            let (name, of) = (column["name"].as_str(), column["jsonPath"].as_str());
            let wide = if column["priority"] == 1 { " wide" } else { "" };
            format!("{} {}{wide}", name.unwrap(), of.unwrap())
        };
        columns.as_array().unwrap().iter().map(column).collect()
    };
    let [(_, class), (_, claim), (_, node)] = crds();
    assert_eq!(
        columns(&class),
        [
            "Ready .status.conditions[?(@.type==\"Ready\")].status",
            "Reason .status.conditions[?(@.type==\"Ready\")].reason",
            "Interface .spec.interface.name",
            "Subnets .spec.subnets.ids",
            "Security Groups .status.securityGroupIds",
            "Age .metadata.creationTimestamp",
            "Updated .status.rollout.updated wide",
            "Total .status.rollout.total wide",
            "Paused .status.rollout.paused wide",
            "Message .status.conditions[?(@.type==\"Ready\")].message wide",
        ]
    );
    assert_eq!(
        columns(&claim),
        [
            "Class .spec.className",
            "Phase .status.phase",
            "Reason .status.conditions[?(@.type==\"Ready\")].reason",
            "Pod .status.binding.podName",
            "Node .status.nodeName",
            "ENI .status.eni.id",
            "IP .status.ipam.addresses[0].address",
            "Age .metadata.creationTimestamp",
            "IPv6 .status.ipam.addresses[?(@.gateway==\"fe80:ec2::1\")].address wide",
            "MAC .status.eni.mac wide",
            "Zone .status.eni.zone wide",
            "Subnet .status.eni.subnetId wide",
            "Card .status.attachment.networkCard wide",
            "Index .status.attachment.deviceIndex wide",
            "IfName .status.device.ifName wide",
            "Lease .status.conditions[?(@.type==\"Leased\")].reason wide",
        ]
    );
    assert_eq!(
        columns(&node),
        [
            "Instance .status.instance.id",
            "Type .status.instance.type",
            "Zone .status.instance.zone",
            "Capacity .status.capacity",
            "Used .status.used",
            "Free .status.free",
            "Agent .status.conditions[?(@.type==\"AgentReady\")].status",
            "Age .metadata.creationTimestamp",
        ]
    );
}

#[test]
fn every_string_list_and_map_has_a_maximum() {
    for (kind, crd) in crds() {
        for part in ["spec", "status"] {
            walk(
                &format!("{kind}.{part}"),
                &schema(&crd)["properties"][part],
                &mut |path, field| {
                    let maximum = match field["type"].as_str() {
                        Some("string") if field["enum"].is_array() => return,
                        Some("string") => "maxLength",
                        Some("array") => "maxItems",
                        Some("object") if field["additionalProperties"].is_object() => {
                            "maxProperties"
                        }
                        _ => return,
                    };
                    assert!(field[maximum].is_u64(), "{path} has no {maximum}");
                },
            );
        }
    }
}

#[test]
fn only_a_whole_status_may_be_null() {
    for (kind, crd) in crds() {
        walk(kind, schema(&crd), &mut |path, field| {
            assert!(
                path == format!("{kind}.status") || field["nullable"].is_null(),
                "{path} may be null, and has() in a rule is true for a null"
            );
        });
    }
}

#[test]
fn every_rule_is_of_bounded_cost() {
    for (kind, crd) in crds() {
        walk(kind, schema(&crd), &mut |path, field| {
            let compiled = kube_cel::compile_schema(field);
            let broken = compiled.compilation_errors();
            assert!(broken.is_empty(), "{path}: {broken:?}");
            for rule in field["x-kubernetes-validations"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let rule = rule["rule"].as_str().unwrap();
                let warnings = kube_cel::estimate_rule_cost(rule, &compiled);
                assert!(warnings.is_empty(), "{path}: {warnings:?}");
            }
        });
    }
}

#[test]
fn every_list_says_how_it_is_merged() {
    for (kind, crd) in crds() {
        walk(kind, schema(&crd), &mut |path, field| {
            assert!(
                field["type"] != "array" || field["x-kubernetes-list-type"].is_string(),
                "{path} has no list type"
            );
        });
    }
}

#[test]
fn every_field_of_a_status_is_explained() {
    for (kind, crd) in crds() {
        for part in ["spec", "status"]
            .into_iter()
            .filter(|part| schema(&crd)["properties"][part].is_object())
        {
            walk(
                &format!("{kind}.{part}"),
                &schema(&crd)["properties"][part],
                &mut |path, field| {
                    let explained = field["description"].is_string()
                        || path.ends_with("[]")
                        || path.contains("Selector.");
                    assert!(explained, "{path} has no description for kubectl explain");
                },
            );
        }
    }
}

/// Cases: C02.
#[test]
fn every_rule_is_shown_by_an_accepted_and_a_refused_object() {
    // The objects are made of one another, with more aliases than a guard against hostile documents takes.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { enforce_alias_anchor_ratio: false },
    };
    let cases: Vec<Value> =
        serde_saphyr::from_str_with_options(include_str!("rules.yaml"), options).unwrap();
    let mut shown = BTreeSet::new();
    for case in &cases {
        let says = case["says"].as_str().unwrap();
        let before = case.get("before");
        assert_eq!(
            before
                .map(|object| refusals(object, None))
                .unwrap_or_default(),
            Vec::<String>::new(),
            "{says}: the object before"
        );
        assert_eq!(
            refusals(&case["accepted"], before),
            Vec::<String>::new(),
            "{says}: the accepted object"
        );
        let refused = refusals(&case["refused"], before);
        assert!(
            refused.iter().any(|r| r.contains(says)),
            "{says}: the refused object got {refused:?}"
        );
        shown.insert(says.to_owned());
    }
    for (kind, crd) in crds() {
        walk(kind, schema(&crd), &mut |path, field| {
            for rule in field["x-kubernetes-validations"]
                .as_array()
                .into_iter()
                .flatten()
            {
                let message = rule["message"].as_str().expect("a rule has a message");
                assert!(
                    shown.contains(message),
                    "{path}: no case in rules.yaml says {message:?}"
                );
            }
            if let Some(pattern) = field["pattern"].as_str() {
                assert!(
                    shown.contains(pattern),
                    "{path}: no case in rules.yaml says {pattern:?}"
                );
            }
        });
    }
}

#[test]
fn time_outs_of_connections_have_the_bounds_of_ec2() {
    let said = |field: &str, seconds: u32| {
        let class = serde_json::json!({
            "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClass", "metadata": {"name": "app"},
            "spec": {
                "subnets": {"ids": ["subnet-0a1b2c3d4e5f60718"]},
                "securityGroups": {"ids": ["sg-0a1b2c3d4e5f60718"]},
                "connectionTracking": {field: seconds}
            }
        });
        refusals(&class, None)
    };
    for (field, least, most) in [
        ("tcpEstablished", 60, 432_000),
        ("udpStream", 60, 180),
        ("udp", 30, 60),
    ] {
        for fits in [least, most] {
            assert_eq!(said(field, fits), [] as [String; 0]);
        }
        for (out, bound) in [(least - 1, least), (most + 1, most)] {
            let said = said(field, out);
            assert!(said.concat().contains(&bound.to_string()), "{said:?}");
        }
    }
}

/// What the API server would say to this object: its `OpenAPI` schema and its CEL rules.
fn refusals(object: &Value, before: Option<&Value>) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap();
    let (_, crd) = crds().into_iter().find(|(k, _)| *k == kind).unwrap();
    let openapi = jsonschema::validator_for(schema(&crd)).unwrap();
    let mut said: Vec<String> = openapi.iter_errors(object).map(|e| e.to_string()).collect();
    if let Err(errors) = kube_cel::Validator::new().validate(schema(&crd), object, before) {
        said.extend(errors.iter().map(ToString::to_string));
    }
    said
}

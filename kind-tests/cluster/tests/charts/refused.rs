//! What the chart refuses, and what it says then.

use serde_json::Value;

use super::helm::{chart, helm, render};

/// The schema's message names the value; where that does not help, the chart says what would be right.
#[test]
fn a_wrong_value_is_refused_with_its_name() {
    for (value, says) in [
        ("aws.region=\"Frankfurt\"", "region"),
        ("agent.httpPort=0", "httpPort"),
        ("operatr={\"x\":1}", "operatr"),
        ("operator.replica=3", "replica"),
        ("agent.seLinuxOptions=\"spc_t\"", "seLinuxOptions"),
        ("agent.tolerations=[{\"operater\":\"Exists\"}]", "operater"),
        ("operator.resources.limit={\"memory\":\"1Gi\"}", "limit"),
        (
            "operator.podLabels={\"app.kubernetes.io/name\":\"x\"}",
            "podLabels",
        ),
        ("commonLabels={\"helm.sh/chart\":\"x\"}", "commonLabels"),
        ("admissionPolicy={\"enabled\":true}", "admissionPolicy"),
        ("budgetShare=60", "budgetShare"),
        ("reserve=0", "reserve"),
        ("reserve=\"some\"", "reserve"),
        ("clusterCidrs=[\"10.96.0.0\"]", "clusterCidrs"),
        ("clusterId=\"my cluster\"", "has to be 1 to 64 characters"),
        (
            "image.registry=\"ghcr.io/eniclaim/operator:1.0\"",
            "/operator, /agent and the tag are appended",
        ),
        (
            "image.registry=\"ghcr.io/eniclaim/\"",
            "/operator, /agent and the tag are appended",
        ),
        ("uninstall.pods=\"delete\"", "pods"),
        (
            "uninstall.timeout=\"120\"",
            "whole seconds, minutes or hours",
        ),
        (
            "uninstall.timeout=\"1m30s\"",
            "whole seconds, minutes or hours",
        ),
        ("operator.leaseDuration=\"5s\"", "from 15s to 5m"),
        ("operator.leaseDuration=\"15\"", "from 15s to 5m"),
        (
            "agent.image.digest=\"abc\"",
            "agent.image.digest: \"abc\" has to be sha256:",
        ),
        (
            "agent.logLevel=\"verbose\"",
            "has to be off, error, warn, info, debug or trace",
        ),
        (
            "operator.serviceAccount.create=false",
            "operator.serviceAccount.name has to name",
        ),
    ] {
        let said = render(&[value], &[]).err().unwrap_or_default();
        assert!(said.contains(says), "{value}: {said:?}");
    }
}

#[test]
fn a_cluster_without_our_crds_is_refused_with_a_sentence() {
    let said = render(&[], &["--api-versions", "v1/Pod"]).unwrap_err();
    assert!(said.contains("install the chart eniclaim-crds"), "{said}");
    render(
        &[],
        &["--api-versions", "v1/Pod,eniclaim.io/v1alpha1/EniClaim"],
    )
    .unwrap();
}

/// Nobody learns of a misspelt value from an object that takes every name.
#[test]
fn every_object_of_the_schema_is_closed() {
    // Maps of Kubernetes that the API server validates, and Helm's own.
    const OPEN: [&str; 7] = [
        "/properties/global",
        "/definitions/env/items/properties/valueFrom",
        "/definitions/volumes/items",
        "/definitions/resources/properties/claims/items",
        "/definitions/affinity/properties/nodeAffinity",
        "/definitions/affinity/properties/podAffinity",
        "/definitions/affinity/properties/podAntiAffinity",
    ];
    fn walk(path: &str, schema: &Value, open: &mut Vec<String>) {
        let closed = matches!(
            schema["additionalProperties"],
            Value::Bool(false) | Value::Object(_)
        );
        if schema["type"] == "object" && !closed {
            open.push(path.to_owned());
        }
        match schema {
            Value::Object(fields) => {
                for (name, field) in fields {
                    walk(&format!("{path}/{name}"), field, open);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| walk(path, item, open)),
            _ => {}
        }
    }
    let text = std::fs::read_to_string(chart("eniclaim").join("values.schema.json")).unwrap();
    let mut open = Vec::new();
    walk("", &serde_json::from_str(&text).unwrap(), &mut open);
    open.retain(|path| !OPEN.contains(&path.as_str()));
    assert_eq!(
        open,
        [
            "/definitions/topologySpreadConstraints/items/properties/labelSelector/properties/matchExpressions/items"
        ]
    );
}

#[test]
fn helm_lint_finds_nothing() {
    for name in ["eniclaim", "eniclaim-crds"] {
        let said = helm(&["lint", "--strict", chart(name).to_str().unwrap()]).unwrap();
        assert!(
            !said.contains("[WARNING]") && !said.contains("icon"),
            "{said}"
        );
    }
}

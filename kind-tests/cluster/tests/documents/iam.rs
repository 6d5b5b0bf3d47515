//! The IAM policy of the documents allows what the operator calls, and nothing else.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::markdown::{blocks, files, text};

const DOCUMENT: &str = "docs/iam.md";

/// How the methods of the SDK's client begin that are calls to EC2; without arguments, which follow one by one.
const CALLS: &[&str] = &[
    "allocate_",
    "assign_",
    "associate_",
    "attach_",
    "create_",
    "delete_",
    "describe_",
    "detach_",
    "disassociate_",
    "modify_",
    "release_",
    "unassign_",
];

/// The EC2 actions that the operator calls, as its source names them.
fn called() -> BTreeSet<String> {
    let mut called = BTreeSet::new();
    for path in files(&["operator/src"], &[".rs"]) {
        let source = fs::read_to_string(path).unwrap();
        if !(source.contains("aws_sdk_ec2") && source.contains(".send()")) {
            continue;
        }
        let source: String = source.split_whitespace().collect();
        let methods = source
            .split('.')
            .filter_map(|part| Some(part.split_once("()")?.0));
        let calls = methods.filter(|method| CALLS.iter().any(|call| method.starts_with(call)));
        called.extend(calls.map(action));
        // Tags in a request that creates something are a right of their own.
        if source.contains(".tag_specifications(") {
            called.insert(action("create_tags"));
        }
    }
    called
}

/// `create_tags` as `ec2:CreateTags`.
fn action(method: &str) -> String {
    let words = method.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    format!("ec2:{}", words.collect::<String>())
}

/// The first JSON block of the document; the second is a trust policy.
fn statements() -> Vec<Value> {
    let policy: Value = serde_json::from_str(&blocks(DOCUMENT, "json")[0]).unwrap();
    policy["Statement"].as_array().unwrap().clone()
}

/// One string, or a list of them.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().flat_map(strings).collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn policy_allows_exactly_what_the_operator_calls() {
    let allowed: BTreeSet<_> = statements()
        .iter()
        .flat_map(|statement| strings(&statement["Action"]))
        .collect();
    assert_eq!(allowed, called(), "{DOCUMENT} and operator/src/ec2");
}

#[test]
fn policy_changes_only_interfaces_with_the_tag_of_the_cluster() {
    let tags = text("crds/api/src/tag.rs");
    let tag = "eniclaim.io/cluster";
    assert!(
        tags.contains(&format!("CLUSTER: &str = \"{tag}\"")),
        "the operator writes another tag than {tag}"
    );
    for statement in statements() {
        let name = &statement["Sid"];
        assert_eq!(statement["Effect"], "Allow", "{name}");
        let reads = strings(&statement["Action"])
            .iter()
            .all(|a| a.starts_with("ec2:Describe"));
        let resources = strings(&statement["Resource"]);
        assert!(
            reads || !resources.contains(&"*".to_owned()),
            "{name} changes everything"
        );
        let interfaces = resources
            .iter()
            .any(|resource| resource.contains("network-interface"));
        let equals = &statement["Condition"]["StringEquals"];
        let has = |key: &str| equals[format!("{key}/{tag}")] == "CLUSTER_ID";
        assert!(
            !interfaces || has("aws:RequestTag") || has("aws:ResourceTag"),
            "{name} changes interfaces of others"
        );
    }
}

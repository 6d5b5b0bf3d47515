//! Every value of the chart stands in its place in the manifests.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::helm::{chart, find, helm, render};

/// The table, with both daemons in place of `both`.
fn cases() -> Vec<Value> {
    let text = include_str!("cases.yaml");
    let section = |text: &str, name: &str| {
        let sections: Value = serde_saphyr::from_str(text).unwrap();
        sections[name].as_array().unwrap().clone()
    };
    let both = |component: &str| {
        let workload = component.to_uppercase();
        let text = text.replace("COMPONENT", component);
        section(&text.replace("WORKLOAD", &workload), "both")
    };
    let mut cases = [both("operator"), both("agent")].concat();
    for name in ["shared", "operator", "agent"] {
        cases.extend(section(text, name));
    }
    cases
}

fn set(case: &Value) -> &Map<String, Value> {
    case["set"].as_object().unwrap()
}

#[test]
fn each_value_stands_in_its_place() {
    for case in cases() {
        let values: Vec<String> = set(&case)
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let (kind, name) = match case["in"].as_str().unwrap() {
            "OPERATOR" => ("Deployment", "eniclaim-operator"),
            "AGENT" => ("DaemonSet", "eniclaim-agent"),
            object => object.split_once('/').unwrap(),
        };
        let at = case["at"].as_str().unwrap();
        let place = ["container", "pod", "template"]
            .into_iter()
            .zip(["spec/containers/0", "spec", "metadata"])
            .find_map(|(short, long)| {
                let rest = at.strip_prefix(short)?;
                Some(format!("/spec/template/{long}{rest}"))
            })
            .unwrap_or_else(|| at.to_owned());
        let objects = render(&values, &[]).unwrap();
        let object = find(&objects, kind, name);
        // Of an object that is not there every field is absent: only for the object itself that is the answer.
        assert!(
            object.is_some() || at.is_empty(),
            "{case}: no {kind} {name}"
        );
        let is = object.and_then(|object| object.pointer(&place));
        let found = match is {
            Some(Value::Array(items)) => items.contains(&case["is"]),
            is => *is.unwrap_or(&Value::Null) == case["is"],
        };
        assert!(found, "{case}: {is:?}");
    }
}

/// Dotted names of the values: those that are no map, or an empty one.
pub fn names() -> BTreeSet<String> {
    fn walk(name: &str, value: &Value, names: &mut BTreeSet<String>) {
        match value.as_object().filter(|fields| !fields.is_empty()) {
            None => {
                names.insert(name.to_owned());
            }
            Some(fields) => {
                for (field, value) in fields {
                    let name = format!("{name}.{field}");
                    walk(name.trim_start_matches('.'), value, names);
                }
            }
        }
    }
    let text = std::fs::read_to_string(chart("eniclaim").join("values.yaml")).unwrap();
    let mut names = BTreeSet::new();
    walk("", &serde_saphyr::from_str(&text).unwrap(), &mut names);
    names
}

#[test]
fn no_value_is_without_a_case() {
    let cases = cases();
    let set: BTreeSet<&String> = cases.iter().flat_map(|case| set(case).keys()).collect();
    let covered = |name: &String| {
        // A case that sets a whole map sets what is in it.
        set.iter().any(|set| {
            let rest = name.strip_prefix(set.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let missing: Vec<_> = names().into_iter().filter(|name| !covered(name)).collect();
    assert!(missing.is_empty(), "no case sets {missing:?}");
}

/// `helm upgrade --reuse-values` from an older chart knows nothing of newer values.
#[test]
fn values_of_an_older_chart_render() {
    let first = [
        "admissionPolicy",
        "agent.cniBinDir",
        "agent.cniChain",
        "agent.cniConfDir",
        "agent.httpPort",
        "budgetShare",
        "image.pullPolicy",
        "image.registry",
        "logFormat",
        "operator.leaseDuration",
        "operator.replicas",
        "sweep",
    ];
    let unset: Vec<String> = names()
        .iter()
        .filter(|name| !first.contains(&name.as_str()))
        .map(|name| format!("{name}=null"))
        .collect();
    let unset: Vec<&str> = unset.iter().map(String::as_str).collect();
    let objects = render(&unset, &[]).unwrap();
    for (kind, name) in [
        ("Deployment", "eniclaim-operator"),
        ("DaemonSet", "eniclaim-agent"),
        ("PodDisruptionBudget", "eniclaim-operator"),
        ("Pod", "eniclaim-test"),
        ("Job", "eniclaim-drain"),
    ] {
        assert!(find(&objects, kind, name).is_some(), "{kind} {name}");
    }
}

#[test]
fn notes_say_what_becomes_of_pods_at_an_uninstall() {
    for (pods, says) in [
        ("refuse", "refuses while pods have ENIs"),
        ("wait", "waits up to 2m for pods that have ENIs to end"),
        ("abandon", "leaves pods that have ENIs as they are"),
    ] {
        let (chart, set) = (chart("eniclaim"), format!("uninstall.pods={pods}"));
        let chart = chart.to_str().unwrap();
        let args = [
            "install",
            "eniclaim",
            chart,
            "--dry-run=client",
            "--set",
            &set,
        ];
        let notes = helm(&args).unwrap();
        assert!(
            notes.contains(&format!("helm uninstall eniclaim {says}")),
            "{notes}"
        );
    }
}

/// What is installed on real nodes has them all, but for the key that stands against a role.
#[test]
fn release_on_nodes_has_every_value() {
    let values: Value = serde_saphyr::from_str(include_str!("../installed/on-nodes.yaml")).unwrap();
    let is_set = |name: &String| {
        let mut parts = name.split('.');
        let found = parts.try_fold(&values, |at, part| at.get(part));
        found.is_some()
    };
    let missing: Vec<_> = names().into_iter().filter(|name| !is_set(name)).collect();
    assert_eq!(missing, ["aws.credentialsSecret"]);
}

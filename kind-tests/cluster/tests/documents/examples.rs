//! The YAML of the documents is what chart, admission policy and API take.

use std::{fs, process::Command};

use serde_json::{Value, json};

use super::{
    commands::commands,
    markdown::{blocks, repository, text},
};

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// The block of a document that begins with this line.
fn block(document: &str, beginning: &str) -> String {
    let blocks = blocks(document, "yaml").into_iter();
    let mut found = blocks.filter(|block| block.starts_with(beginning));
    found
        .next()
        .unwrap_or_else(|| panic!("{document} has no block {beginning:?}"))
}

/// What the README's command to install the chart would send to the API server.
fn installed() -> String {
    let values = std::env::temp_dir().join(format!("my-values-{}.yaml", std::process::id()));
    fs::write(&values, block("README.md", "# my-values.yaml")).unwrap();
    let all = commands("README.md").into_iter();
    let mut install =
        all.filter_map(|c| Some(c.strip_prefix("helm install eniclaim ")?.to_owned()));
    let command = install.next().expect("a command that installs the chart");
    let command = command.replace("my-values.yaml", values.to_str().unwrap());
    let output = Command::new(cluster::helm().unwrap())
        .args(["template", "eniclaim"])
        .args(command.split(' '))
        .current_dir(repository())
        .output()
        .unwrap();
    fs::remove_file(&values).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn chart_takes_the_command_and_values_of_the_readme() {
    let objects = installed();
    for written in [
        "eu-central-1.amazonaws.com/eniclaim/operator:",
        "eu-central-1.amazonaws.com/eniclaim/agent:",
        "eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/eniclaim",
        "{name: AWS_REGION, value: \"eu-central-1\"}",
        "namespace: eniclaim-system",
    ] {
        assert!(objects.contains(written), "no {written} in\n{objects}");
    }
}

#[test]
fn pod_of_older_clusters_carries_what_the_policy_would_add() {
    let pod = yaml(&block("docs/eks.md", "apiVersion: v1\nkind: Pod"));
    assert_eq!(
        pod["metadata"]["labels"],
        json!({"eniclaim.io/class": "app"})
    );
    assert_eq!(
        pod["metadata"]["annotations"],
        json!({"eniclaim.io/class": "app"})
    );
    assert_eq!(
        pod["spec"]["nodeSelector"],
        json!({"class.eniclaim.io/app": "true"})
    );
    let limits = &pod["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(*limits, json!({"eniclaim.io/eni": 1}));
    let policy = text("charts/eniclaim/templates/admission.yaml");
    for written in [
        "annotations: {\"eniclaim.io/class\"",
        "\"class.eniclaim.io/\" + variables.class",
        "\"eniclaim.io/eni\": string(variables.count)",
    ] {
        assert!(
            policy.contains(written),
            "the admission policy no longer adds {written}"
        );
    }
}

#[test]
fn pod_with_several_interfaces_asks_as_the_annotation_is_read() {
    let pod = yaml(&block("docs/interfaces.md", "apiVersion: v1\nkind: Pod"));
    let older = yaml(&block("docs/interfaces.md", "metadata:"));
    let key = "eniclaim.io/interfaces";
    let annotation = &pod["metadata"]["annotations"][key];
    assert_eq!(*annotation, older["metadata"]["annotations"][key]);
    let label = pod["metadata"]["labels"]["eniclaim.io/class"]
        .as_str()
        .unwrap();
    assert_eq!(older["metadata"]["annotations"]["eniclaim.io/class"], label);
    let named = api::interfaces::parse_for(&label.into(), annotation.as_str().unwrap()).unwrap();
    for one in &named {
        let selector = format!("class.eniclaim.io/{}", one.class);
        assert_eq!(older["spec"]["nodeSelector"][&selector], "true");
    }
    let limits = &older["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(limits["eniclaim.io/eni"], named.len());
}

#[test]
fn pod_of_the_readme_asks_as_the_example_does() {
    let pod = yaml(&block("README.md", "apiVersion: v1\nkind: Pod"));
    let example = yaml(&text("docs/examples/pod.yaml"));
    assert_eq!(pod["metadata"], example["metadata"]);
    let class = yaml(&text("docs/examples/class.yaml"));
    assert_eq!(
        pod["metadata"]["labels"]["eniclaim.io/class"],
        class["metadata"]["name"]
    );
}

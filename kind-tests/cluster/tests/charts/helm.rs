//! Helm, run on the charts of the repository.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Folder of a chart.
pub fn chart(name: &str) -> PathBuf {
    repository().join("charts").join(name)
}

/// What Helm printed, or what it said when it refused.
pub fn helm(args: &[&str]) -> Result<String, String> {
    let output = Command::new(cluster::helm().unwrap())
        .args(args)
        // No user's own repositories, plugins or kubeconfig.
        .env_remove("KUBECONFIG")
        .env("HELM_CONFIG_HOME", "/nonexistent")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// The objects of the chart `eniclaim` with values as `--set-json` takes them, and further arguments.
pub fn render(values: &[&str], more: &[&str]) -> Result<Vec<Value>, String> {
    let chart = chart("eniclaim");
    let mut args = vec!["template", "eniclaim", chart.to_str().unwrap()];
    args.extend(["--namespace", "eniclaim-system"]);
    for value in values {
        args.extend(["--set-json", value]);
    }
    args.extend(more);
    let objects = helm(&args)?
        .split("\n---")
        .map(|document| serde_saphyr::from_str(document.trim_start_matches("---")).unwrap())
        .filter(|object: &Value| !object.is_null())
        .collect();
    Ok(objects)
}

/// The object of this kind and name, if it was rendered.
pub fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    objects
        .iter()
        .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
}

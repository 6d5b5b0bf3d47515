//! The manifests as a whole, so that a change of the templates is seen in its diff.

use std::{env, fs};

use super::helm::{chart, helm, repository};

#[test]
fn the_manifests_are_those_of_the_golden_files() {
    let tests = repository().join("kind-tests/cluster/tests");
    let every_value = tests.join("installed/every-value.yaml");
    for (name, values) in [
        ("default", None),
        ("every-value", Some(every_value.to_str().unwrap())),
    ] {
        let chart = chart("eniclaim");
        let mut args = vec!["template", "eniclaim", chart.to_str().unwrap()];
        args.extend(["--namespace", "eniclaim-system"]);
        args.extend(values.into_iter().flat_map(|file| ["--values", file]));
        let rendered = helm(&args).unwrap();
        let path = tests.join(format!("charts/golden/{name}.yaml"));
        if env::var_os("ENICLAIM_WRITE").is_some() {
            fs::write(&path, &rendered).unwrap();
        }
        assert!(
            fs::read_to_string(&path).unwrap_or_default() == rendered,
            "{} is old; make it again with: ENICLAIM_WRITE=1 cargo test --package cluster --test charts golden",
            path.display()
        );
    }
}

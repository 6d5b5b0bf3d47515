//! Each command of the README is run by a test, which this table names.

use std::{collections::BTreeSet, fs};

use super::markdown::{blocks, files, text};

/// What runs a command.
enum RunBy {
    /// The Makefile has such a target; `.ci/run` runs `make test`, people run the demo.
    Make,
    /// Some test in this folder has this text, however it is broken into lines.
    Test(&'static str, &'static str),
}

use RunBy::{Make, Test};

/// The tests of the charts on a real API server.
const CHARTS: &str = "kind-tests/cluster/tests";
/// The demo and what the scenarios share.
const SCENARIOS: &str = "kind-tests/e2e/src";

const COMMANDS: &[(&str, RunBy)] = &[
    ("make demo", Make),
    ("make test", Make),
    (
        "helm install eniclaim-crds charts/eniclaim-crds",
        Test(CHARTS, "\"install eniclaim-crds charts/eniclaim-crds\""),
    ),
    (
        "helm install eniclaim charts/eniclaim --namespace eniclaim-system --create-namespace --values my-values.yaml",
        Test(
            CHARTS,
            "\"install eniclaim charts/eniclaim --namespace eniclaim-system --create-namespace\"",
        ),
    ),
    (
        "kubectl get eninodes",
        Test(SCENARIOS, "\"get\", \"eninodes\""),
    ),
    (
        "kubectl apply --filename docs/examples/class.yaml",
        Test(SCENARIOS, "example(\"class.yaml\")"),
    ),
    (
        "kubectl apply --filename docs/examples/pod.yaml",
        Test(SCENARIOS, "example(\"pod.yaml\")"),
    ),
    (
        "kubectl get eniclaims --watch",
        Test(
            SCENARIOS,
            "\"get\", \"eniclaims\", \"-o\", \"wide\", \"--watch\"",
        ),
    ),
    (
        "kubectl delete pod web",
        Test(SCENARIOS, "delete_pods(&[\"web\", \"plain\"])"),
    ),
    (
        "helm uninstall eniclaim --namespace eniclaim-system",
        Test(CHARTS, "\"uninstall eniclaim --namespace "),
    ),
    (
        "helm uninstall eniclaim-crds",
        Test(CHARTS, "\"uninstall eniclaim-crds\""),
    ),
];

/// The commands of a document, without comments.
pub fn commands(document: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for block in blocks(document, "sh") {
        for line in block.lines() {
            let command = line.split(" #").next().unwrap().trim();
            if !command.is_empty() {
                commands.push(command.to_owned());
            }
        }
    }
    commands
}

fn has_target(makefile: &str, target: &str) -> bool {
    let rule = format!("{target}:");
    makefile
        .lines()
        .any(|line| line.starts_with(&rule) && line.contains("## "))
}

/// Whether a test outside this folder has the text.
fn is_in_a_test(folder: &str, wanted: &str) -> bool {
    let in_one_line = |text: &str| text.split_whitespace().collect::<String>();
    let tests = files(&[folder], &[".rs"]).into_iter();
    let mut others = tests.filter(|path| !path.ends_with("documents/commands.rs"));
    others
        .any(|path| in_one_line(&fs::read_to_string(path).unwrap()).contains(&in_one_line(wanted)))
}

#[test]
fn each_command_of_the_readme_is_run_by_a_test() {
    let written: BTreeSet<_> = commands("README.md").into_iter().collect();
    let listed: BTreeSet<_> = COMMANDS
        .iter()
        .map(|(command, _)| (*command).to_owned())
        .collect();
    assert_eq!(written, listed, "README.md and the table in this file");
    let makefile = text("Makefile");
    for (command, run_by) in COMMANDS {
        let holds = match run_by {
            Make => has_target(&makefile, command.trim_start_matches("make ")),
            Test(folder, wanted) => is_in_a_test(folder, wanted),
        };
        assert!(
            holds,
            "nothing runs {command:?} any more; correct README.md and this table"
        );
    }
}

#[test]
fn each_make_target_that_a_document_names_exists() {
    let makefile = text("Makefile");
    for path in super::markdown::documents() {
        let document = fs::read_to_string(&path).unwrap();
        let fenced = blocks(path.to_str().unwrap(), "sh").join("\n");
        let named = document.split('`').skip(1).step_by(2).chain(fenced.lines());
        for target in named.filter_map(|code| code.strip_prefix("make ")) {
            let target = target.split_whitespace().next().unwrap();
            assert!(
                has_target(&makefile, target),
                "{}: make {target} is no target with a help text",
                path.display()
            );
        }
    }
}

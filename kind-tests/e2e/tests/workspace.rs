//! What the dependency graph promises: pure cores, EC2 in one place, a CNI plugin of three crates; and that each test runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{collections::BTreeSet, process::Command};

/// All crates that a pure core needs, procedural macros left out. A new one earns its place here: it does no I/O, reads
/// no clock and throws no dice, or the core does not call what does (`clippy.toml` beside the core).
const CORES: &[(&str, &[&str])] = &[
    ("cni-protocol", &["serde", "serde_core"]),
    (
        "node-agent-core",
        &[
            "cni-protocol",
            "ipnet",
            "itoa",
            "memchr",
            "serde",
            "serde_core",
            "serde_json",
            "thiserror",
            "zmij",
        ],
    ),
    (
        "operator-core",
        &[
            "api",
            "block-buffer",
            "cfg-if",
            "const-oid",
            "cpufeatures",
            "crypto-common",
            "digest",
            "dyn-clone",
            "hybrid-array",
            "ipnet",
            "itoa",
            "jiff",
            "jiff-core",
            "memchr",
            "ref-cast",
            "schemars",
            "serde",
            "serde_core",
            "serde_json",
            "sha2",
            "smol_str",
            "thiserror",
            "typenum",
            "zmij",
        ],
    ),
    ("vpc", &["serde", "serde_core", "thiserror"]),
];

/// Names of the crates that `cargo tree` shows for these arguments, with the features that they have there. Procedural
/// macros run in the compiler; what they need is not in the program.
fn tree(args: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args(["tree", "--target", "x86_64-unknown-linux-musl"])
        .args(["--edges", "normal,no-proc-macro", "--prefix", "none"])
        .args(["--format", "{p}"])
        .args(args)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree {args:?}: {errors}");
    let crates = String::from_utf8(output.stdout).unwrap();
    let names = crates.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

fn crates(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn cores_need_exactly_these_crates() {
    for (core, allowed) in CORES {
        let (mut needed, allowed) = (tree(&["--package", core]), crates(allowed));
        assert!(needed.remove(*core), "no {core}");
        let more: Vec<_> = needed.difference(&allowed).collect();
        let fewer: Vec<_> = allowed.difference(&needed).collect();
        assert!(
            more.is_empty() && fewer.is_empty(),
            "{core} needs {more:?}, which are not in its list, and not {fewer:?}, which are"
        );
    }
}

#[test]
fn only_the_operator_needs_the_ec2_sdk() {
    let users = tree(&["--workspace", "--invert", "aws-sdk-ec2"]);
    assert_eq!(users, crates(&["aws-sdk-ec2", "operator"]));
}

#[test]
fn the_cni_plugin_names_three_crates_beside_its_protocol() {
    let direct = tree(&["--package", "cni", "--depth", "1"]);
    let named = ["cni", "cni-protocol", "rustix", "serde", "serde_json"];
    assert_eq!(direct, crates(&named));
}

/// The rungs name tests, not packages, so a new one could be forgotten.
#[test]
fn each_test_is_in_a_rung() {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let metadata = Command::new(env!("CARGO"))
        .current_dir(repository)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let makefile = std::fs::read_to_string(format!("{repository}/Makefile")).unwrap();
    let tests = ["\t$(TEST) ", "\t$(RAISED) $(TEST) "];
    let recipes = makefile
        .lines()
        .filter(|line| tests.iter().any(|start| line.starts_with(start)) && !line.contains(" -- "));
    let words: Vec<&str> = recipes.flat_map(str::split_whitespace).collect();
    let run = words.windows(2).filter(|pair| pair[0] == "--test");
    let run: BTreeSet<&str> = run.map(|pair| pair[1]).collect();
    let packages = metadata["packages"].as_array().unwrap();
    let targets = packages
        .iter()
        .flat_map(|package| package["targets"].as_array().unwrap());
    let tests = targets.filter(|target| target["kind"][0] == "test");
    let tests: BTreeSet<&str> = tests
        .map(|target| target["name"].as_str().unwrap())
        .collect();
    assert_eq!(run, tests);
    for every in ["--lib", "--bins", "--doc"] {
        assert!(words.contains(&every), "no rung has {every}");
    }
}

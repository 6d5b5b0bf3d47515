//! What the dependency graph promises: pure cores, EC2 in one place, a CNI plugin of three crates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::{BTreeSet, HashMap};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Crates that reach outside the process, tell the time or throw dice.
const IMPURE: &[&str] = &[
    "aws-config",
    "aws-sdk-ec2",
    "chrono",
    "fastrand",
    "getrandom",
    "hyper",
    "kube",
    "mio",
    "netlink-sys",
    "nix",
    "rand",
    "rand_core",
    "reqwest",
    "rtnetlink",
    "rustix",
    "socket2",
    "tokio",
    "tracing",
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .other_options([
            "--filter-platform".to_owned(),
            "x86_64-unknown-linux-musl".to_owned(),
        ])
        .exec()
        .unwrap()
}

/// Names of all crates that `package` needs to be built, itself left out; `direct` for only those it names itself.
fn needs(metadata: &Metadata, package: &str, direct: bool) -> BTreeSet<String> {
    let names: HashMap<&PackageId, &str> = metadata
        .packages
        .iter()
        .map(|p| (&p.id, p.name.as_str()))
        .collect();
    let nodes: HashMap<_, _> = metadata
        .resolve
        .as_ref()
        .unwrap()
        .nodes
        .iter()
        .map(|n| (&n.id, n))
        .collect();
    let root = metadata
        .packages
        .iter()
        .find(|p| p.name.as_str() == package)
        .unwrap_or_else(|| panic!("no package {package}"));
    let (mut found, mut todo) = (BTreeSet::new(), vec![&root.id]);
    while let Some(id) = todo.pop() {
        for dep in &nodes[id].deps {
            // Procedural macros run in the compiler; what they need is not in the program.
            let is_macro = metadata[&dep.pkg]
                .targets
                .iter()
                .any(cargo_metadata::Target::is_proc_macro);
            let normal = dep
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            if normal && !is_macro && found.insert(names[&dep.pkg].to_owned()) && !direct {
                todo.push(&dep.pkg);
            }
        }
    }
    found
}

#[test]
fn cores_have_no_crate_with_io_clock_or_randomness() {
    let metadata = metadata();
    for core in ["operator-core", "node-agent-core", "vpc"] {
        let needed = needs(&metadata, core, false);
        let impure: Vec<_> = IMPURE
            .iter()
            .filter(|name| needed.contains(**name))
            .collect();
        assert!(impure.is_empty(), "{core} needs {impure:?}");
    }
}

#[test]
fn only_the_operator_needs_the_ec2_sdk() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let has = needs(&metadata, &package.name, false).contains("aws-sdk-ec2");
        assert_eq!(has, package.name.as_str() == "operator", "{}", package.name);
    }
}

#[test]
fn the_cni_plugin_names_three_crates_beside_its_protocol() {
    let direct = needs(&metadata(), "cni", true);
    assert_eq!(
        direct,
        BTreeSet::from(["cni-protocol", "rustix", "serde", "serde_json"].map(str::to_owned))
    );
}

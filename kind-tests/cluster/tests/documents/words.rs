//! Phrases that were replaced by plainer ones stay replaced.

use std::fs;

use super::markdown::files;

/// What is not written any more, and what is.
const REPLACED: &[(&str, &str)] = &[
    ("from nothing to nothing", "cleaned up afterwards"),
    ("main job", "what it is: a labelled pod gets its ENI"),
    ("takes it home", "returns it to the host"),
    ("What each folder is", "Repository layout"),
    ("Again if:", "Revisit if:"),
    (
        "See that the operator reaches",
        "Check that the operator can reach",
    ),
    (
        "Empty: the one of the region",
        "Defaults to the regional endpoint",
    ),
    ("List what there is", "Show this help"),
    (
        "the notes of the chart say",
        "shown by `helm status eniclaim`",
    ),
];

#[test]
fn replaced_phrases_stay_replaced() {
    let roots = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "Makefile",
        "docs",
        "charts",
        "cni",
        "crds",
        "kind-tests",
        "node-agent",
        "operator",
    ];
    let endings = [".md", ".rs", ".yaml", ".txt", ".tpl", ".sh", "Makefile"];
    for path in files(&roots, &endings) {
        if path.ends_with("documents/words.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (old, new) in REPLACED {
            assert!(
                !text.contains(old),
                "{}: {old:?}; write {new:?}",
                path.display()
            );
        }
    }
}

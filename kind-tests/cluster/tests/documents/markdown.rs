//! The documents as text: fenced blocks, and all files of a kind.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A file of the repository.
pub fn text(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The contents of a document's fenced blocks in this language.
pub fn blocks(document: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let from = text(document);
    let blocks = from.split(&fence).skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap().to_owned());
    blocks.collect()
}

/// Every file with one of these endings in these folders and files, without what is built.
pub fn files(roots: &[&str], endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<_> = roots.iter().map(|root| repository().join(root)).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap());
            open.extend(entries.map(|entry| entry.path()));
        } else if endings
            .iter()
            .any(|ending| path.to_str().unwrap().ends_with(ending))
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// All documents.
pub fn documents() -> Vec<PathBuf> {
    let roots = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "docs",
        "charts",
    ];
    files(&roots, &[".md"])
}

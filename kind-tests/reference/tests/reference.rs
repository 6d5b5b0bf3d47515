//! The pages of `docs/reference` say what the programs declare. `make reference` writes them anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::format_push_string
)]

#[path = "reference/changes.rs"]
mod changes;
#[path = "reference/charts.rs"]
mod charts;
#[path = "reference/flags.rs"]
mod flags;
#[path = "reference/lines.rs"]
mod lines;
#[path = "reference/logs.rs"]
mod logs;
#[path = "reference/metrics.rs"]
mod metrics;
#[path = "reference/resources.rs"]
mod resources;
#[path = "reference/words.rs"]
mod words;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where every generated page says how to make it again.
const GENERATED: &str = "<!-- Generated: make reference -->\n";

/// A table; `|` in a cell ends none.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let mut table = format!("{}|{}\n", line(&head), "---|".repeat(head.len()));
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
            .collect();
        table.push_str(&line(&cells));
    }
    table
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// Compares a page with what it should say, or writes it.
fn page(name: &str, title: &str, text: &str) {
    let path = repository().join("docs/reference").join(name);
    let page = format!("# {title}\n\n{GENERATED}\n{}\n", text.trim_end());
    if env::var_os("ENICLAIM_WRITE").is_some() {
        fs::write(&path, &page).unwrap();
        return;
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "docs/reference/{name} is old; make it again with: make reference"
    );
}

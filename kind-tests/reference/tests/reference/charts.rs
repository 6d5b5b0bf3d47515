//! Rules and dashboards of the chart, and the documents, ask for metrics that exist.

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;

use super::{metrics, repository};

/// Names as they are queried.
fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, rows) in metrics::rows() {
        for row in rows {
            if row.kind == "histogram" {
                let parts = ["bucket", "sum", "count"];
                names.extend(parts.map(|part| format!("{}_{part}", row.name)));
            }
            names.insert(row.name);
        }
    }
    names
}

/// Names of metrics of ours in a text, that are none.
fn unknown(text: &str) -> Vec<String> {
    let names = names();
    let metric = Regex::new(r"\beniclaim_(operator|agent)_[a-z0-9_]+").unwrap();
    let asked = metric
        .find_iter(text)
        .map(|found| found.as_str().to_owned());
    asked.filter(|name| !names.contains(name)).collect()
}

fn visit(folder: &Path, visit_file: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, visit_file);
        } else {
            visit_file(&path);
        }
    }
}

#[test]
fn a_metric_that_is_gone_is_found() {
    let text = "sum(rate(eniclaim_operator_ec2_calls_total[5m])) / eniclaim_operator_calls_total";
    assert_eq!(unknown(text), ["eniclaim_operator_calls_total"]);
    let text = "histogram_quantile(0.9, eniclaim_agent_plug_seconds_bucket)";
    assert_eq!(unknown(text), Vec::<String>::new());
}

#[test]
fn charts_and_documents_name_only_metrics_that_exist() {
    for folder in ["charts", "docs"] {
        visit(&repository().join(folder), &mut |path| {
            let text = fs::read(path).unwrap();
            let unknown = unknown(&String::from_utf8_lossy(&text));
            assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
        });
    }
}

//! Rules and dashboards of the chart, and the documents, ask for metrics that exist.

use std::{collections::BTreeSet, ffi::OsStr, fs, path::Path};

use operator_core::Reason;
use regex::Regex;
use telemetry::{Label, Outcome};

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

/// Labels in selectors of our metrics that these do not have, and values that a label never has.
fn unmatched(text: &str) -> Vec<String> {
    let selector = Regex::new(r"\b(eniclaim_(?:operator|agent)_[a-z0-9_]+)\{([^}]*)\}").unwrap();
    let matcher = Regex::new(r#"([a-z_]+)(?:=~|!~|!=|=)"([^"]*)""#).unwrap();
    let rows: Vec<_> = metrics::rows().into_iter().flat_map(|(_, r)| r).collect();
    // As they stand in JSON.
    let text = text.replace(r#"\""#, "\"");
    let mut unmatched = Vec::new();
    for found in selector.captures_iter(&text) {
        let row = rows.iter().find(|row| row.name == found[1]);
        let labels: Vec<Label> = row.map(|row| row.labels.clone()).unwrap_or_default();
        for asked in matcher.captures_iter(&found[2]) {
            let label = labels.iter().find(|label| *label.as_str() == asked[1]);
            let has = |value: &str| match label {
                Some(Label::Outcome) => Outcome::ALL.iter().any(|o| o.as_str() == value),
                Some(Label::Reason) => Reason::ALL.iter().any(|r| r.as_str() == value),
                Some(_) => true,
                None => false,
            };
            if !asked[2].split('|').all(has) {
                unmatched.push(format!("{}: {}", &found[1], &asked[0]));
            }
        }
    }
    unmatched
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
fn a_label_that_is_none_or_never_has_the_value_is_found() {
    let text = r#"eniclaim_operator_events_total{reason="NodeFull"} / eniclaim_operator_ec2_calls_total{outcome=~"denied|refuse"}
        "expr": "eniclaim_agent_cni_requests_total{verb=\"ADD\", outcome=\"error\"}""#;
    assert_eq!(
        unmatched(text),
        [
            r#"eniclaim_operator_ec2_calls_total: outcome=~"denied|refuse""#,
            r#"eniclaim_agent_cni_requests_total: verb="ADD""#,
        ]
    );
}

#[test]
fn charts_and_documents_name_only_metrics_that_exist() {
    let mut asking = BTreeSet::new();
    for folder in ["charts", "docs"] {
        visit(&repository().join(folder), &mut |path| {
            let bytes = fs::read(path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            let wrong = [unknown(&text), unmatched(&text)].concat();
            assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
            if text.contains("eniclaim_operator_") {
                asking.insert(path.file_name().unwrap().to_owned());
            }
        });
    }
    for name in ["alerts.yaml", "dashboard.json"] {
        assert!(asking.contains(OsStr::new(name)), "{name}");
    }
}

//! The page of metrics.

use telemetry::{
    Label, Outcome,
    registry::{Row, misnamed},
};

use super::{code, page, table};

/// Every metric of both programs.
pub fn rows() -> [(&'static str, Vec<Row>); 2] {
    let operator = operator::Monitor::default();
    let agent = node_agent::metrics::Metrics::default();
    [
        ("Operator", operator.rows().to_vec()),
        ("Agent", agent.rows().to_vec()),
    ]
}

#[test]
fn the_page_of_metrics_is_what_the_programs_count() {
    let mut text = "Both programs serve `/metrics` in the OpenMetrics format: the operator on port 8080, the agent on port 9377 of its node. \
         Every replica of the operator measures the cluster as it sees it, and only the one that leads changes it: take `max by (node)` and \
         the like of gauges, and sums of counters. A series that has counted nothing yet is not there.\n"
        .to_owned();
    for (program, rows) in rows() {
        let rows = rows.iter().map(|row| {
            let labels: Vec<String> = row.labels.iter().map(|l| code(l.as_str())).collect();
            vec![
                code(&row.name),
                row.kind.to_owned(),
                labels.join(", "),
                format!("{}.", row.help),
            ]
        });
        text += &format!("\n## {program}\n\n");
        text += &table(&["metric", "type", "labels", ""], rows);
    }
    let labels = Label::ALL.iter();
    let labels = labels.map(|l| vec![code(l.as_str()), l.meaning().to_owned()]);
    text += "\n## Labels\n\nA label has the same name and the same values in both programs.\n\n";
    text += &table(&["label", "values"], labels);
    let outcomes = Outcome::ALL.iter();
    let outcomes = outcomes.map(|o| vec![code(o.as_str()), o.meaning().to_owned()]);
    text += "\n## Outcomes\n\nThe label `outcome` of metrics and the field `outcome` of log lines have one list of words.\n\n";
    text += &table(&["outcome", ""], outcomes);
    page("metrics.md", "Metrics", &text);
}

#[test]
fn metrics_follow_the_naming_rules_of_prometheus() {
    for (program, rows) in rows() {
        assert_eq!(misnamed(&rows), Vec::<String>::new(), "{program}");
    }
}

#[test]
fn every_label_is_one_of_a_metric() {
    let all = rows();
    let used = |label: &Label| {
        let mut rows = all.iter().flat_map(|(_, rows)| rows);
        rows.any(|row| row.labels.contains(label))
    };
    let unused: Vec<_> = Label::ALL.iter().filter(|label| !used(label)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

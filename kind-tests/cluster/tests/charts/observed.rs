//! The alerts and the dashboard, as Prometheus and Grafana are given them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::helm::{find, render};

#[test]
fn every_alert_says_what_is_wrong_and_what_to_do() {
    let objects = render(&["metrics.rules.enabled=true"], &[]).unwrap();
    let rules = find(&objects, "PrometheusRule", "eniclaim").unwrap();
    let alerts = rules["spec"]["groups"][0]["rules"].as_array().unwrap();
    assert!(!alerts.is_empty());
    let mut names = BTreeSet::new();
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(name.starts_with("Eniclaim") && names.insert(name), "{name}");
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}"
        );
        let [summary, description] =
            ["summary", "description"].map(|text| alert["annotations"][text].as_str().unwrap());
        assert!(summary.ends_with('.') && summary.len() < 120, "{name}");
        assert!(description.len() > 100, "{name}");
    }
}

#[test]
fn the_dashboard_is_one_page_for_any_data_source() {
    let objects = render(&["metrics.dashboard.enabled=true"], &[]).unwrap();
    let map = find(&objects, "ConfigMap", "eniclaim-dashboard").unwrap();
    let text = map["data"]["eniclaim.json"].as_str().unwrap();
    let dashboard: Value = serde_json::from_str(text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!((1..=12).contains(&panels.len()), "{}", panels.len());
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{panel}");
        }
        // Grafana has 24 columns.
        let at = &panel["gridPos"];
        assert!(at["x"].as_u64().unwrap() + at["w"].as_u64().unwrap() <= 24);
    }
}

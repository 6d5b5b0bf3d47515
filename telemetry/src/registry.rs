//! Metrics, each declared once with its name, labels and help: what is counted and what the reference says is one table.

use std::{borrow::Cow, collections::BTreeSet, fmt, sync::Arc, sync::Mutex, sync::PoisonError};

use prometheus_client::{
    encoding::{EncodeLabelSet, LabelSetEncoder, text},
    metrics::{
        TypedMetric, counter::Counter, family::Family, family::MetricConstructor, gauge::Gauge,
        histogram::Histogram,
    },
    registry,
};

use crate::Label;

/// Value of a label.
pub type Value = Cow<'static, str>;

/// A metric as people read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its whole name, as it is queried; of a histogram without `_bucket`, `_sum` and `_count`.
    pub name: String,
    /// counter, gauge or histogram.
    pub kind: &'static str,
    /// Its labels.
    pub labels: Vec<Label>,
    /// One sentence.
    pub help: &'static str,
}

/// Every metric of a program; a clone is the same one.
#[derive(Debug)]
pub struct Registry {
    prefix: &'static str,
    metrics: registry::Registry,
    rows: Vec<Row>,
}

impl Registry {
    /// Metrics whose names begin with this word, and that of the program's version.
    pub fn new(prefix: &'static str, version: &'static str) -> Self {
        let mut registry = Self {
            prefix,
            metrics: registry::Registry::with_prefix(prefix),
            rows: Vec::new(),
        };
        let help = "1; its label says which version runs";
        let build = registry.gauges("build_info", help, [Label::Version]);
        build.set([version.into()], 1.0);
        registry
    }

    /// A counter by these labels. Its name has no `_total`: that is added.
    pub fn counters<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [Label; N],
    ) -> Counters<N> {
        self.declare(&format!("{name}_total"), "counter", &labels, help);
        let counters = Counters {
            labels,
            family: Family::default(),
        };
        self.register(name, help, labels, &counters.family);
        counters
    }

    /// A gauge by these labels.
    pub fn gauges<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [Label; N],
    ) -> Gauges<N> {
        self.declare(name, "gauge", &labels, help);
        let gauges = Gauges {
            labels,
            family: Family::default(),
            shown: Arc::default(),
        };
        self.register(name, help, labels, &gauges.family);
        gauges
    }

    /// A histogram by these labels, with these upper bounds.
    pub fn histograms<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: [Label; N],
        bounds: &'static [f64],
    ) -> Histograms<N> {
        self.declare(name, "histogram", &labels, help);
        let family = Family::new_with_constructor(Bounds(bounds));
        self.register(name, help, labels, &family);
        Histograms { labels, family }
    }

    fn declare(&mut self, name: &str, kind: &'static str, labels: &[Label], help: &'static str) {
        self.rows.push(Row {
            name: format!("{}_{name}", self.prefix),
            kind,
            labels: labels.to_vec(),
            help,
        });
    }

    fn register<const N: usize, M, C>(
        &mut self,
        name: &str,
        help: &str,
        labels: [Label; N],
        family: &Family<Labels<N>, M, C>,
    ) where
        M: Clone + TypedMetric + prometheus_client::encoding::EncodeMetric + fmt::Debug,
        M: Send + Sync + 'static,
        C: MetricConstructor<M> + Clone + fmt::Debug + Send + Sync + 'static,
    {
        if N == 0 {
            // It is there from the beginning, and without braces.
            let only = family
                .get_or_create_owned(&Labels::new(labels, [const { Value::Borrowed("") }; N]));
            self.metrics.register(name, help, only);
        } else {
            self.metrics.register(name, help, family.clone());
        }
    }

    /// What is declared, in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// In the text format of `OpenMetrics`.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        text::encode(&mut text, &self.metrics).map_or_else(|_| String::new(), |()| text)
    }
}

/// Names and values of the labels of one series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Labels<const N: usize>([(Label, Value); N]);

impl<const N: usize> Labels<N> {
    fn new(labels: [Label; N], values: [Value; N]) -> Self {
        let mut values = values.into_iter();
        Self(labels.map(|label| (label, values.next().unwrap_or_default())))
    }
}

impl<const N: usize> EncodeLabelSet for Labels<N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let pairs: Vec<(&str, &str)> = self.0.iter().map(|(l, v)| (l.as_str(), &**v)).collect();
        pairs.as_slice().encode(encoder)
    }
}

/// Counters by labels.
#[derive(Debug, Clone)]
pub struct Counters<const N: usize> {
    labels: [Label; N],
    family: Family<Labels<N>, Counter>,
}

impl<const N: usize> Counters<N> {
    /// One more.
    pub fn count(&self, values: [Value; N]) {
        self.add(values, 1);
    }

    /// So many more.
    pub fn add(&self, values: [Value; N], more: u64) {
        let labels = Labels::new(self.labels, values);
        self.family.get_or_create(&labels).inc_by(more);
    }
}

/// Gauges by labels.
#[derive(Debug, Clone)]
pub struct Gauges<const N: usize> {
    labels: [Label; N],
    family: Family<Labels<N>, Gauge<f64, std::sync::atomic::AtomicU64>>,
    /// The series of the last [`Self::replace`].
    shown: Arc<Mutex<BTreeSet<Labels<N>>>>,
}

impl<const N: usize> Gauges<N> {
    /// It is so much now.
    pub fn set(&self, values: [Value; N], value: f64) {
        let labels = Labels::new(self.labels, values);
        self.family.get_or_create(&labels).set(value);
    }

    /// These are all series that there are now: those of objects that are gone end.
    pub fn replace(&self, series: impl IntoIterator<Item = ([Value; N], f64)>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = BTreeSet::new();
        for (values, value) in series {
            let labels = Labels::new(self.labels, values);
            self.family.get_or_create(&labels).set(value);
            now.insert(labels);
        }
        for gone in shown.difference(&now) {
            self.family.remove(gone);
        }
        *shown = now;
    }
}

/// Histograms by labels.
#[derive(Debug, Clone)]
pub struct Histograms<const N: usize> {
    labels: [Label; N],
    family: Family<Labels<N>, Histogram, Bounds>,
}

impl<const N: usize> Histograms<N> {
    /// One that took so many seconds.
    pub fn observe(&self, values: [Value; N], seconds: f64) {
        let labels = Labels::new(self.labels, values);
        self.family.get_or_create(&labels).observe(seconds);
    }
}

#[derive(Debug, Clone, Copy)]
struct Bounds(&'static [f64]);

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// What breaks the naming rules of Prometheus: units in base form, counters with `_total`.
/// <https://prometheus.io/docs/practices/naming/>
pub fn misnamed(rows: &[Row]) -> Vec<String> {
    let is_word = |name: &str| {
        name.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let breaks = |row: &&Row| {
        let counts = row.name.ends_with("_total");
        let fits = match row.kind {
            "counter" => counts,
            "histogram" => row.name.ends_with("_seconds"),
            _ => !counts,
        };
        let unit = ["_ms", "_millis", "_minutes", "_count", "_sum", "_bucket"];
        !fits || !is_word(&row.name) || unit.iter().any(|unit| row.name.ends_with(unit))
    };
    rows.iter()
        .filter(breaks)
        .map(|row| row.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_registered_is_what_is_declared() {
        let mut registry = Registry::new("eniclaim_test", "1.2.3");
        let calls = registry.counters("calls", "Calls", [Label::Action, Label::Outcome]);
        let free = registry.gauges("free", "Free ones", []);
        let took = registry.histograms("call_seconds", "Time", [Label::Action], &[0.5]);
        calls.count(["Create".into(), "success".into()]);
        free.set([], 2.5);
        took.observe(["Create".into()], 0.1);
        let text = registry.text();
        for line in [
            r#"eniclaim_test_build_info{version="1.2.3"} 1.0"#,
            r#"eniclaim_test_calls_total{action="Create",outcome="success"} 1"#,
            "eniclaim_test_free 2.5",
            r#"eniclaim_test_call_seconds_bucket{le="0.5",action="Create"} 1"#,
            "# HELP eniclaim_test_calls Calls.",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
        let names: Vec<&str> = registry
            .rows()
            .iter()
            .map(|row| row.name.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "eniclaim_test_build_info",
                "eniclaim_test_calls_total",
                "eniclaim_test_free",
                "eniclaim_test_call_seconds"
            ]
        );
        assert_eq!(misnamed(registry.rows()), Vec::<String>::new());
    }

    #[test]
    fn a_series_ends_with_its_object() {
        let mut registry = Registry::new("t", "1");
        let nodes = registry.gauges("nodes", "Nodes", [Label::Node]);
        nodes.replace([(["a".into()], 1.0), (["b".into()], 2.0)]);
        nodes.replace([(["b".into()], 3.0)]);
        let text = registry.text();
        assert!(text.contains(r#"t_nodes{node="b"} 3.0"#), "{text}");
        assert!(!text.contains(r#"node="a""#), "{text}");
    }

    #[test]
    fn names_that_break_the_rules_are_found() {
        let mut registry = Registry::new("t", "1");
        let _ = registry.gauges("age_ms", "", []);
        let _ = registry.histograms("latency", "", [], &[1.0]);
        assert_eq!(misnamed(registry.rows()), ["t_age_ms", "t_latency"]);
    }
}

//! Every metric of the agent.

use std::sync::Arc;

use node_agent_core::facts::Verb;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// It worked.
    Success,
    /// It did not, and will be tried again.
    Failure,
    /// It was answered with a reason to wait.
    Later,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
}

/// All metrics; a clone counts into the same ones.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    adds: Family<Labels, Counter>,
    dels: Family<Labels, Counter>,
    reports: Family<Labels, Counter>,
    checks: Family<Labels, Counter>,
    unplugs: Family<Labels, Counter>,
    plug_seconds: Histogram,
    plugged: Gauge,
    plugin_restored: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        // A move takes about 15 ms of the kernel, and waits for those before it.
        let plug_seconds = Histogram::new([0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0]);
        let (adds, dels, checks, reports, unplugs, plugged) = (
            Family::default(),
            Family::default(),
            Family::default(),
            Family::default(),
            Family::default(),
            Gauge::default(),
        );
        let plugin_restored = Counter::default();
        let mut registry = Registry::with_prefix("eniclaim_agent");
        registry.register("adds", "CNI ADD requests answered", Family::clone(&adds));
        registry.register("dels", "CNI DEL requests answered", Family::clone(&dels));
        registry.register(
            "reports",
            "Reports on claims sent to the API server",
            Family::clone(&reports),
        );
        registry.register(
            "checks",
            "CNI CHECK requests answered",
            Family::clone(&checks),
        );
        registry.register(
            "unplugs",
            "Devices returned from pods to the node",
            Family::clone(&unplugs),
        );
        registry.register(
            "plug_seconds",
            "From the order to plug until the pod has its interface",
            plug_seconds.clone(),
        );
        registry.register("plugged", "Devices in pods", Gauge::clone(&plugged));
        registry.register(
            "plugin_restored",
            "Times that the CNI plugin or its configuration was written again",
            Counter::clone(&plugin_restored),
        );
        Self {
            registry: Arc::new(registry),
            adds,
            dels,
            reports,
            checks,
            unplugs,
            plug_seconds,
            plugged,
            plugin_restored,
        }
    }
}

impl Metrics {
    /// A request of the plugin was answered.
    pub fn answered(&self, verb: &Verb, outcome: Outcome) {
        let family = match verb {
            Verb::Add(_) => &self.adds,
            Verb::Check(_) => &self.checks,
            Verb::Del => &self.dels,
        };
        family.get_or_create(&Labels { outcome }).inc();
    }

    /// A report was sent.
    pub fn report(&self, outcome: Outcome) {
        self.reports.get_or_create(&Labels { outcome }).inc();
    }

    /// A device was to return to the node.
    pub fn unplug(&self, outcome: Outcome) {
        self.unplugs.get_or_create(&Labels { outcome }).inc();
    }

    /// A pod got its interface after so many seconds.
    pub fn plug_took(&self, seconds: f64) {
        self.plug_seconds.observe(seconds);
    }

    /// So many devices are in pods.
    pub fn plugged(&self, count: usize) {
        self.plugged.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Plugin or configuration were written again.
    pub fn plugin_restored(&self) {
        self.plugin_restored.inc();
    }

    /// In the text format of Prometheus.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        encode(&mut text, &self.registry).map_or_else(|_| String::new(), |()| text)
    }
}

//! Every metric of the agent.

use std::sync::Arc;

use node_agent_core::facts::Verb;
use telemetry::{
    Label, Outcome, Registry,
    registry::{Counters, Gauges, Histograms, Row},
};

/// A move takes about 15 ms of the kernel, and waits for those before it.
const SECONDS: &[f64] = &[0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0];

/// All metrics; a clone counts into the same ones.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Counters<2>,
    writes: Counters<2>,
    unplugs: Counters<1>,
    plug_seconds: Histograms<0>,
    plugged: Gauges<0>,
    plugin_restored: Counters<0>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registry::new("eniclaim_agent", env!("CARGO_PKG_VERSION"));
        Self {
            requests: all.counters(
                "cni_requests",
                "Requests of the CNI plugin that were answered; waiting: kubelet asks again",
                [Label::Command, Label::Outcome],
            ),
            writes: all.counters(
                "kubernetes_writes",
                "Attempts to write a Kubernetes object, by outcome",
                [Label::Object, Label::Outcome],
            ),
            unplugs: all.counters(
                "unplugs",
                "Attempts to return the device of an ENI from its pod to the node",
                [Label::Outcome],
            ),
            plug_seconds: all.histograms(
                "plug_seconds",
                "Time from the order to plug until the pod has its interface",
                [],
                SECONDS,
            ),
            plugged: all.gauges("plugged_enis", "ENIs that are in pods of this node", []),
            plugin_restored: all.counters(
                "plugin_restored",
                "Times that the CNI plugin or its configuration was written again as somebody had changed or removed it",
                [],
            ),
            registry: Arc::new(all),
        }
    }
}

/// The command of the CNI that asks this.
pub(crate) fn command(verb: &Verb) -> &'static str {
    match verb {
        Verb::Add(_) => "ADD",
        Verb::Check(_) => "CHECK",
        Verb::Del => "DEL",
    }
}

impl Metrics {
    /// What there is.
    pub fn rows(&self) -> &[Row] {
        self.registry.rows()
    }

    /// A request of the plugin was answered.
    pub(crate) fn answered(&self, verb: &Verb, outcome: Outcome) {
        self.requests
            .count([command(verb).into(), outcome.as_str().into()]);
    }

    /// The plugin asked for addresses alone.
    pub(crate) fn addressed(&self, outcome: Outcome) {
        self.requests
            .count(["IPAM".into(), outcome.as_str().into()]);
    }

    /// A claim's status was written, or not.
    pub(crate) fn reported(&self, outcome: Outcome) {
        self.writes
            .count(["EniClaim".into(), outcome.as_str().into()]);
    }

    /// A device was to return to the node.
    pub(crate) fn unplugged(&self, outcome: Outcome) {
        self.unplugs.count([outcome.as_str().into()]);
    }

    /// A pod got its interface after so many seconds.
    pub(crate) fn plug_took(&self, seconds: f64) {
        self.plug_seconds.observe([], seconds);
    }

    /// So many devices are in pods.
    pub(crate) fn plugged(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.plugged.set([], f64::from(count));
    }

    /// Plugin or configuration were written again.
    pub(crate) fn plugin_restored(&self) {
        self.plugin_restored.count([]);
    }

    /// In the text format of `OpenMetrics`.
    pub fn text(&self) -> String {
        self.registry.text()
    }
}

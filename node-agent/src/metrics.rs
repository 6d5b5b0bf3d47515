//! Every metric of the agent.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use node_agent_core::facts::Verb;
use telemetry::{
    Label, Outcome, Registry,
    registry::{Counters, Gauges, Histograms, Row},
};

use crate::dhcp::client::Family;

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
    leases: Gauges<2>,
    lease_age: Gauges<1>,
    dhcp_sent: Counters<2>,
    dhcp_dropped: Counters<2>,
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
            leases: all.gauges(
                "dhcp_leases",
                "DHCP leases of interfaces in pods of this node, by the state of their client",
                [Label::Family, Label::State],
            ),
            lease_age: all.gauges(
                "dhcp_lease_age_seconds",
                "Time since that lease was obtained or prolonged for which it is longest ago, as far as this agent has seen it",
                [Label::Family],
            ),
            dhcp_sent: all.counters(
                "dhcp_messages_sent",
                "Messages that were sent to DHCP servers",
                [Label::Family, Label::Message],
            ),
            dhcp_dropped: all.counters(
                "dhcp_packets_dropped",
                "Packets that came to the port of a DHCP client and were not believed",
                [Label::Family, Label::Cause],
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
        Verb::Del | Verb::Release(_) => "DEL",
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

    /// A turn of a lease sent these messages, and dropped so many packets for each cause.
    pub(crate) fn dhcp_turn(
        &self,
        family: Family,
        sent: &[&'static str],
        dropped: &BTreeMap<&'static str, usize>,
    ) {
        for message in sent {
            self.dhcp_sent
                .count([family.as_str().into(), (*message).into()]);
        }
        for (cause, count) in dropped {
            let count = u64::try_from(*count).unwrap_or(u64::MAX);
            self.dhcp_dropped
                .add([family.as_str().into(), (*cause).into()], count);
        }
    }

    /// So many leases are in each state, and of each family the oldest was prolonged so long ago.
    pub(crate) fn leases(
        &self,
        states: BTreeMap<(Family, &'static str), u32>,
        oldest: BTreeMap<Family, Duration>,
    ) {
        let states = states.into_iter().map(|((family, state), count)| {
            ([family.as_str().into(), state.into()], f64::from(count))
        });
        self.leases.replace(states);
        let oldest = oldest.into_iter();
        let oldest = oldest.map(|(family, age)| ([family.as_str().into()], age.as_secs_f64()));
        self.lease_age.replace(oldest);
    }

    /// In the text format of `OpenMetrics`.
    pub fn text(&self) -> String {
        self.registry.text()
    }
}

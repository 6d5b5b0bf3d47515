//! Every metric of the operator.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use operator_core::{
    NodeRoom, Reason, SubnetRoom,
    claim::Phase,
    error::ErrorClass,
    order::{Action, Object},
};
use telemetry::{
    Label, Outcome, Registry,
    registry::{Counters, Gauges, Histograms, Row},
};

/// From a fast call to a slow attach.
const SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 300.0];

/// Every metric, shared.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    calls: Counters<2>,
    latency: Histograms<1>,
    writes: Counters<2>,
    claims: Gauges<1>,
    stages: Histograms<1>,
    longest_wait: Gauges<0>,
    events: Counters<1>,
    dropped: Counters<0>,
    tokens: Gauges<1>,
    orphans: Gauges<0>,
    node_capacity: Gauges<1>,
    node_used: Gauges<1>,
    subnet_free: Gauges<2>,
    ready: Gauges<0>,
}

/// The objects that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Written {
    EniClaim,
    EniClass,
    EniNode,
    Node,
    Pod,
    Event,
    Lease,
}

impl Written {
    /// The kind, as manifests have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::EniClaim => "EniClaim",
            Self::EniClass => "EniClass",
            Self::EniNode => "EniNode",
            Self::Node => "Node",
            Self::Pod => "Pod",
            Self::Event => "Event",
            Self::Lease => "Lease",
        }
    }

    /// The kind of what an order writes.
    pub(crate) fn of(object: &Object) -> Self {
        match object {
            Object::NewClaim(_)
            | Object::Status(_)
            | Object::AddFinalizer(_)
            | Object::RemoveFinalizer(_)
            | Object::DeleteClaim(_) => Self::EniClaim,
            Object::NewReport { .. } | Object::Report { .. } => Self::EniNode,
            Object::Class { .. } => Self::EniClass,
            Object::Node { .. } => Self::Node,
            Object::Marks(_) => Self::Pod,
        }
    }
}

/// The stages of a claim, each measured from its binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Created,
    Attached,
    Ready,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Attached => "attached",
            Self::Ready => "ready",
        }
    }
}

/// An error of EC2 in the words of all metrics and logs.
pub(crate) fn outcome(error: Option<ErrorClass>) -> Outcome {
    match error {
        None => Outcome::Success,
        Some(ErrorClass::Throttled) => Outcome::Throttled,
        Some(ErrorClass::Transient) => Outcome::Unavailable,
        Some(ErrorClass::NotYet) => Outcome::NotFound,
        Some(ErrorClass::State | ErrorClass::TokenReused) => Outcome::Conflict,
        Some(ErrorClass::NodeFull) => Outcome::NodeFull,
        Some(ErrorClass::SubnetFull) => Outcome::SubnetFull,
        Some(ErrorClass::QuotaFull) => Outcome::QuotaFull,
        Some(ErrorClass::Denied) => Outcome::Denied,
        Some(ErrorClass::Credentials) => Outcome::NoCredentials,
        Some(ErrorClass::Terminal | ErrorClass::Unlisted) => Outcome::Refused,
    }
}

/// As `status.phase` of a claim has it.
pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Creating => "Creating",
        Phase::Available => "Available",
        Phase::Attaching => "Attaching",
        Phase::Attached => "Attached",
        Phase::Ready => "Ready",
        Phase::Releasing => "Releasing",
        Phase::Detaching => "Detaching",
        Phase::Deleting => "Deleting",
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registry::new("eniclaim_operator", env!("CARGO_PKG_VERSION"));
        Self {
            calls: all.counters(
                "ec2_calls",
                "Calls of EC2 by action and outcome; each page of a read is a call",
                [Label::Action, Label::Outcome],
            ),
            latency: all.histograms(
                "ec2_call_seconds",
                "Time until EC2 answered, or was not waited for any longer",
                [Label::Action],
                SECONDS,
            ),
            tokens: all.gauges(
                "ec2_tokens",
                "Calls of each EC2 action that the budget allows now; below 0: that many have to be saved first; of the leader alone",
                [Label::Action],
            ),
            writes: all.counters(
                "kubernetes_writes",
                "Attempts to write a Kubernetes object, by outcome",
                [Label::Object, Label::Outcome],
            ),
            claims: all.gauges("claims", "Claims in each phase", [Label::Phase]),
            stages: all.histograms(
                "claim_stage_seconds",
                "Time from the binding of a claim to a node until it reached the stage",
                [Label::Stage],
                SECONDS,
            ),
            longest_wait: all.gauges(
                "oldest_waiting_claim_age_seconds",
                "How long the pod has waited that has waited longest: it asks for an ENI, and has no interface yet, or no node; 0: none waits",
                [],
            ),
            node_capacity: all.gauges(
                "node_capacity_enis",
                "ENIs that the node can hold for pods, the resource eniclaim.io/eni",
                [Label::Node],
            ),
            node_used: all.gauges(
                "node_used_enis",
                "ENIs of the node's capacity that claims have",
                [Label::Node],
            ),
            subnet_free: all.gauges(
                "subnet_free_addresses",
                "Addresses of the subnet that were free when it was read last, less those that were asked for since; of the leader alone",
                [Label::Subnet, Label::Zone],
            ),
            orphans: all.gauges(
                "orphaned_enis",
                "ENIs with this cluster's tag that no claim owns",
                [],
            ),
            events: all.counters("events", "Events published, by reason", [Label::Reason]),
            dropped: all.counters(
                "events_dropped",
                "Events that were not published as too many waited",
                [],
            ),
            ready: all.gauges("ready", "1 while the operator does its work", []),
            registry: Arc::new(all),
        }
    }
}

impl Metrics {
    pub(crate) fn rows(&self) -> &[Row] {
        self.registry.rows()
    }

    pub(crate) fn encode(&self) -> String {
        self.registry.text()
    }

    pub(crate) fn called(&self, action: Action, error: Option<ErrorClass>, took: Duration) {
        let (action, outcome) = (action.as_str(), outcome(error).as_str());
        self.calls.count([action.into(), outcome.into()]);
        self.latency.observe([action.into()], took.as_secs_f64());
    }

    pub(crate) fn wrote(&self, object: Written, outcome: Outcome) {
        self.writes
            .count([object.as_str().into(), outcome.as_str().into()]);
    }

    pub(crate) fn reached(&self, stage: Stage, millis: i64) {
        self.stages
            .observe([stage.as_str().into()], seconds(millis));
    }

    pub(crate) fn event(&self, reason: Reason) {
        self.events.count([reason.as_str().into()]);
    }

    pub(crate) fn dropped(&self, events: u64) {
        self.dropped.add([], events);
    }

    pub(crate) fn set_claims(&self, census: &BTreeMap<Phase, u32>) {
        for each in Phase::ALL {
            let count = census.get(&each).copied().unwrap_or(0);
            self.claims.set([phase(each).into()], f64::from(count));
        }
    }

    pub(crate) fn set_longest_wait(&self, millis: Option<i64>) {
        self.longest_wait.set([], millis.map_or(0.0, seconds));
    }

    pub(crate) fn set_nodes(&self, rooms: &[NodeRoom]) {
        let of = |count: fn(&NodeRoom) -> u32| {
            let series =
                move |room: &NodeRoom| ([room.node.to_string().into()], f64::from(count(room)));
            rooms.iter().map(series)
        };
        self.node_capacity.replace(of(|room| room.capacity));
        self.node_used.replace(of(|room| room.used));
    }

    pub(crate) fn set_subnets(&self, rooms: impl Iterator<Item = SubnetRoom>) {
        self.subnet_free.replace(rooms.map(|room| {
            let SubnetRoom { subnet, zone, free } = room;
            let labels = [subnet.to_string().into(), zone.to_string().into()];
            (labels, f64::from(free))
        }));
    }

    pub(crate) fn set_tokens(&self, tokens: impl Iterator<Item = (Action, i64)>) {
        self.tokens
            .replace(tokens.map(|(action, left)| ([action.as_str().into()], float(left))));
    }

    pub(crate) fn set_orphans(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.orphans.set([], f64::from(count));
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.set([], if ready { 1.0 } else { 0.0 });
    }
}

fn seconds(millis: i64) -> f64 {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0)).as_secs_f64()
}

/// Exact: no budget is larger.
fn float(count: i64) -> f64 {
    let most = if count < 0 { i32::MIN } else { i32::MAX };
    f64::from(i32::try_from(count).unwrap_or(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        let metrics = Metrics::default();
        assert_eq!(
            telemetry::registry::misnamed(metrics.rows()),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_phase_is_spelled_as_in_a_claim() {
        for each in Phase::ALL {
            assert_eq!(serde_json::json!(each), phase(each));
        }
    }

    #[test]
    fn a_node_that_is_gone_has_no_series() {
        let metrics = Metrics::default();
        let room = |node: &str| NodeRoom {
            node: node.into(),
            capacity: 7,
            used: 2,
        };
        metrics.set_nodes(&[room("n1"), room("n2")]);
        metrics.set_nodes(&[room("n2")]);
        let text = metrics.encode();
        assert!(text.contains(r#"eniclaim_operator_node_capacity_enis{node="n2"} 7.0"#));
        assert!(text.contains(r#"eniclaim_operator_node_used_enis{node="n2"} 2.0"#));
        assert!(!text.contains("n1"), "{text}");
    }
}

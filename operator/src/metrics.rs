//! Every metric of the operator.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use operator_core::{Reason, claim::Phase, error::ErrorClass, order::Action};
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
    },
    registry::Registry,
};

/// The outcome of whatever did what was asked.
const OK: &str = "ok";

/// Every metric, shared.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    calls: Family<CallLabels, Counter>,
    latency: Family<ActionLabels, Histogram, Buckets>,
    writes: Family<WriteLabels, Counter>,
    claims: Family<PhaseLabels, Gauge>,
    stages: Family<StageLabels, Histogram, Buckets>,
    events: Family<ReasonLabels, Counter>,
    dropped: Counter,
    tokens: Family<ActionLabels, Gauge>,
    orphans: Gauge,
    ready: Gauge<f64, AtomicU64>,
}

/// The objects that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Written {
    EniClaim,
    EniNode,
    Node,
    Event,
    Lease,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum WriteResult {
    Ok,
    Conflict,
    NotFound,
    Refused,
    Unavailable,
}

impl EncodeLabelValue for WriteResult {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> std::fmt::Result {
        let word = match self {
            Self::Ok => OK,
            Self::Conflict => "conflict",
            Self::NotFound => "not_found",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        };
        word.encode(encoder)
    }
}

/// The stages of a claim, each measured from its binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Stage {
    Created,
    Attached,
    Ready,
}

/// What became of a call to EC2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct CallResult(Option<ErrorClass>);

impl EncodeLabelValue for CallResult {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> std::fmt::Result {
        self.0.map_or(OK, ErrorClass::as_str).encode(encoder)
    }
}

/// An action, as AWS spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ActionLabel(Action);

impl EncodeLabelValue for ActionLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> std::fmt::Result {
        self.0.as_str().encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    action: ActionLabel,
    outcome: CallResult,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabels {
    action: ActionLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    object: Written,
    outcome: WriteResult,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: PhaseLabel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PhaseLabel(Phase);

impl EncodeLabelValue for PhaseLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> std::fmt::Result {
        format!("{:?}", self.0).as_str().encode(encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: ReasonLabel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ReasonLabel(Reason);

impl EncodeLabelValue for ReasonLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> std::fmt::Result {
        self.0.as_str().encode(encoder)
    }
}

/// Seconds from a fast call to a slow attach.
#[derive(Debug, Clone, Copy)]
struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 60.0, 300.0])
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("eniclaim_operator");
        let calls = Family::default();
        registry.register(
            "ec2_calls",
            "EC2 calls by action and outcome: ok, or the class of the error; each page of a read is a call",
            calls.clone(),
        );
        let latency = Family::new_with_constructor(Buckets);
        registry.register(
            "ec2_call_seconds",
            "Time until EC2 answered",
            latency.clone(),
        );
        let writes = Family::default();
        registry.register(
            "kubernetes_writes",
            "Writes of Kubernetes objects, by object and outcome",
            writes.clone(),
        );
        let claims = Family::default();
        registry.register("claims", "Claims by phase", claims.clone());
        let stages = Family::new_with_constructor(Buckets);
        registry.register(
            "claim_stage_seconds",
            "Time from the binding of a claim until it reached the stage",
            stages.clone(),
        );
        let events = Family::default();
        registry.register("events", "Events published, by reason", events.clone());
        let dropped = Counter::default();
        registry.register(
            "events_dropped",
            "Events that were not published as too many waited",
            dropped.clone(),
        );
        let tokens = Family::default();
        registry.register(
            "ec2_tokens",
            "Calls of each EC2 action that the budget allows now",
            tokens.clone(),
        );
        let orphans = Gauge::default();
        registry.register(
            "orphans",
            "ENIs of this cluster that no claim owns",
            orphans.clone(),
        );
        let ready = Gauge::default();
        registry.register("ready", "1 while the operator does its work", ready.clone());
        Self {
            registry: Arc::new(registry),
            calls,
            latency,
            writes,
            claims,
            stages,
            events,
            dropped,
            tokens,
            orphans,
            ready,
        }
    }
}

impl Metrics {
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    pub(crate) fn called(&self, action: Action, error: Option<ErrorClass>, took: Duration) {
        let action = ActionLabel(action);
        let outcome = CallResult(error);
        self.calls
            .get_or_create(&CallLabels { action, outcome })
            .inc();
        self.latency
            .get_or_create(&ActionLabels { action })
            .observe(took.as_secs_f64());
    }

    pub(crate) fn wrote(&self, object: Written, outcome: WriteResult) {
        self.writes
            .get_or_create(&WriteLabels { object, outcome })
            .inc();
    }

    pub(crate) fn reached(&self, stage: Stage, millis: i64) {
        let took = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
        self.stages
            .get_or_create(&StageLabels { stage })
            .observe(took.as_secs_f64());
    }

    pub(crate) fn event(&self, reason: Reason) {
        self.events
            .get_or_create(&ReasonLabels {
                reason: ReasonLabel(reason),
            })
            .inc();
    }

    pub(crate) fn dropped(&self, events: u64) {
        self.dropped.inc_by(events);
    }

    pub(crate) fn set_claims(&self, census: &BTreeMap<Phase, u32>) {
        for phase in Phase::ALL {
            let count = census.get(&phase).copied().unwrap_or(0);
            self.claims
                .get_or_create(&PhaseLabels {
                    phase: PhaseLabel(phase),
                })
                .set(i64::from(count));
        }
    }

    pub(crate) fn set_tokens(&self, tokens: impl Iterator<Item = (Action, i64)>) {
        for (action, left) in tokens {
            let action = ActionLabel(action);
            self.tokens
                .get_or_create(&ActionLabels { action })
                .set(left);
        }
    }

    pub(crate) fn set_orphans(&self, count: usize) {
        self.orphans.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.set(if ready { 1.0 } else { 0.0 });
    }
}

//! What `helm test` waits for, and what it says.

use std::slice::from_ref;

use api::{Condition, ConditionStatus, NodeStatus, Time, condition::kind};
use operator_core::{
    check::{Rollout, check},
    cluster::{AgentPod, Key, NodeReport, Version},
    drain::Verdict,
};

/// On one node, and all is well.
const ONE: Rollout = Rollout {
    observed: true,
    desired: 1,
    scheduled: 1,
    updated: 1,
    ready: 1,
};

fn agent() -> AgentPod {
    AgentPod {
        key: Key::new("eniclaim-system", "agent-x"),
        uid: "u".into(),
        node: Some("n1".into()),
        ready: true,
    }
}

fn report(status: ConditionStatus) -> NodeReport {
    let condition = Condition {
        kind: kind::AGENT_READY.into(),
        status,
        reason: "R".into(),
        message: "check its log".into(),
        last_transition_time: Time(0),
        observed_generation: None,
    };
    NodeReport {
        name: "n1".into(),
        owner: None,
        version: Version::default(),
        agent: None,
        status: NodeStatus {
            conditions: vec![condition],
            ..NodeStatus::default()
        },
    }
}

/// What is said when it has been waited long enough; nothing where all is well.
fn says(rollout: Option<Rollout>, agents: &[AgentPod], reports: &[NodeReport]) -> String {
    match check(rollout, agents, reports, &[], true) {
        Verdict::Go(None) => String::new(),
        Verdict::Refuse(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_agent_has_to_be_reported_ready_and_there_has_to_be_one() {
    let (agents, ready) = ([agent()], report(ConditionStatus::True));
    assert!(says(None, &agents, from_ref(&ready)).contains("no DaemonSet eniclaim-agent"));
    assert!(says(Some(ONE), &agents, &[]).contains("n1 (the operator has not"));
    let unready = report(ConditionStatus::False);
    assert!(says(Some(ONE), &agents, from_ref(&unready)).contains("n1 (check its log)"));
    assert!(matches!(
        check(Some(ONE), &agents, &[unready], &[], false),
        Verdict::Wait(_)
    ));
    assert_eq!(says(Some(ONE), &agents, &[ready]), "");
}

#[test]
fn every_class_has_to_be_ready() {
    let (agents, ready) = ([agent()], [report(ConditionStatus::True)]);
    let class = |status| {
        let mut class = super::story::a_class();
        class.status.conditions.extend(status);
        class
    };
    let condition = |status| Condition {
        kind: kind::READY.into(),
        status,
        reason: "R".into(),
        message: "names sg-1".into(),
        last_transition_time: Time(0),
        observed_generation: None,
    };
    let says = |class| match check(Some(ONE), &agents, &ready, &[class], true) {
        Verdict::Go(None) => String::new(),
        Verdict::Refuse(why) => why,
        other => panic!("{other:?}"),
    };
    assert_eq!(says(class(Some(condition(ConditionStatus::True)))), "");
    for status in [ConditionStatus::False, ConditionStatus::Unknown] {
        let said = says(class(Some(condition(status))));
        assert!(said.contains("app (names sg-1)"), "{said}");
    }
    assert!(says(class(None)).contains("app (the operator"));
}

#[test]
fn rollout_has_to_be_whole() {
    let (agents, ready) = ([agent()], [report(ConditionStatus::True)]);
    let says = |rollout| says(Some(rollout), &agents, &ready);
    for (rollout, part) in [
        (
            Rollout {
                observed: false,
                ..ONE
            },
            "kube-controller-manager",
        ),
        (Rollout { desired: 0, ..ONE }, "agent.nodeSelector"),
        (Rollout { desired: 2, ..ONE }, "of 2 nodes"),
        (
            Rollout {
                scheduled: 0,
                ..ONE
            },
            "0 have one",
        ),
        (
            Rollout { updated: 0, ..ONE },
            "0 one of the present version",
        ),
        (Rollout { ready: 0, ..ONE }, "0 a ready one"),
    ] {
        let said = says(rollout);
        assert!(said.contains(part), "{rollout:?}: {said}");
    }
}

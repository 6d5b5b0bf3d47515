//! What may be uninstalled, and what is said when it may not.

use std::slice::from_ref;

use api::{Condition, ConditionStatus, Time, claim::ClaimStatus, condition::kind, id::NodeName};
use operator_core::{
    claim::{Claim, Owner},
    cluster::{Ask, Key, NodeHealth, Pod, PodSource, Version},
    drain::{Left, NodeLeft, Policy, Rule, Verdict, judge_nodes, judge_pods, kept_by},
    ec2::{EniTags, EniView},
    error::{Ec2Error, ErrorClass},
    marks::Marks,
    uses::Uses,
};

use super::subnets;

const ALL: [Policy; 3] = [Policy::Refuse, Policy::Wait, Policy::Abandon];

/// A pod of this name that asks.
fn a_pod(name: &str) -> Pod {
    Pod {
        key: Key::new("shop", name),
        uid: name.into(),
        source: PodSource::Api,
        asks: vec![Ask {
            class: "app".into(),
            interface: None,
        }],
        uses: Uses::Own,
        malformed: None,
        annotated: true,
        host_network: false,
        node: None,
        requested: Some(1),
        net_admin: None,
        deleting: false,
        terminal: false,
        created: Time(0),
        marks: Marks::default(),
    }
}

/// The claim of a pod of this name.
fn a_claim(pod: &str) -> Claim {
    let condition = Condition {
        kind: kind::READY.into(),
        status: ConditionStatus::False,
        reason: "R".into(),
        message: "eni-1 is being detached".into(),
        last_transition_time: Time(0),
        observed_generation: None,
    };
    Claim {
        key: Key::new("shop", &format!("{pod}-claim")),
        uid: pod.into(),
        version: Version::default(),
        generation: 1,
        deleting: false,
        finalizer: true,
        class: "app".into(),
        interface: None,
        owner: Some(Owner {
            name: pod.into(),
            uid: pod.into(),
            source: PodSource::Api,
        }),
        force_detach: None,
        force_forget: None,
        status: ClaimStatus {
            conditions: vec![condition],
            ..ClaimStatus::default()
        },
        device: None,
        leased: None,
    }
}

pub fn an_eni(kept: bool) -> EniView {
    EniView {
        id: "eni-0000000000000dead".parse().unwrap(),
        mac: "02:00:00:00:00:01".parse().unwrap(),
        subnet: "subnet-000000000000000a1".parse().unwrap(),
        vpc: subnets::vpc(),
        zone: "us-east-1a".into(),
        groups: vec![],
        addresses: vec![],
        prefixes: vec![],
        source_dest_check: api::SourceDestCheck::Enabled,
        available: true,
        attachment: None,
        tags: EniTags {
            claim_name: Some("shop/gone".into()),
            kept,
            ..EniTags::default()
        },
    }
}

fn nothing() -> Left {
    Left {
        claims: vec![],
        unreadable: vec![],
        pods: vec![],
        enis: Ok(vec![]),
    }
}

/// Pods run and have their claims.
fn in_use(pods: &[&str]) -> Left {
    Left {
        claims: pods.iter().map(|pod| a_claim(pod)).collect(),
        pods: pods.iter().map(|pod| a_pod(pod)).collect(),
        ..nothing()
    }
}

/// The deletion of this pod was asked for.
fn ending(mut left: Left, pod: &str) -> Left {
    let pods = left.pods.iter_mut();
    pods.filter(|each| each.key.name == pod)
        .for_each(|each| each.deleting = true);
    left
}

fn rule(policy: Policy) -> Rule {
    Rule {
        policy,
        namespace: "net".to_owned(),
    }
}

fn judge(policy: Policy, left: &Left, late: bool) -> Verdict {
    rule(policy).judge(left, late)
}

#[track_caller]
fn refused(verdict: Verdict) -> String {
    match verdict {
        Verdict::Refuse(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_nothing_is_left_nothing_is_said() {
    for policy in ALL {
        assert_eq!(judge(policy, &nothing(), false), Verdict::Go(None));
    }
}

#[test]
fn pods_with_enis_are_named_and_how_to_go_on() {
    let pods = ["a", "b", "c", "d", "e", "f", "g"];
    let why = refused(judge(Policy::Refuse, &in_use(&pods), false));
    let begin =
        "pods have ENIs (7): shop/a, shop/b, shop/c, shop/d, shop/e and 2 more; delete these pods";
    assert!(why.starts_with(begin), "{why}");
    assert!(why.contains("--namespace net annotate") && why.contains("uninstall-pods=wait`"));
    assert!(why.contains("eniclaim-operator eniclaim.io/uninstall-pods=abandon`"));
    let waits = judge(Policy::Wait, &in_use(&["a"]), false);
    assert_eq!(
        waits,
        Verdict::Wait("pods have ENIs (1): shop/a".to_owned())
    );
    refused(judge(Policy::Wait, &in_use(&["a"]), true));
}

#[test]
fn pod_without_a_claim_is_in_the_way_as_long_as_its_start_waits_for_an_eni() {
    let mut left = in_use(&["a"]);
    left.pods.push(a_pod("b"));
    let what = "pods have ENIs (1): shop/a; pods wait for ENIs (1): shop/b";
    let why = refused(judge(Policy::Refuse, &left, false));
    assert!(
        why.starts_with(&format!("{what}; delete these pods")),
        "{why}"
    );
    let waits = judge(Policy::Wait, &left, false);
    assert_eq!(waits, Verdict::Wait(what.to_owned()));
    let Verdict::Go(Some(said)) = judge(Policy::Abandon, &left, false) else {
        panic!();
    };
    assert!(said.contains("shop/b"), "{said}");
    refused(rule(Policy::Wait).judge_again(&left, false));

    // No ENI is made for these, and they run or go without.
    let others = [
        Pod {
            host_network: true,
            ..a_pod("c")
        },
        Pod {
            annotated: false,
            ..a_pod("c")
        },
        Pod {
            deleting: true,
            ..a_pod("c")
        },
    ];
    let left = Left {
        pods: others.to_vec(),
        ..nothing()
    };
    assert_eq!(judge(Policy::Refuse, &left, false), Verdict::Go(None));
}

#[test]
fn abandoned_enis_are_named() {
    let Verdict::Go(Some(said)) = judge(Policy::Abandon, &in_use(&["a"]), false) else {
        panic!();
    };
    assert!(
        said.contains("shop/a") && said.contains("abandoned"),
        "{said}"
    );
}

#[test]
fn pod_that_is_being_deleted_is_awaited_whatever_is_to_become_of_the_others() {
    let left = ending(in_use(&["a"]), "a");
    for policy in ALL {
        let waits = Verdict::Wait("pods with ENIs are being deleted (1): shop/a".to_owned());
        assert_eq!(judge(policy, &left, false), waits, "{policy:?}");
        assert_eq!(rule(policy).judge_again(&left, false), waits, "{policy:?}");
    }
    assert!(refused(judge(Policy::Refuse, &left, true)).contains("uninstall again"));
    let Verdict::Go(Some(said)) = judge(Policy::Abandon, &left, true) else {
        panic!();
    };
    assert!(said.contains("abandoned"), "{said}");
    let other = ending(in_use(&["a", "b"]), "a");
    let why = refused(judge(Policy::Refuse, &other, false));
    assert!(why.starts_with("pods have ENIs (1): shop/b;"), "{why}");
}

#[test]
fn after_the_operator_has_ended_only_pods_in_use_are_refused_at_once() {
    for policy in [Policy::Refuse, Policy::Wait] {
        let why = refused(rule(policy).judge_again(&in_use(&["a"]), false));
        assert!(why.contains("shop/a"), "{why}");
        let orphan = Left {
            enis: Ok(vec![an_eni(false)]),
            ..nothing()
        };
        let verdict = rule(policy).judge_again(&orphan, false);
        assert!(matches!(verdict, Verdict::Wait(_)), "{verdict:?}");
    }
}

#[test]
fn pods_that_do_not_end_are_named() {
    let pods = || ["a", "b"].map(|pod| Key::new("net", pod)).into_iter();
    let what = "pods of the operator are still there (2): net/a, net/b";
    let verdict = judge_pods("the operator", pods(), false);
    assert_eq!(verdict, Verdict::Wait(what.to_owned()));
    let why = refused(judge_pods("the operator", pods(), true));
    assert!(why.starts_with(&format!("{what}; see why")), "{why}");
    let none = judge_pods("the operator", [].into_iter(), true);
    assert_eq!(none, Verdict::Go(None));
}

#[test]
fn nodes_that_nobody_can_clean_are_named() {
    let nodes = ["n1", "n2"].map(NodeName::from);
    let said = kept_by(nodes.iter()).unwrap();
    assert!(said.contains("(2): n1, n2"), "{said}");
    assert_eq!(kept_by([].iter()), None);
}

#[test]
fn claims_without_their_pods_are_awaited_and_then_named_with_their_state() {
    let left = Left {
        pods: vec![],
        ..in_use(&["a"])
    };
    let sentence = "claims are left (1): shop/a-claim (eni-1 is being detached)";
    let waits = judge(Policy::Refuse, &left, false);
    assert_eq!(waits, Verdict::Wait(sentence.to_owned()));
    assert!(refused(judge(Policy::Refuse, &left, true)).starts_with(sentence));
}

#[test]
fn claims_that_outlive_their_pods_are_refused_at_once_unless_they_are_left() {
    let mut claim = a_claim("a");
    claim.owner = None;
    let left = Left {
        claims: vec![claim],
        ..nothing()
    };
    for policy in [Policy::Refuse, Policy::Wait] {
        let why = refused(judge(policy, &left, false));
        assert!(why.starts_with("claims outlive their pods (1): "), "{why}");
        assert!(why.contains("kubectl delete eniclaim"), "{why}");
    }
    let go = judge(Policy::Abandon, &left, false);
    assert!(matches!(go, Verdict::Go(Some(_))), "{go:?}");
}

#[test]
fn unreadable_claim_and_eni_without_claim_are_in_the_way() {
    let unreadable = Left {
        unreadable: vec!["shop/x".to_owned()],
        ..nothing()
    };
    assert!(refused(judge(Policy::Refuse, &unreadable, true)).contains("shop/x"));
    let orphan = Left {
        enis: Ok(vec![an_eni(false)]),
        ..nothing()
    };
    let why = refused(judge(Policy::Refuse, &orphan, true));
    assert!(
        why.contains("eni-0000000000000dead (made for claim shop/gone)"),
        "{why}"
    );
}

#[test]
fn kept_eni_is_said_and_not_in_the_way() {
    let left = Left {
        enis: Ok(vec![an_eni(true)]),
        ..nothing()
    };
    let Verdict::Go(Some(said)) = judge(Policy::Refuse, &left, false) else {
        panic!();
    };
    assert!(said.contains("eni-0000000000000dead"), "{said}");
}

#[test]
fn what_ec2_does_not_tell_is_no_proof() {
    let left = Left {
        enis: Err(Box::new(Ec2Error {
            class: ErrorClass::Credentials,
            code: "AuthFailure".to_owned(),
            message: "no".to_owned(),
            request_id: None,
        })),
        ..nothing()
    };
    assert!(matches!(
        judge(Policy::Refuse, &left, false),
        Verdict::Wait(_)
    ));
    assert!(refused(judge(Policy::Refuse, &left, true)).contains("AuthFailure"));
    assert!(matches!(
        judge(Policy::Abandon, &left, true),
        Verdict::Go(Some(_))
    ));
}

#[test]
fn node_that_does_not_run_is_named_and_not_awaited() {
    let node = |name: &str, health, is_clean| NodeLeft {
        name: NodeName::from(name),
        health,
        is_clean,
    };
    let clean = node("n1", NodeHealth::Ready, true);
    let dead = node("n2", NodeHealth::NotReady, false);
    let slow = node("n3", NodeHealth::Ready, false);
    assert_eq!(judge_nodes(from_ref(&clean), false), Verdict::Go(None));
    let Verdict::Go(Some(said)) = judge_nodes(&[clean.clone(), dead.clone()], false) else {
        panic!();
    };
    assert!(said.contains("n2") && !said.contains("n1"), "{said}");
    let all = [clean, dead, slow];
    assert!(matches!(judge_nodes(&all, false), Verdict::Wait(_)));
    assert!(refused(judge_nodes(&all, true)).contains("(1): n3"));
}

//! The plan of one claim, for whatever may be seen.

use operator_core::{
    Decision, Effect, Kind, Note, Reason, Seen, Time,
    bind::{Shape, Site},
    claim::{Attachment, Claim, Device, DeviceState, Owner, Slot, Status},
    cloud::{AttachmentState, AttachmentView, EniSeen, EniView, InstanceState, Refusal, Subnet},
    id::{AttachmentId, Key},
    order::Action,
    plan::{NOT_YET, Setback, plan},
};
use proptest::{option, prelude::*, sample::select};

use super::world::a_class;

const NOW: Time = Time(1_800_000_000_000);
const SLOT: Slot = Slot { card: 0, index: 2 };

fn note() -> Note {
    Note::new(Reason::NodeFull, "full")
}

fn site() -> Site {
    let class = a_class();
    Site {
        node: "n1".into(),
        node_uid: "uid-n1".into(),
        instance: "i-1".into(),
        interface: class.interface,
        shape: Shape {
            subnet: "subnet-1".into(),
            groups: class.groups,
            tags: class.tags,
        },
    }
}

fn subnet() -> Subnet {
    Subnet {
        id: "subnet-1".into(),
        zone: "a".into(),
        vpc: "vpc-1".into(),
        base: [10, 0, 1, 0].into(),
        prefix: 24,
    }
}

fn view(attachment: Option<AttachmentView>, available: bool) -> EniView {
    EniView {
        id: "eni-1".into(),
        mac: "02:00:00:00:00:01".into(),
        subnet: "subnet-1".into(),
        vpc: "vpc-1".into(),
        zone: "a".into(),
        groups: vec![],
        address: [10, 0, 1, 9].into(),
        available: available && attachment.is_none(),
        attachment,
        claim: Some("uid-1".into()),
    }
}

fn attachment() -> impl Strategy<Value = AttachmentView> {
    let states = [
        AttachmentState::Attaching,
        AttachmentState::Attached,
        AttachmentState::Detaching,
    ];
    (
        select(vec!["a-1", "a-2"]),
        select(vec!["i-1", "i-2"]),
        select(states.to_vec()),
        any::<bool>(),
    )
        .prop_map(|(id, instance, state, with)| AttachmentView {
            id: id.into(),
            instance: instance.into(),
            slot: SLOT,
            state,
            delete_on_termination: with,
        })
}

fn eni() -> impl Strategy<Value = EniSeen> {
    prop_oneof![
        Just(EniSeen::Unknown),
        Just(EniSeen::Absent),
        Just(EniSeen::Deleted),
        (option::of(attachment()), any::<bool>())
            .prop_map(|(a, available)| EniSeen::Known(Box::new(view(a, available)))),
    ]
}

fn setback() -> impl Strategy<Value = Setback> {
    let actions = [
        Action::Create,
        Action::Attach,
        Action::SetDeleteOnTermination,
        Action::Detach,
        Action::Delete,
    ];
    (
        select(actions.to_vec()),
        select(operator_core::kind::KINDS.to_vec()),
        1_u32..9,
        -NOT_YET..1,
        -5_000_i64..5_000,
    )
        .prop_map(|(action, kind, attempts, at, until)| Setback {
            action,
            incarnation: 1,
            refusal: Refusal {
                kind,
                code: "Code".into(),
                message: "message".into(),
                request_id: None,
            },
            attempts,
            at: NOW.after(at),
            until: NOW.after(until),
        })
}

fn seen() -> impl Strategy<Value = Seen> {
    let instance = select(vec![
        InstanceState::Alive,
        InstanceState::Stopped,
        InstanceState::Dead,
    ]);
    (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        instance,
        eni(),
        any::<bool>(),
        option::of(setback()),
    )
        .prop_map(|(pod, can, free, instance, eni, read, setback)| Seen {
            cluster: "c1".into(),
            pod,
            site: if can { Ok(site()) } else { Err(note()) },
            slot: if free { Ok(SLOT) } else { Err(note()) },
            instance,
            eni,
            subnet: read.then(subnet),
            setback,
        })
}

/// How far the claim has come, as the plan itself brought it there.
fn claim_at(stage: u32) -> Claim {
    let mut claim = Claim {
        key: Key::new("shop", "web-abcde"),
        uid: "uid-1".into(),
        version: "1".into(),
        deleting: false,
        finalizer: true,
        class: "app".into(),
        owner: Owner {
            name: "web".into(),
            uid: "pod-1".into(),
        },
        status: Status::default(),
        device: None,
    };
    let free = EniSeen::Known(Box::new(view(None, true)));
    let at = AttachmentView {
        id: "a-1".into(),
        instance: "i-1".into(),
        slot: SLOT,
        state: AttachmentState::Attached,
        delete_on_termination: false,
    };
    let there = EniSeen::Known(Box::new(view(Some(at), false)));
    for eni in [EniSeen::Unknown, free, there.clone(), there]
        .into_iter()
        .take(stage as usize)
    {
        let seen = Seen {
            cluster: "c1".into(),
            pod: true,
            site: Ok(site()),
            slot: Ok(SLOT),
            instance: InstanceState::Alive,
            eni,
            subnet: Some(subnet()),
            setback: None,
        };
        claim.status = plan(&claim, &seen, NOW.after(-1_000)).status;
    }
    claim
}

fn claim() -> impl Strategy<Value = Claim> {
    let states = [
        DeviceState::Seen,
        DeviceState::Plugged,
        DeviceState::Home,
        DeviceState::Released,
    ];
    let device =
        (select(vec!["a-1", "a-2"]), select(states.to_vec())).prop_map(|(id, state)| Device {
            attachment: id.into(),
            state,
            pod: Some("pod-1".into()),
        });
    (
        0_u32..5,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        option::of(device),
    )
        .prop_map(|(stage, deleting, finalizer, release, device)| {
            let mut claim = Claim {
                deleting,
                finalizer,
                device,
                ..claim_at(stage)
            };
            if let Some(attachment) = claim.status.attachment.as_mut().filter(|a| a.id.is_some()) {
                attachment.release = release && deleting;
            }
            claim
        })
}

fn released(claim: &Claim, id: &AttachmentId) -> bool {
    claim
        .device
        .as_ref()
        .is_some_and(|d| d.attachment == *id && d.state == DeviceState::Released)
}

fn release_of(status: &Status) -> bool {
    status
        .attachment
        .as_ref()
        .is_some_and(|a: &Attachment| a.release)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_status_stands_before_the_effect(claim in claim(), seen in seen()) {
        let Decision { status, effect, .. } = plan(&claim, &seen, NOW);
        prop_assert!(effect.is_none() || status == claim.status);
    }

    #[test]
    fn what_was_written_is_not_written_again(claim in claim(), seen in seen()) {
        // A few writes may follow from each other; then it rests or acts.
        let mut claim = claim;
        for _ in 0..5 {
            claim.status = plan(&claim, &seen, NOW).status;
        }
        prop_assert_eq!(plan(&claim, &seen, NOW).status, claim.status);
    }

    #[test]
    fn nothing_is_pulled_or_let_go_without_proof(claim in claim(), seen in seen()) {
        let Decision { status, effect, .. } = plan(&claim, &seen, NOW);
        prop_assert!(!release_of(&claim.status) || release_of(&status), "a release is taken back");
        match effect {
            Some(Effect::Detach { attachment, .. }) => {
                prop_assert!(claim.deleting && release_of(&claim.status));
                prop_assert!(released(&claim, &attachment) || seen.instance != InstanceState::Alive);
                prop_assert!(seen.instance != InstanceState::Dead, "EC2 detaches by itself there");
            }
            Some(Effect::Delete { .. }) => prop_assert!(claim.deleting),
            Some(Effect::DeleteClaim) => prop_assert!(!seen.pod),
            Some(Effect::RemoveFinalizer) => {
                prop_assert!(claim.deleting);
                let refused = |s: &Setback| s.action == Action::Create && s.refusal.kind.definite();
                let young = |s: &Setback| claim.status.timeline.created.is_some_and(|c| s.at.since(c) < NOT_YET);
                let not_found = |s: &Setback| s.action == Action::Delete && s.refusal.kind == Kind::NotYet && !young(s);
                let nothing_made = claim.status.eni.is_none() && (claim.status.creation.is_none() || seen.setback.as_ref().is_some_and(refused));
                prop_assert!(nothing_made || seen.eni == EniSeen::Deleted || seen.setback.as_ref().is_some_and(not_found));
            }
            Some(Effect::Create(creation)) => prop_assert_eq!(Some(&*creation), claim.status.creation.as_ref()),
            Some(Effect::Attach { instance, slot, .. }) => {
                prop_assert_eq!(Some(&instance), claim.status.binding.as_ref().map(|b| &b.instance));
                prop_assert_eq!(Some(slot), claim.status.attachment.as_ref().map(|a| a.slot));
            }
            Some(Effect::SetDeleteOnTermination { .. } | Effect::AddFinalizer) => prop_assert!(!claim.deleting && seen.pod),
            None => {}
        }
    }
}

#[test]
fn each_stage_is_where_its_name_says() {
    let phases: Vec<_> = (0..5)
        .map(|stage| claim_at(stage).status.phase.map(|p| format!("{p:?}")))
        .collect();
    assert_eq!(
        phases,
        [
            None,
            Some("Creating"),
            Some("Attaching"),
            Some("Attaching"),
            Some("Attached")
        ]
        .map(|p| p.map(str::to_owned))
    );
}

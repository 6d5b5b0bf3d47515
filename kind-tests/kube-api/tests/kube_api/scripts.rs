//! The conformance scripts, in this process: they repeat themselves, and reach what they are for.

use std::collections::BTreeSet;

use kube_api::{
    Api,
    conformance::{InProcess, Transcript, run, script},
};

use super::makers::kinds;

fn told(seed: u64) -> Transcript {
    let mut server = InProcess::new(Api::new(kinds()));
    let Ok(transcript) = run(&script(seed, 150), &mut server);
    transcript
}

#[test]
fn one_seed_is_one_transcript() {
    assert_eq!(told(1), told(1));
    assert_ne!(told(1), told(2));
}

#[test]
fn scripts_reach_every_kind_of_answer() {
    let mut reached = BTreeSet::new();
    let mut events = BTreeSet::new();
    for seed in 1..=10 {
        let Transcript { outcomes, watches } = told(seed);
        for outcome in outcomes {
            reached.insert(format!("{} {}", outcome.status, outcome.reason));
            reached.extend(outcome.causes.into_iter().map(|(reason, _)| reason));
        }
        events.extend(
            watches
                .into_iter()
                .flat_map(|watched| watched.events)
                .map(|event| event["type"].to_string()),
        );
    }
    for wanted in [
        "200 ",
        "201 ",
        "404 NotFound",
        "409 AlreadyExists",
        "409 Conflict",
        "422 Invalid",
        "403 Forbidden",
        "500 ",
        "FieldValueTooLong",
        "FieldValueRequired",
        "FieldValueNotSupported",
        "FieldValueTypeInvalid",
        "FieldValueInvalid",
        "FieldValueDuplicate",
        "FieldManagerConflict",
        "NamespaceTerminating",
    ] {
        assert!(
            reached.contains(wanted),
            "{wanted:?} is not reached: {reached:?}"
        );
    }
    assert_eq!(events.len(), 3, "{events:?}");
}

//! The conformance scripts, in this process: they repeat themselves, and reach what they are for.

use std::collections::BTreeSet;

use kube_api::{
    Api,
    conformance::{InProcess, Transcript, run, script},
    json::text,
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
    for seed in 1..=40 {
        let Transcript { outcomes, watches } = told(seed);
        for outcome in outcomes {
            reached.insert(format!("{} {}", outcome.status, outcome.reason));
            for (reason, field) in outcome.causes {
                reached.insert(format!("{reason} {field}"));
                reached.insert(reason);
            }
        }
        events.extend(
            watches
                .into_iter()
                .flat_map(|watched| watched.events)
                .map(|event| text(&event, "type").to_owned()),
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
        // Refused by rules: each is on a field that the schema alone would take.
        "FieldValueInvalid spec",
        "FieldValueInvalid spec.className",
        "FieldValueInvalid status",
        "FieldValueInvalid status.interface.name",
    ] {
        assert!(
            reached.contains(wanted),
            "{wanted:?} is not reached: {reached:?}"
        );
    }
    for kind in ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"] {
        assert!(events.contains(kind), "{kind} is not shown: {events:?}");
    }
    assert!(events.contains(""), "no watch was refused");
}

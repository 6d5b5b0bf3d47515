//! Where two servers' transcripts of one script differ, in lines for people.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Outcome, Transcript};

/// A line for each step and each watch that differs, with the fields in which it does.
pub fn differences(ours: &Transcript, theirs: &Transcript) -> Vec<String> {
    let mut found = Vec::new();
    let steps = ours.outcomes.iter().zip(&theirs.outcomes);
    for (number, (ours, theirs)) in steps.enumerate() {
        let what = format!("step {number}: {}", ours.asked);
        found.extend(described(&what, &whole(ours), &whole(theirs)));
    }
    for (ours, theirs) in ours.watches.iter().zip(&theirs.watches) {
        let what = format!("watch {}", ours.asked);
        found.extend(described(&what, &json!(ours.events), &json!(theirs.events)));
    }
    found
}

fn whole(outcome: &Outcome) -> Value {
    let Outcome {
        asked: _,
        status,
        reason,
        causes,
        object,
    } = outcome;
    json!({ "status": status, "reason": reason, "causes": causes, "object": object })
}

fn described(what: &str, ours: &Value, theirs: &Value) -> Option<String> {
    let mut found = Vec::new();
    compare("", Some(ours), Some(theirs), &mut found);
    (!found.is_empty()).then(|| format!("{what}\n  {}", found.join("\n  ")))
}

fn compare(path: &str, ours: Option<&Value>, theirs: Option<&Value>, found: &mut Vec<String>) {
    match (ours, theirs) {
        (ours, theirs) if ours == theirs => {}
        (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
            let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
            for name in names {
                let path = format!("{path}.{name}");
                compare(&path, ours.get(name), theirs.get(name), found);
            }
        }
        (Some(Value::Array(ours)), Some(Value::Array(theirs))) if ours.len() == theirs.len() => {
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare(&format!("{path}[{index}]"), Some(ours), Some(theirs), found);
            }
        }
        (Some(Value::Array(ours)), Some(Value::Array(theirs))) => {
            let (many, more) = (ours.len(), theirs.len());
            let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
            found.push(format!(
                "{path}: ours has {many}, theirs {more}, the first {same} alike"
            ));
            compare(
                &format!("{path}[{same}]"),
                ours.get(same),
                theirs.get(same),
                found,
            );
        }
        (ours, theirs) => {
            let shown =
                |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
            found.push(format!(
                "{path}: ours {}, theirs {}",
                shown(ours),
                shown(theirs)
            ));
        }
    }
}

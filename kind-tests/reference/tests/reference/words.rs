//! The pages of Events, of conditions and of the chart's values.

use std::fs;

use operator_core::{Reason, reason::Tone};

use super::{code, page, repository, table};

#[test]
fn the_page_of_events_has_every_reason_that_is_published() {
    let rows = Reason::ALL.iter().filter_map(|reason| {
        let kind = match Tone::of(*reason) {
            Tone::Silent => return None,
            Tone::Normal => "Normal",
            Tone::Warning => "Warning",
        };
        let meaning = reason.meaning().to_owned();
        Some(vec![code(reason.as_str()), kind.to_owned(), meaning])
    });
    let text = format!(
        "The operator publishes every Event, on the pod, and on the claim, class, node or EniNode that it is about. One that is published again \
         is counted up, and a Warning is repeated while it lasts. The message names the object, the cause and the way out.\n\n{}",
        table(&["reason", "type", ""], rows)
    );
    page("events.md", "Events", &text);
}

#[test]
fn the_page_of_conditions_has_every_type_and_reason() {
    let kinds = api::condition::kinds();
    let rows = kinds.iter().map(|kind| {
        vec![
            code(kind.name),
            kind.object.to_owned(),
            code(kind.writer),
            kind.meaning.to_owned(),
        ]
    });
    let mut text = "`status.conditions` of EniClasses, EniClaims and EniNodes.\n\n".to_owned();
    text += &table(&["type", "of", "written by", "when it is True"], rows);
    for kind in &kinds {
        if kind.reasons.is_empty() {
            continue;
        }
        let rows = kind.reasons.iter();
        let rows = rows.map(|(reason, meaning)| vec![code(reason), (*meaning).to_owned()]);
        text += &format!("\n## Reasons of {}\n\n", kind.name);
        text += &table(&["reason", ""], rows);
    }
    let rows = Reason::ALL.iter().map(|reason| {
        let passes = if reason.passes() { "yes" } else { "" };
        vec![
            code(reason.as_str()),
            passes.to_owned(),
            reason.meaning().to_owned(),
        ]
    });
    text += "\n## Reasons of Ready, Provisioned and Attached\n\nWhat passes by itself within seconds is waited for where the pod is started; with \
         any other reason the runtime is answered at once, and asks again.\n\n";
    text += &table(&["reason", "passes by itself", ""], rows);
    page("conditions.md", "Conditions", &text);
}

#[test]
fn the_page_of_values_is_the_table_of_the_chart() {
    let readme = repository().join("charts/eniclaim/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let at = readme.find("| value | default |").unwrap();
    let text = format!(
        "Values of the chart eniclaim, as its [README](../../charts/eniclaim/README.md) has them.\n\n{}",
        &readme[at..]
    );
    page("values.md", "Values of the chart", &text);
}

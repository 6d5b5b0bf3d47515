//! Who manages which fields of an object.

use serde_json::{Value, json};

use crate::{
    fields::{self, Difference, Path, Set, Step},
    json::put,
    refusal::Cause,
    schema::Node,
};

/// All managers of an object, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Managers(Vec<Manager>);

/// By whom and how a write is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Writer {
    pub(crate) name: String,
    pub(crate) applies: bool,
    pub(crate) status: bool,
    pub(crate) api_version: String,
    /// Whether a schema alone defines the kind: its status endpoint then writes no metadata.
    pub(crate) custom: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Manager {
    writer: Writer,
    time: String,
    set: Set,
}

impl Writer {
    /// Appliers are one whatever version they write; updaters are not.
    fn is(&self, other: &Self) -> bool {
        (&self.name, self.applies, self.status) == (&other.name, other.applies, other.status)
            && (self.applies || self.api_version == other.api_version)
    }

    fn display(&self) -> String {
        let mut said = format!("{:?}", self.name);
        if self.status {
            said += " with subresource \"status\"";
        }
        if !self.applies {
            said = format!("{said} using {}", self.api_version);
        }
        said
    }
}

impl Managers {
    /// The fields that a writer holds.
    pub(crate) fn of(&self, writer: &Writer) -> Option<&Set> {
        self.0.iter().find(|m| m.writer.is(writer)).map(|m| &m.set)
    }

    /// All fields that somebody holds.
    pub(crate) fn all(&self) -> Set {
        self.0.iter().flat_map(|m| m.set.iter().cloned()).collect()
    }

    /// What others hold of the changed fields.
    pub(crate) fn conflicts(&self, writer: &Writer, difference: &Difference) -> Vec<Cause> {
        let others = self.0.iter().filter(|m| !m.writer.is(writer));
        others
            .flat_map(|other| {
                let held = other.set.intersection(&difference.changed);
                held.map(|path| {
                    Cause::new(
                        &fields::display(path),
                        "FieldManagerConflict",
                        format!("conflict with {}", other.writer.display()),
                    )
                })
            })
            .collect()
    }

    /// After a write: others lose what changed, everybody loses what is gone.
    pub(crate) fn yield_to(&mut self, writer: &Writer, difference: &Difference) {
        for manager in &mut self.0 {
            let is_other = !manager.writer.is(writer);
            manager.set.retain(|path| {
                !(difference.removed.contains(path)
                    || is_other && difference.changed.contains(path))
            });
        }
        self.0.retain(|m| !m.set.is_empty());
    }

    /// The writer holds these fields and no others.
    pub(crate) fn hold(&mut self, writer: &Writer, set: Set, now: &str) {
        match self.0.iter_mut().find(|m| m.writer.is(writer)) {
            Some(manager) if manager.set == set => {}
            Some(manager) => {
                manager.set = set;
                now.clone_into(&mut manager.time);
            }
            None => self.0.push(Manager {
                writer: writer.clone(),
                time: now.to_owned(),
                set,
            }),
        }
        self.0.retain(|m| !m.set.is_empty());
    }

    /// An update, as opposed to an apply: the writer holds what it changed besides what it held.
    pub(crate) fn update(
        &mut self,
        writer: &Writer,
        old: &Value,
        new: &Value,
        node: &Node,
        now: &str,
    ) {
        let difference = owned(fields::difference(old, new, node), writer);
        let mut set = self.of(writer).cloned().unwrap_or_default();
        set.extend(difference.changed.iter().cloned());
        set.retain(|path| !difference.removed.contains(path));
        self.yield_to(writer, &difference);
        self.hold(writer, set, now);
    }

    /// As it stands in `metadata.managedFields`.
    pub(crate) fn as_json(&self) -> Value {
        let entry = |manager: &Manager| {
            let Manager { writer, time, set } = manager;
            let mut entry = json!({
                "manager": writer.name, "operation": if writer.applies { "Apply" } else { "Update" },
                "apiVersion": writer.api_version, "time": time, "fieldsType": "FieldsV1",
                "fieldsV1": fields::as_json(set),
            });
            if writer.status {
                put(&mut entry, "subresource", "status");
            }
            entry
        };
        self.0.iter().map(entry).collect()
    }
}

/// Without what nobody can hold: the identity of an object, and what the endpoint does not write.
pub(crate) fn owned(mut difference: Difference, writer: &Writer) -> Difference {
    difference.changed = ownable(difference.changed, writer);
    difference
}

/// The fields of a set that a writer can hold.
pub(crate) fn ownable(set: Set, writer: &Writer) -> Set {
    set.into_iter()
        .filter(|path| can_hold(path, writer))
        .collect()
}

/// Metadata that belongs to nobody.
const IDENTITY: [&str; 10] = [
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

fn can_hold(path: &Path, writer: &Writer) -> bool {
    let mut steps = path.iter().map(|step| match step {
        Step::Field(name) => name.as_str(),
        Step::Key(_) | Step::Item(_) => "",
    });
    match (steps.next(), steps.next()) {
        (Some("apiVersion" | "kind"), _) => false,
        (Some("metadata"), field) if field.is_none_or(|f| IDENTITY.contains(&f)) => false,
        // A status endpoint writes nothing else, and no other endpoint writes a status.
        (Some("status"), _) => writer.status,
        (Some("metadata" | "spec"), _) => !writer.status || !writer.custom,
        _ => true,
    }
}

/// The name of a writer that did not say it: the program in User-Agent.
pub(crate) fn from_user_agent(agent: &str) -> String {
    let name = agent.split('/').next().unwrap_or_default();
    name.chars().take(128).collect()
}

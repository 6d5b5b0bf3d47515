//! Label and field selectors.

use serde_json::Value;

use crate::{Refusal, json};

/// What a list or watch is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl Selector {
    pub(crate) fn parse(
        labels: &str,
        fields: &str,
        is_selectable: impl Fn(&str) -> bool,
    ) -> Result<Self, Refusal> {
        let labels = split(labels).into_iter().map(|term| {
            requirement(term)
                .ok_or_else(|| Refusal::bad_request(format!("unable to parse requirement: {term}")))
        });
        let fields = split(fields).into_iter().map(|term| {
            equality(term).ok_or_else(|| {
                Refusal::bad_request(format!(
                    "invalid field selector: {term:?}; can't understand {term:?}"
                ))
            })
        });
        let fields: Vec<Requirement> = fields.collect::<Result<_, _>>()?;
        let mut unknown = fields
            .iter()
            .map(Requirement::key)
            .filter(|key| !is_selectable(key));
        if let Some(key) = unknown.next() {
            let why = format!("field label not supported: {key}");
            return Err(Refusal::bad_request(why));
        }
        Ok(Self {
            labels: labels.collect::<Result<_, _>>()?,
            fields,
        })
    }

    /// Whether the object is one of those that are asked for.
    pub(crate) fn selects(&self, object: &Value) -> bool {
        let labels = json::at(object, "metadata.labels");
        self.labels
            .iter()
            .all(|r| r.holds(|key| labels.get(key).and_then(Value::as_str)))
            && self
                .fields
                .iter()
                .all(|r| r.holds(|path| Some(json::text(object, path))))
    }
}

impl Requirement {
    fn key(&self) -> &str {
        match self {
            Self::Exists(key) | Self::Absent(key) | Self::In(key, _) | Self::NotIn(key, _) => key,
        }
    }

    fn holds<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        match self {
            Self::Exists(key) => value(key).is_some(),
            Self::Absent(key) => value(key).is_none(),
            Self::In(key, values) => value(key).is_some_and(|v| values.iter().any(|w| v == w)),
            Self::NotIn(key, values) => value(key).is_none_or(|v| values.iter().all(|w| v != w)),
        }
    }
}

/// At commas, but not at those within parentheses.
fn split(selector: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let terms = selector.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    terms
        .map(str::trim)
        .filter(|term| !term.is_empty())
        .collect()
}

fn equality(term: &str) -> Option<Requirement> {
    let pair = |key: &str, value: &str| (key.trim().to_owned(), vec![value.trim().to_owned()]);
    if let Some((key, value)) = term.split_once("!=") {
        let (key, values) = pair(key, value);
        return Some(Requirement::NotIn(key, values));
    }
    let (key, value) = term.split_once("==").or_else(|| term.split_once('='))?;
    let (key, values) = pair(key, value);
    Some(Requirement::In(key, values))
}

fn requirement(term: &str) -> Option<Requirement> {
    if let Some(equality) = equality(term) {
        return Some(equality);
    }
    if let Some(key) = term.strip_prefix('!') {
        return Some(Requirement::Absent(key.trim().to_owned()));
    }
    let Some((head, values)) = term.strip_suffix(')').and_then(|t| t.split_once('(')) else {
        return (!term.contains(char::is_whitespace)).then(|| Requirement::Exists(term.to_owned()));
    };
    let values = values.split(',').map(|v| v.trim().to_owned()).collect();
    let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
    let key = key.trim().to_owned();
    match operator {
        "in" => Some(Requirement::In(key, values)),
        "notin" => Some(Requirement::NotIn(key, values)),
        _ => None,
    }
}

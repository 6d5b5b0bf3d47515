//! A log line as one flat JSON object: timestamp, level, target and message first, each key once.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::field::ALWAYS;

/// Formats each event as one object.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// In every line.
    node: Option<String>,
}

impl Lines {
    /// With this node in every line.
    pub(crate) fn of(node: Option<&str>) -> Self {
        Self {
            node: node.map(str::to_owned),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(node) = &self.node {
            fields.insert("node", node.as_str().into());
        }
        let now = jiff::Timestamp::now();
        let metadata = event.metadata();
        let line = line(
            &format!("{now:.6}"),
            metadata.level().as_str(),
            metadata.target(),
            &fields,
        );
        writeln!(writer, "{}", line.map_err(|_| fmt::Error)?)
    }
}

/// Reads a line back. Refused if it is not one flat object with each key of every line once.
pub fn read(line: &str) -> Result<Map<String, Value>, String> {
    let fields: Map<String, Value> = serde_json::from_str(line).map_err(|e| e.to_string())?;
    for (key, _) in ALWAYS {
        if !fields.get(key).is_some_and(Value::is_string) {
            return Err(format!("{key} is no text: {line}"));
        }
        let times = line.matches(&format!("\"{key}\":")).count();
        if times != 1 {
            return Err(format!("{key} comes {times} times: {line}"));
        }
    }
    match fields.values().find(|v| v.is_object() || v.is_array()) {
        None => Ok(fields),
        Some(nested) => Err(format!("{nested} is nested: {line}")),
    }
}

/// What is logged meanwhile by this thread, of any level, read back: for tests.
pub fn captured(log: impl FnOnce()) -> Result<Vec<Map<String, Value>>, String> {
    logged_as(Lines::default(), log).lines().map(read).collect()
}

fn logged_as(lines: Lines, log: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .event_format(lines)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, log);
    let bytes = buffer.0.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Lines that are kept.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn line(
    timestamp: &str,
    level: &str,
    target: &str,
    fields: &Fields,
) -> Result<String, Box<dyn std::error::Error>> {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut bytes);
    let mut map = serializer.serialize_map(None)?;
    let values = [timestamp, level, target, &fields.message];
    for ((key, _), value) in ALWAYS.into_iter().zip(values) {
        map.serialize_entry(key, value)?;
    }
    for (key, value) in &fields.others {
        map.serialize_entry(key, value)?;
    }
    map.end()?;
    Ok(String::from_utf8(bytes)?)
}

/// What an event says.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        self.insert(field.name(), value);
    }

    fn insert(&mut self, name: &'static str, value: Value) {
        // A library may give its own fields our names: the first of each counts.
        let is_ours = ALWAYS.iter().any(|(key, _)| *key == name);
        if !is_ours && !self.others.iter().any(|(other, _)| *other == name) {
            self.others.push((name, value));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // The text of the macro comes this way.
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.add(field, format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(log: impl FnOnce()) -> String {
        logged_as(Lines::default(), log)
    }

    #[test]
    fn a_line_is_one_flat_object_that_begins_with_what_every_line_has() {
        let line = logged(|| {
            let claim: Option<&str> = None;
            tracing::warn!(target: "operator::log", claim, pod = "shop/web-0", attempts = 3, "EC2 \"refuses\"");
        });
        let (timestamp, rest) = line.split_once(r#"","level""#).unwrap_or_default();
        assert!(timestamp.starts_with(r#"{"timestamp":"20"#), "{line}");
        assert!(timestamp.ends_with('Z'), "{line}");
        let expected = r#":"WARN","target":"operator::log","message":"EC2 \"refuses\"","pod":"shop/web-0","attempts":3}"#;
        assert_eq!(rest, format!("{expected}\n"));
    }

    #[test]
    fn who_works_for_one_node_names_it_in_every_line() {
        let line = logged_as(Lines::of(Some("n1")), || tracing::info!("ready"));
        assert!(
            line.ends_with("\"message\":\"ready\",\"node\":\"n1\"}\n"),
            "{line}"
        );
        let line = logged_as(Lines::of(Some("n1")), || {
            tracing::info!(node = "n1", "ready");
        });
        assert_eq!(line.matches("node").count(), 1, "{line}");
    }

    #[test]
    fn no_key_comes_twice_whatever_a_library_names_its_fields() {
        let line = logged(|| {
            tracing::info!(level = "high", timestamp = 1, message = "theirs", "ours");
            tracing::info!(target: "t", { target = "x", error = "one", error = "two" }, "again");
        });
        for line in line.lines() {
            for key in ["timestamp", "level", "target", "message", "error"] {
                let times = line.matches(&format!("\"{key}\":")).count();
                assert!(times <= 1, "{key}: {line}");
            }
        }
    }
}

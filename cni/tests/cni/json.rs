//! The parts of a JSON text, against `serde_json`.

use cni::json::Json;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Any value that `serde_json` can hold.
pub fn a_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        r#"[\\"{}\[\],: ]*"#.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            an_object(inner).prop_map(Value::from),
        ]
    })
}

pub fn an_object(of: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    let key = prop_oneof![".{0,4}", r#"[\\"{}\[\],: ]{0,4}"#];
    prop::collection::btree_map(key, of, 0..5).prop_map(|map| map.into_iter().collect())
}

/// A value as text, in one line or in many.
pub fn a_text(value: &Value, pretty: bool) -> String {
    if pretty {
        serde_json::to_string_pretty(value).unwrap()
    } else {
        value.to_string()
    }
}

fn again(json: Json<'_>) -> Value {
    serde_json::from_slice(json.text()).unwrap()
}

#[test]
fn escapes_are_what_they_stand_for() {
    for (text, expected) in [
        (r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t")),
        (r#""a\u00e9\ud83d\ude00z""#, Some("a\u{e9}\u{1f600}z")),
        // Half of a pair is no character.
        (r#""\ud83d""#, None),
        (r#""\ud83dz""#, None),
        (r#""\ud83d\n""#, None),
        (r#""\ude00\ud83d""#, None),
    ] {
        let json = Json::parse(text.as_bytes()).unwrap();
        assert_eq!(json.string().as_deref(), expected, "{text}");
        assert_eq!(
            serde_json::from_str::<String>(text).ok().as_deref(),
            expected,
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn every_character_can_be_written_as_its_number(text in ".*") {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
        let written = format!("\"{}\"", units.collect::<String>());
        prop_assert_eq!(Json::parse(written.as_bytes()).unwrap().string(), Some(text));
    }

    #[test]
    fn parts_are_those_of_serde_json(value in a_value(), pretty: bool) {
        let text = format!(" \n{}\t", a_text(&value, pretty));
        let json = Json::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(again(json), serde_json::from_str::<Value>(&text).unwrap());
        match again(json) {
            Value::Array(elements) => {
                let found: Vec<_> = json.elements().unwrap().into_iter().map(again).collect();
                prop_assert_eq!(found, elements);
            }
            Value::Object(entries) => {
                let found: Map<_, _> = json.entries().unwrap().into_iter().map(|(k, v)| (k, again(v))).collect();
                prop_assert_eq!(found, entries);
            }
            Value::String(text) => prop_assert_eq!(json.string(), Some(text)),
            _ => {
                prop_assert!(json.elements().is_none() && json.entries().is_none() && json.string().is_none());
            }
        }
    }
}

#[test]
fn key_that_stands_there_twice_has_its_last_value() {
    let json = Json::parse(br#"{"a":1, "\u0061" : [2] ,"b":null}"#).unwrap();
    assert_eq!(json.get("a").unwrap().text(), b"[2]");
    assert_eq!(json.get("b"), None);
    assert_eq!(json.get("c"), None);
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        "{",
        "{]",
        "[1,]",
        "{\"a\"}",
        "1 2",
        "{\"a\":1,}",
        "\"\n\"",
    ] {
        assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
    }
}

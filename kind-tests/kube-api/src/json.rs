//! Fields of JSON values by dotted paths, such as `metadata.name`.

use serde_json::{Map, Value};

/// The field at a dotted path; null where there is none.
pub fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    path.split('.')
        .try_fold(value, |value, step| value.get(step))
        .unwrap_or(&Value::Null)
}

/// The text at a dotted path; empty where there is none.
pub fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// The list at a dotted path; empty where there is none.
pub fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    at(value, path).as_array().map_or(&[], Vec::as_slice)
}

/// Sets the field at a dotted path, and makes the objects on the way.
pub fn put(value: &mut Value, path: &str, new: impl Into<Value>) {
    match path.split_once('.') {
        None => {
            object(value).insert(path.to_owned(), new.into());
        }
        Some((step, rest)) => put(object(value).entry(step).or_insert(Value::Null), rest, new),
    }
}

/// Removes the field at a dotted path.
pub fn remove(value: &mut Value, path: &str) -> Option<Value> {
    match path.split_once('.') {
        None => value.as_object_mut()?.remove(path),
        Some((step, rest)) => remove(value.get_mut(step)?, rest),
    }
}

/// Sets the field at a dotted path to what `from` has there, or removes it.
pub(crate) fn keep(value: &mut Value, from: &Value, path: &str) {
    match at(from, path) {
        Value::Null => {
            remove(value, path);
        }
        kept => put(value, path, kept.clone()),
    }
}

/// The value as an object, which it becomes if it was anything else.
pub(crate) fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(fields) => fields,
        _ => unreachable!("it was made an object"),
    }
}

/// RFC 7386.
pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    let target = object(target);
    for (name, value) in fields {
        if value.is_null() {
            target.remove(name);
        } else {
            merge_patch(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

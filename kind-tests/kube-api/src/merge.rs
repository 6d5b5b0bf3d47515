//! One object laid over another, as server-side apply does it.

use serde_json::Value;

use crate::{
    fields::{Step, step},
    schema::{ListType, Node},
};

/// `base` with what `over` says; lists by their markers in the schema.
pub(crate) fn merge(base: &Value, over: &Value, node: &Node) -> Value {
    match (base, over) {
        (Value::Object(base), Value::Object(fields)) if !node.is_atomic_map() => {
            let mut merged = base.clone();
            for (name, field) in fields {
                let before = base.get(name).unwrap_or(&Value::Null);
                merged.insert(name.clone(), merge(before, field, node.field(name)));
            }
            Value::Object(merged)
        }
        (Value::Null, Value::Object(fields)) if !node.is_atomic_map() => fields
            .iter()
            .map(|(name, field)| (name.clone(), merge(&Value::Null, field, node.field(name))))
            .collect(),
        (Value::Array(base), Value::Array(items)) if *node.list_type() != ListType::Atomic => {
            Value::Array(merge_lists(base, items, node))
        }
        (_, over) => over.clone(),
    }
}

/// Items of both keep the order of `over`; items of `base` alone stay before what followed them.
fn merge_lists(base: &[Value], over: &[Value], node: &Node) -> Vec<Value> {
    let keys = |items: &[Value]| -> Vec<Step> {
        items.iter().map(|i| step(i, node.list_type())).collect()
    };
    let (base_keys, over_keys) = (keys(base), keys(over));
    let (mut merged, mut done) = (Vec::new(), Vec::new());
    let mut left = base.iter().zip(&base_keys).peekable();
    for (item, key) in over.iter().zip(&over_keys) {
        while let Some((item, k)) =
            left.next_if(|(_, k)| !over_keys.contains(k) || done.contains(k))
        {
            if !over_keys.contains(k) {
                merged.push(item.clone());
            }
        }
        left.next_if(|(_, k)| *k == key);
        let before = base.iter().zip(&base_keys).find(|(_, k)| *k == key);
        let before = before.map_or(&Value::Null, |(before, _)| before);
        merged.push(merge(before, item, node.item()));
        done.push(key);
    }
    let rest = left.filter(|(_, key)| !over_keys.contains(key));
    merged.extend(rest.map(|(item, _)| item.clone()));
    merged
}

//! Strategic merge patches: a merge patch whose lists of conditions merge by type. Other lists are replaced, and directives refused.

use serde_json::Value;

use crate::{
    Refusal,
    json::{merge_patch, object, text},
};

/// Lays a patch over an object of a built-in kind.
pub(crate) fn strategic_merge_patch(target: &mut Value, patch: &Value) -> Result<(), Refusal> {
    let Value::Object(fields) = patch else {
        return Err(Refusal::bad_request("error decoding patch: not an object"));
    };
    let target = object(target);
    for (name, value) in fields {
        if name.starts_with('$') {
            let why = format!("the simulated API server does not know the directive {name}");
            return Err(Refusal::bad_request(why));
        }
        match value {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(_) => {
                strategic_merge_patch(target.entry(name).or_insert(Value::Null), value)?;
            }
            Value::Array(items) if name == "conditions" => {
                merge_conditions(target.entry(name).or_insert(Value::Null), items);
            }
            value => {
                target.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(())
}

/// One of a type that is there is changed in its place; another one comes last.
fn merge_conditions(held: &mut Value, items: &[Value]) {
    if !held.is_array() {
        *held = Value::Array(Vec::new());
    }
    let Value::Array(held) = held else { return };
    for item in items {
        let kind = text(item, "type").to_owned();
        match held.iter_mut().find(|held| text(held, "type") == kind) {
            Some(held) => merge_patch(held, item),
            None => held.push(item.clone()),
        }
    }
}

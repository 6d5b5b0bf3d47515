//! The page of custom resources, from their schemas.

use serde_json::Value;

use super::{code, page, table};

/// A row for each field below a schema.
fn rows(path: &str, schema: &Value, rows_so_far: &mut Vec<Vec<String>>) {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let must = if required.contains(&name.as_str()) {
            "yes"
        } else {
            ""
        };
        rows_so_far.push(vec![
            code(path.trim_start_matches('.')),
            kind(field),
            must.to_owned(),
            field["description"].as_str().unwrap_or_default().to_owned(),
        ]);
        rows(&path, field, rows_so_far);
        for inner in ["items", "additionalProperties"] {
            if field[inner].is_object() {
                rows(&format!("{path}[]"), &field[inner], rows_so_far);
            }
        }
    }
}

fn kind(field: &Value) -> String {
    let values: Vec<String> = field["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_str().map(code))
        .collect();
    if !values.is_empty() {
        return values.join(", ");
    }
    match field["type"].as_str() {
        Some("array") => format!("list of {}", kind(&field["items"])),
        Some("object") if field["additionalProperties"].is_object() => {
            format!("map to {}", kind(&field["additionalProperties"]))
        }
        Some(kind) => kind.to_owned(),
        None if field["x-kubernetes-int-or-string"] == true => "integer or string".to_owned(),
        None => "any".to_owned(),
    }
}

#[test]
fn the_page_of_resources_is_what_the_schemas_say() {
    let mut text = format!(
        "API group `{}`, version `{}`. `kubectl explain eniclass.spec` shows the same.\n",
        crds::GROUP,
        crds::VERSION
    );
    for crd in crds::all() {
        let crd = serde_json::to_value(crd).unwrap();
        let version = &crd["spec"]["versions"][0];
        let schema = &version["schema"]["openAPIV3Schema"];
        text += &format!(
            "\n## {}\n\n{}\n\nScope: {}.\n",
            crd["spec"]["names"]["kind"].as_str().unwrap(),
            schema["description"].as_str().unwrap_or_default(),
            crd["spec"]["scope"].as_str().unwrap(),
        );
        for part in ["spec", "status"] {
            let mut all = Vec::new();
            rows("", &schema["properties"][part], &mut all);
            if !all.is_empty() {
                text += &format!("\n### {part}\n\n");
                text += &table(&["field", "type", "required", ""], all);
            }
        }
    }
    page("resources.md", "Custom resources", &text);
}

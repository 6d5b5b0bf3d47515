//! Objects changed by a patch.

use serde_json::Value;

use crate::{
    Answer, Api, Refusal, call::Write, create::strict, json::merge_patch, metadata,
    strategic::strategic_merge_patch,
};

impl Api {
    pub(crate) fn patch(&mut self, write: &Write, content_type: &str) -> Result<Answer, Refusal> {
        if write.writer.applies {
            return self.apply(write);
        }
        let (kind, name) = (write.target.kind, write.target.name);
        let held = self.objects.get(&write.id()).cloned();
        let held = held.ok_or_else(|| Refusal::not_found(kind, name))?;
        let mut object = (*held.object).clone();
        match content_type.split(';').next().unwrap_or_default() {
            "application/merge-patch+json" => {
                if !write.body.is_object() {
                    return Err(Refusal::bad_request("error decoding patch: not an object"));
                }
                merge_patch(&mut object, write.body);
            }
            "application/strategic-merge-patch+json" if !kind.is_custom() => {
                strategic_merge_patch(&mut object, write.body)?;
            }
            "application/json-patch+json" => json_patch(&mut object, write.body)?,
            _ => return Err(Refusal::unsupported_media_type()),
        }
        if let Some(why) = metadata::undecodable(&object) {
            return Err(Refusal::undecodable_patch(&why));
        }
        if let Err(refusal) = strict(write, &kind.schema.prune(&mut object.clone())) {
            return Err(Refusal::undecodable_patch(&refusal.message));
        }
        self.update(write, &held, object, None)
            .map(|object| Answer::ok(200, object))
    }
}

/// RFC 6902.
fn json_patch(object: &mut Value, patch: &Value) -> Result<(), Refusal> {
    let patch: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))?;
    json_patch::patch(object, &patch).map_err(|_| Refusal::unprocessable())
}

//! Objects replaced by PUT, and what every change of an object goes through.

use serde_json::{Value, json};

use crate::{
    Answer, Api, Refusal,
    call::Write,
    create::{set_namespace, strict},
    json::{keep, put, remove, text},
    managers::Managers,
    metadata,
    refusal::Cause,
    store::{Stored, stamp, version_of},
    strategy,
};

impl Api {
    pub(crate) fn replace(&mut self, write: &Write) -> Result<Answer, Refusal> {
        write.check_body()?;
        let (kind, name) = (write.target.kind, write.target.name);
        let mut object = write.body.clone();
        let said = text(&object, "metadata.name");
        if said.is_empty() {
            put(&mut object, "metadata.name", name);
        } else if said != name {
            return Err(Refusal::bad_request(format!(
                "the name of the object ({said}) does not match the name on the URL ({name})"
            )));
        }
        strict(write, &kind.schema.prune(&mut object.clone()))?;
        set_namespace(write, &mut object)?;
        let Some(held) = self.objects.get(&write.id()).cloned() else {
            if !kind.allows_create_on_update() || write.target.status {
                return Err(Refusal::not_found(kind, name));
            }
            // What does not exist has no version to hold against it.
            remove(&mut object, "metadata.resourceVersion");
            let made = self.make(write, object, name, |managers, object, write, now| {
                let node = &write.target.kind.schema.root;
                managers.update(&write.writer, &write.nothing(), object, node, now);
            })?;
            return Ok(Answer::ok(201, made));
        };
        let (uid, has) = (
            text(&object, "metadata.uid"),
            text(&held.object, "metadata.uid"),
        );
        if !uid.is_empty() && uid != has {
            return Err(Refusal::conflict(
                kind,
                name,
                &format!(
                    "Precondition failed: UID in precondition: {uid}, UID in object meta: {has}"
                ),
            ));
        }
        if version_of(&object).is_none() {
            if !kind.allows_unconditional_update() {
                let cause = Cause::invalid(
                    "metadata.resourceVersion",
                    &json!(0),
                    "must be specified for an update",
                );
                // By its resource, unlike every other 422 (`Update` of registry/generic/registry/store.go).
                let mut refusal = Refusal::invalid(kind, name, &[cause]);
                put(&mut refusal.details, "kind", kind.plural.clone());
                return Err(refusal);
            }
            keep(&mut object, &held.object, "metadata.resourceVersion");
        }
        self.update(write, &held, object, None)
            .map(|object| Answer::ok(200, object))
    }

    /// Checks and stores a changed object. An apply brings the managers as they are after it.
    pub(crate) fn update(
        &mut self,
        write: &Write,
        held: &Stored,
        mut object: Value,
        applied: Option<Managers>,
    ) -> Result<Value, Refusal> {
        let (kind, name) = (write.target.kind, write.target.name);
        let before = &*held.object;
        if version_of(&object) != version_of(before) {
            return Err(Refusal::modified(kind, name));
        }
        set_namespace(write, &mut object)?;
        metadata::tidy(&mut object);
        kind.schema.prune(&mut object);
        if !write.writer.applies {
            kind.schema.drop_nulls(&mut object);
        }
        kind.schema.set_defaults(&mut object);
        // An object that cannot be compared field by field changes no managers (`UpdateNoErrors` of apimachinery's
        // managedfields), also where the endpoint does not write what is wrong.
        let is_typed = kind.schema.untyped(&object).is_none();
        strategy::prepare_update(kind, write.target.status, &mut object, before);
        let mut causes = metadata::change_errors(&mut object, before);
        causes.extend(metadata::errors(&object));
        causes.extend(strategy::errors(kind, &object, Some(before)));
        kind.schema.check(&object, Some(before), &mut causes);
        if !causes.is_empty() {
            return Err(Refusal::invalid(kind, name, &causes));
        }
        let managers = applied.unwrap_or_else(|| {
            let mut managers = held.managers.clone();
            let node = &kind.schema.root;
            if is_typed {
                managers.update(&write.writer, before, &object, node, &stamp(write.now));
            }
            managers
        });
        put(&mut object, "metadata.managedFields", managers.as_json());
        if object == *before && managers == held.managers || write.is_dry() {
            return Ok(object);
        }
        Ok(self.commit_or_remove(write.id(), object, managers))
    }
}

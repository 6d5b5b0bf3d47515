//! New objects.

use serde_json::Value;

use crate::{
    Api, Refusal,
    call::Write,
    json::{put, remove, text},
    managers::Managers,
    metadata, quota,
    store::{Id, stamp},
    strategy,
};

impl Api {
    pub(crate) fn create(&mut self, write: &Write) -> Result<Value, Refusal> {
        write.check_body()?;
        let mut object = write.body.clone();
        self.name(&mut object);
        let name = text(&object, "metadata.name").to_owned();
        self.make(write, object, &name, |managers, object, write, now| {
            let node = &write.target.kind.schema.root;
            managers.update(&write.writer, &write.nothing(), object, node, now);
        })
    }

    fn name(&mut self, object: &mut Value) {
        let prefix = text(object, "metadata.generateName").to_owned();
        if text(object, "metadata.name").is_empty() && !prefix.is_empty() {
            let name = format!("{prefix}{:05x}", self.next_number());
            put(object, "metadata.name", name);
        }
    }

    /// Checks and stores a new object, by whichever way it came.
    pub(crate) fn make(
        &mut self,
        write: &Write,
        mut object: Value,
        name: &str,
        manage: impl FnOnce(&mut Managers, &Value, &Write, &str),
    ) -> Result<Value, Refusal> {
        let kind = write.target.kind;
        let id = Id {
            name: name.to_owned(),
            ..write.id()
        };
        set_namespace(write, &mut object)?;
        let now = stamp(write.now);
        metadata::tidy(&mut object);
        let dropped = kind.schema.prune(&mut object);
        strict(write, &dropped)?;
        // What is applied is taken by its word.
        if !write.writer.applies {
            kind.schema.drop_nulls(&mut object);
        }
        kind.schema.set_defaults(&mut object);
        put(&mut object, "apiVersion", kind.api_version());
        put(&mut object, "kind", kind.kind.clone());
        strategy::prepare_create(kind, &mut object);
        put(&mut object, "metadata.creationTimestamp", now.clone());
        for path in [
            "metadata.deletionTimestamp",
            "metadata.deletionGracePeriodSeconds",
            "metadata.managedFields",
        ] {
            remove(&mut object, path);
        }
        self.check_namespace(kind, &id.namespace, name)?;
        let mut causes = metadata::errors(&object);
        causes.extend(strategy::errors(kind, &object, None));
        kind.schema.check(&object, None, &mut causes);
        if !causes.is_empty() {
            return Err(Refusal::invalid(kind, name, &causes));
        }
        quota::check(self, &id, kind)?;
        // Passed on as it is (`Create` of storage/etcd3/store.go), and not looked at in a dry run.
        if !text(&object, "metadata.resourceVersion").is_empty() && !write.is_dry() {
            let why = "resourceVersion should not be set on objects to be created";
            return Err(Refusal::unexpected(why.to_owned()));
        }
        if self.objects.contains_key(&id) {
            return Err(Refusal::already_exists(kind, name));
        }
        put(&mut object, "metadata.uid", self.new_uid());
        let mut managers = Managers::default();
        manage(&mut managers, &object, write, &now);
        if write.is_dry() {
            put(&mut object, "metadata.managedFields", managers.as_json());
            return Ok(object);
        }
        Ok(self.commit(id, object, managers))
    }
}

/// The namespace of the path; a body that names another one is refused.
pub(crate) fn set_namespace(write: &Write, object: &mut Value) -> Result<(), Refusal> {
    let namespace = write.target.namespace;
    let said = text(object, "metadata.namespace");
    if !write.target.kind.namespaced {
        remove(object, "metadata.namespace");
    } else if said.is_empty() {
        put(object, "metadata.namespace", namespace);
    } else if said != namespace {
        return Err(Refusal::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// `fieldValidation=Strict` refuses what is otherwise dropped.
pub(crate) fn strict(write: &Write, dropped: &[String]) -> Result<(), Refusal> {
    let is_strict = write
        .query
        .get("fieldValidation")
        .is_some_and(|v| v == "Strict");
    if !is_strict || dropped.is_empty() {
        return Ok(());
    }
    let unknown: Vec<String> = dropped
        .iter()
        .map(|path| format!("unknown field \"{path}\""))
        .collect();
    Err(Refusal::bad_request(format!(
        "strict decoding error: {}",
        unknown.join(", ")
    )))
}

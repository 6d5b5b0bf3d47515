//! Lists, whole or by pages of one version.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use crate::{
    Api, Kind, Refusal,
    json::{self, put},
    request::Target,
    selector::Selector,
    store::Id,
};

/// The version of a list, and the namespace and name after which it begins.
type Start<'a> = (u64, Option<(&'a str, &'a str)>);

const TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

impl Api {
    pub(crate) fn list(
        &self,
        target: Target,
        query: &BTreeMap<String, String>,
    ) -> Result<Value, Refusal> {
        let selector = selector(target, query)?;
        let (version, start) = self.start(query)?;
        let limit = query
            .get("limit")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0_usize);
        let objects = self.at_version(&target.kind.resource(), version);
        let within = |id: &Id| {
            (target.namespace.is_empty() || id.namespace == target.namespace)
                && start.is_none_or(|start| (id.namespace.as_str(), id.name.as_str()) > start)
        };
        let rest: Vec<(&Id, Arc<Value>)> =
            objects.into_iter().filter(|(id, _)| within(id)).collect();
        let selected: Vec<&(&Id, Arc<Value>)> = rest
            .iter()
            .filter(|(_, object)| selector.selects(object))
            .collect();
        let page = if limit == 0 { selected.len() } else { limit };
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        // A full page goes on where anything is left, selected or not (`GetList` of storage/etcd3/store.go).
        let last = page.checked_sub(1).and_then(|at| selected.get(at));
        if let Some((last, _)) = last
            && limit > 0
            && rest.last().is_some_and(|(id, _)| id != last)
        {
            let token = format!("{version}:{}:{}", last.namespace, last.name);
            put(&mut metadata, "continue", token);
            if selector == Selector::default() {
                put(&mut metadata, "remainingItemCount", selected.len() - page);
            }
        }
        let items: Vec<Value> = selected
            .iter()
            .take(page)
            .map(|(_, object)| item(target.kind, object))
            .collect();
        Ok(json!({
            "kind": format!("{}List", target.kind.kind), "apiVersion": target.kind.api_version(),
            "metadata": metadata, "items": items,
        }))
    }

    /// The version to list at, and after which object to begin.
    fn start<'a>(&self, query: &'a BTreeMap<String, String>) -> Result<Start<'a>, Refusal> {
        if let Some(token) = query.get("continue").filter(|token| !token.is_empty()) {
            let mut parts = token.splitn(3, ':');
            let version = parts.next().and_then(|v| v.parse().ok());
            let (Some(version), Some(namespace), Some(name)) =
                (version, parts.next(), parts.next())
            else {
                return Err(Refusal::bad_request("continue key is not valid"));
            };
            if version < self.compacted || version > self.version {
                return Err(Refusal::expired(TOO_OLD));
            }
            return Ok((version, Some((namespace, name))));
        }
        let asked = query
            .get("resourceVersion")
            .and_then(|v| v.parse().ok())
            .unwrap_or(0);
        if asked > self.version {
            return Err(Refusal::too_large_version(asked, self.version));
        }
        let exact = query
            .get("resourceVersionMatch")
            .is_some_and(|m| m == "Exact");
        if exact && asked < self.compacted {
            return Err(Refusal::expired(format!(
                "The resourceVersion for the provided list is too old: {asked}"
            )));
        }
        Ok((if exact { asked } else { self.version }, None))
    }

    /// All objects of a resource as they were at a version.
    fn at_version(&self, resource: &str, version: u64) -> BTreeMap<&Id, Arc<Value>> {
        let mut objects: BTreeMap<&Id, Arc<Value>> = self
            .stored(resource)
            .map(|(id, stored)| (id, stored.object.clone()))
            .collect();
        let later = self.log.iter().rev().take_while(|c| c.version > version);
        for change in later.filter(|change| change.id.resource == resource) {
            match &change.before {
                Some(before) => objects.insert(&change.id, before.clone()),
                None => objects.remove(&change.id),
            };
        }
        objects
    }
}

/// The selector of a query; a name in the path selects by name.
pub(crate) fn selector(
    target: Target,
    query: &BTreeMap<String, String>,
) -> Result<Selector, Refusal> {
    let part = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let mut fields = part("fieldSelector").to_owned();
    if !target.name.is_empty() {
        fields = format!("metadata.name={},{fields}", target.name);
    }
    Selector::parse(part("labelSelector"), &fields, |field| {
        matches!(field, "metadata.name" | "metadata.namespace")
            || target.kind.selectable.iter().any(|known| known == field)
    })
}

/// Items of built-in kinds do not repeat their kind.
fn item(kind: &Kind, object: &Value) -> Value {
    let mut item = object.clone();
    if !kind.is_custom() {
        json::remove(&mut item, "kind");
        json::remove(&mut item, "apiVersion");
    }
    item
}

//! What the API server itself says: refused objects, explained fields.

use anyhow::{Context, bail, ensure};
use e2e::world::Space;
use serde_json::{Value, json};

use super::makers::class;

/// The objects that crds/tests evaluates locally, sent to a real API server.
pub fn rules(space: &Space) -> anyhow::Result<()> {
    // The operator deletes a claim whose pod does not exist; here only the API server's word counts.
    let replicas = space.stop_operator()?;
    // The objects are made of one another, with more aliases than a guard against hostile documents takes.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { enforce_alias_anchor_ratio: false },
    };
    let text = include_str!("../../../../crds/tests/rules.yaml");
    let cases: Vec<Value> = serde_saphyr::from_str_with_options(text, options)?;
    let judged = cases.iter().try_for_each(|case| judge(space, case));
    space.kubectl(&["delete", "eniclaims", "--all", "--timeout=30s"])?;
    space.start_operator(replicas)?;
    judged
}

fn judge(space: &Space, case: &Value) -> anyhow::Result<()> {
    let says = case["says"].as_str().unwrap_or_default();
    let object = |name: &str| without_namespace(&case[name]);
    let (accepted, refused) = (object("accepted"), object("refused"));
    // A status is written only to an object that is there, by its subresource; an apply leaves it out.
    let of_status = accepted["status"].is_object();
    if case.get("before").is_some() {
        space.send(&as_operator(&["apply"]), &object("before"))?;
    } else if of_status {
        space.send(&as_operator(&["apply"]), &accepted)?;
    }
    if case["before"]["status"].is_object() {
        space.send(&["replace", "--subresource=status"], &object("before"))?;
    }
    let verb = if of_status {
        vec!["replace", "--subresource=status", "--dry-run=server"]
    } else {
        as_operator(&["apply", "--dry-run=server"])
    };
    space
        .send(&verb, &accepted)
        .with_context(|| format!("{says}: the accepted object"))?;
    is_refused(space, &verb, &refused, says)?;
    // The next case begins with an object of its own.
    if of_status || case.get("before").is_some() {
        space.send(&["delete"], &accepted)?;
    }
    Ok(())
}

/// With all rights, and the name of the only one who makes claims for pods: what the schema says is asked for, and no policy.
fn as_operator<'a>(verb: &[&'a str]) -> Vec<&'a str> {
    let operator = "--as=system:serviceaccount:eniclaim-system:eniclaim-operator";
    [verb, &[operator, "--as-group=system:masters"]].concat()
}

/// kubectl wants no namespace in an object but the one that it is given.
fn without_namespace(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("namespace");
    }
    object
}

fn is_refused(space: &Space, verb: &[&str], object: &Value, says: &str) -> anyhow::Result<()> {
    let Err(error) = space.send(verb, object) else {
        bail!("{says}: the API server took {object}");
    };
    ensure!(
        format!("{error:#}").contains(says),
        "{says}: the API server said {error:#}"
    );
    Ok(())
}

/// Names that every network namespace has, or that sysctl(8) takes for all interfaces, cannot be an ENI's.
pub fn reserved_interface_names(space: &Space) -> anyhow::Result<()> {
    let named = |name: &str| {
        let mut class = class(space);
        class["spec"]["interface"] = json!({"name": name});
        class
    };
    space.dry_run(&named("eni1"))?;
    for name in ["eth0", "lo", "all", "default"] {
        is_refused(space, &["apply", "--dry-run=server"], &named(name), name)?;
    }
    Ok(())
}

/// `kubectl explain` has a sentence for every field.
pub fn explain(space: &Space) -> anyhow::Result<()> {
    let said = space.kubectl(&["explain", "eniclaim.status"])?;
    for field in [
        "phase",
        "nodeName",
        "binding",
        "creation",
        "lastError",
        "eni",
        "attachment",
        "ipam",
        "device",
        "timeline",
        "conditions",
    ] {
        let after = said
            .split_once(&format!("  {field}\t"))
            .map(|(_, rest)| rest.lines().nth(1).unwrap_or_default().trim());
        ensure!(
            after.is_some_and(|line| line.len() > 10),
            "kubectl explain does not explain {field}: {said}"
        );
    }
    Ok(())
}

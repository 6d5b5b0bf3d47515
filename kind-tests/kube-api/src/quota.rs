//! Quotas on how many objects of a resource a namespace may have.

use serde_json::Value;

use crate::{Api, Kind, Refusal, json, store::Id};

/// Refuses one object more than a `ResourceQuota` of the namespace allows.
pub(crate) fn check(api: &Api, id: &Id, kind: &Kind) -> Result<(), Refusal> {
    let counted = format!("count/{}", kind.resource());
    let in_namespace = |object: &&Value| json::text(object, "metadata.namespace") == id.namespace;
    let quotas = api.all("resourcequotas").filter(in_namespace);
    for quota in quotas.filter(|_| kind.namespaced) {
        let hard = json::at(quota, "spec.hard").get(&counted);
        let hard = hard.and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()));
        let used = api.all(&kind.resource()).filter(in_namespace).count();
        if let Some(hard) = hard.filter(|hard| used as u64 >= *hard) {
            let name = json::text(quota, "metadata.name");
            let why = format!(
                "exceeded quota: {name}, requested: {counted}=1, used: {counted}={used}, limited: {counted}={hard}"
            );
            return Err(Refusal::forbidden(kind, &id.name, &why));
        }
    }
    Ok(())
}

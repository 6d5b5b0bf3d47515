//! Which container of a pod can change the pod's network.

use k8s_openapi::api::core::v1::{PodSpec, SecurityContext};

/// `NET_ADMIN` removes rules, routes and packet filters. `SYS_ADMIN` alone attaches BPF programs that rewrite packets behind a
/// filter (`bpf_token_capable()` in the kernel takes it for `NET_ADMIN`). A container that can take over the whole node needs
/// neither, and is not looked for.
const CAPABILITIES: [&str; 3] = ["NET_ADMIN", "SYS_ADMIN", "ALL"];

/// Name of a container, of whatever sort, that can change the network of its pod.
pub(crate) fn net_admin(spec: &PodSpec) -> Option<&str> {
    let init = spec.init_containers.iter().flatten();
    let running = init.chain(&spec.containers);
    let running = running.map(|c| (&c.name, &c.security_context));
    let ephemeral = spec.ephemeral_containers.iter().flatten();
    let ephemeral = ephemeral.map(|c| (&c.name, &c.security_context));
    running
        .chain(ephemeral)
        .find(|(_, context)| context.as_ref().is_some_and(may_change))
        .map(|(name, _)| name.as_str())
}

fn may_change(context: &SecurityContext) -> bool {
    let added = context.capabilities.iter().flat_map(|c| &c.add).flatten();
    context.privileged == Some(true) || added.map(String::as_str).any(is_enough)
}

/// Runtimes take names in any letter case, with `CAP_` or without.
fn is_enough(capability: &str) -> bool {
    let upper = capability.to_ascii_uppercase();
    CAPABILITIES.contains(&upper.trim_start_matches("CAP_"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn found(spec: Value) -> Option<String> {
        let spec: PodSpec = serde_json::from_value(spec).unwrap();
        net_admin(&spec).map(str::to_owned)
    }

    fn named(name: &str, context: &Value) -> Value {
        json!({ "name": name, "securityContext": context })
    }

    #[test]
    fn privileged_and_these_capabilities_are_enough() {
        for (context, enough) in [
            (json!({}), false),
            (json!({ "privileged": false }), false),
            (json!({ "privileged": true }), true),
            (
                json!({ "capabilities": { "add": ["NET_RAW", "NET_BIND_SERVICE"] } }),
                false,
            ),
            (json!({ "capabilities": { "drop": ["NET_ADMIN"] } }), false),
            (
                json!({ "capabilities": { "add": ["NET_RAW", "NET_ADMIN"] } }),
                true,
            ),
            (
                json!({ "capabilities": { "add": ["cap_sys_admin"] } }),
                true,
            ),
            (
                json!({ "capabilities": { "add": ["ALL"], "drop": ["NET_ADMIN"] } }),
                true,
            ),
        ] {
            let container = found(json!({ "containers": [named("app", &context)] }));
            assert_eq!(container.is_some(), enough, "{context}");
        }
    }

    #[test]
    fn containers_of_every_sort_are_looked_at() {
        let admin = json!({ "privileged": true });
        for sort in ["containers", "initContainers", "ephemeralContainers"] {
            let mut spec = json!({ "containers": [] });
            spec[sort] = json!([named("other", &json!(null)), named("tool", &admin)]);
            assert_eq!(found(spec).as_deref(), Some("tool"), "{sort}");
        }
    }
}

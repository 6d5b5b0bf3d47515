//! Objects as the scenarios apply them.

use e2e::world::Space;
use serde_json::{Value, json};

/// The class of a scenario: as in docs/examples, named as its namespace, for every namespace.
pub fn class(space: &Space) -> Value {
    json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClass", "metadata": {"name": space.name()},
        "spec": {
            "namespaceSelector": {},
            "subnets": {"ids": ["subnet-000000000000000a1"]},
            "securityGroups": {"ids": ["sg-000000000000000a2"]},
        }
    })
}

/// A pod that serves on every address and does not ask for an ENI.
pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "probe", "image": "localhost/eniclaim/probe:dev", "args": ["serve"],
                "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
            }]
        }
    })
}

/// The same pod, which asks for an ENI of this class.
pub fn asking(mut pod: Value, class: &str) -> Value {
    pod["metadata"]["labels"] = json!({"eniclaim.io/class": class});
    pod
}

/// The same pod, which asks for these interfaces by name, the first of this class.
pub fn asking_several(pod: Value, class: &str, interfaces: &str) -> Value {
    let mut pod = asking(pod, class);
    pod["metadata"]["annotations"] = json!({"eniclaim.io/interfaces": interfaces});
    pod
}

/// The same pod, only on this node.
pub fn on(mut pod: Value, node: &str) -> Value {
    pod["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": node});
    pod
}

/// The same pod with more capabilities than pods have.
pub fn capable(mut pod: Value, capabilities: &[&str]) -> Value {
    let context = json!({"capabilities": {"add": capabilities}});
    pod["spec"]["containers"][0]["securityContext"] = context;
    pod
}

/// A Job of short pods that ask for an ENI; each fails when it has no interface.
pub fn job(name: &str, class: &str, completions: u32, parallelism: u32, seconds: u32) -> Value {
    let script = format!("/bin/ip address show eni0 && /bin/busybox sleep {seconds}");
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {
            "completions": completions, "parallelism": parallelism, "backoffLimit": completions,
            "template": {
                "metadata": {"labels": {"eniclaim.io/class": class}},
                "spec": {
                    "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
                    "containers": [{
                        "name": "short", "image": "localhost/eniclaim/probe:dev",
                        "command": ["/bin/sh", "-c", script],
                    }],
                },
            },
        }
    })
}

/// A Deployment that replaces all of its pods at once, all on one node.
pub fn deployment(name: &str, replicas: u64, node: &str) -> Value {
    let labels = json!({"app": name});
    let mut template = on(pod(name), node);
    template["metadata"] = json!({"labels": labels});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "100%"}},
            "template": {"metadata": template["metadata"], "spec": template["spec"]},
        }
    })
}

/// Applies the pods `blocked` and `allowed`, whose classes say so of the instance metadata service.
pub fn blocked_and_allowed(space: &Space) -> anyhow::Result<()> {
    space.apply(&class(space))?;
    let mut open = class(space);
    let allowing = format!("{}-open", space.name());
    open["metadata"]["name"] = json!(allowing);
    open["spec"]["interface"] = json!({"instanceMetadata": "Allowed"});
    space.apply(&open)?;
    space.apply(&asking(pod("blocked"), space.name()))?;
    space.apply(&asking(pod("allowed"), &allowing))
}

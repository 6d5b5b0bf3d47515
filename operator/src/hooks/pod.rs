//! The pod that removes from a node what the agent installed there: the agent's own, with another command.

use api::id::NodeName;
use k8s_openapi::{
    api::{
        apps::v1::DaemonSet,
        core::v1::{Container, HostPathVolumeSource, Pod, PodSpec, Volume, VolumeMount},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};

/// Selects all of them. They must not have the labels of an agent: the `DaemonSet` would take them for its own.
pub(super) const SELECTOR: &str = "app.kubernetes.io/component=uninstall";
const COMPONENT: &str = "app.kubernetes.io/component";
/// Below it the agent's folder is removed, which is no mount there.
const RUN: &str = "host-run";

/// The pod for a node.
pub(super) fn uninstalling(agents: &DaemonSet, node: &NodeName) -> Pod {
    let template = agents.spec.template.clone();
    let metadata = template.metadata.unwrap_or_default();
    let mut labels = metadata.labels.unwrap_or_default();
    labels.insert(COMPONENT.to_owned(), "uninstall".to_owned());
    Pod {
        metadata: ObjectMeta {
            // One of an earlier drain may still have its name.
            generate_name: Some("eniclaim-uninstall-".to_owned()),
            labels: Some(labels),
            annotations: metadata.annotations,
            owner_references: owner(agents).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: template.spec.map(|spec| on_node(spec, node)),
        status: None,
    }
}

/// It goes with the `DaemonSet`.
fn owner(agents: &DaemonSet) -> Option<OwnerReference> {
    Some(OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "DaemonSet".to_owned(),
        name: agents.metadata.name.clone()?,
        uid: agents.metadata.uid.clone()?,
        controller: Some(false),
        block_owner_deletion: Some(false),
    })
}

fn on_node(spec: PodSpec, node: &NodeName) -> PodSpec {
    let containers = spec.containers.into_iter().take(1).map(command);
    let mut volumes = spec.volumes.unwrap_or_default();
    volumes.retain(|volume| volume.name != "run");
    volumes.push(Volume {
        name: RUN.to_owned(),
        host_path: Some(HostPathVolumeSource {
            path: "/run".to_owned(),
            type_: Some("Directory".to_owned()),
        }),
        ..Volume::default()
    });
    PodSpec {
        // Kubelet itself refuses a pod whose selectors do not fit, and those of the DaemonSet fit no node by now.
        node_name: Some(node.to_string()),
        node_selector: None,
        affinity: None,
        // An agent that has not ended yet makes it fail.
        restart_policy: Some("OnFailure".to_owned()),
        automount_service_account_token: Some(false),
        containers: containers.collect(),
        volumes: Some(volumes),
        ..spec
    }
}

fn command(container: Container) -> Container {
    let mut mounts = container.volume_mounts.unwrap_or_default();
    mounts.retain(|mount| mount.name != "run");
    mounts.push(VolumeMount {
        name: RUN.to_owned(),
        mount_path: "/host/run".to_owned(),
        ..VolumeMount::default()
    });
    Container {
        name: "uninstall".to_owned(),
        args: Some(vec![
            "uninstall".to_owned(),
            "--socket=/host/run/eniclaim/agent.sock".to_owned(),
        ]),
        ports: None,
        liveness_probe: None,
        readiness_probe: None,
        startup_probe: None,
        volume_mounts: Some(mounts),
        ..container
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    /// As the chart has it, and as drain has changed it.
    fn agents() -> DaemonSet {
        serde_json::from_value(json!({
            "metadata": { "name": "eniclaim-agent", "uid": "u" },
            "spec": {
                "selector": { "matchLabels": { COMPONENT: "agent" } },
                "template": {
                    "metadata": { "labels": { COMPONENT: "agent", "team": "net" }, "annotations": { "a": "b" } },
                    "spec": {
                        "hostNetwork": true,
                        "nodeSelector": { "eniclaim.io/uninstalled": "true" },
                        "affinity": { "nodeAffinity": {} },
                        "tolerations": [{ "operator": "Exists" }],
                        "imagePullSecrets": [{ "name": "s" }],
                        "containers": [{
                            "name": "agent", "image": "r/agent:1", "args": ["run"],
                            "ports": [{ "containerPort": 9377 }],
                            "readinessProbe": { "httpGet": { "port": 9377 } },
                            "volumeMounts": [
                                { "name": "run", "mountPath": "/run/eniclaim" },
                                { "name": "cni-bin", "mountPath": "/host/opt/cni/bin" }
                            ]
                        }],
                        "volumes": [
                            { "name": "run", "hostPath": { "path": "/run/eniclaim" } },
                            { "name": "cni-bin", "hostPath": { "path": "/opt/cni/bin" } }
                        ]
                    }
                }
            }
        }))
        .unwrap()
    }

    #[test]
    fn it_is_the_agents_pod_with_another_command_and_runs_where_no_agent_may() {
        let pod = uninstalling(&agents(), &"n1".into());
        let pod = serde_json::to_value(pod).unwrap();
        assert_eq!(
            pod["metadata"]["labels"],
            json!({ COMPONENT: "uninstall", "team": "net" })
        );
        assert_eq!(pod["metadata"]["ownerReferences"][0]["uid"], "u");
        let spec = &pod["spec"];
        assert_eq!(spec["nodeName"], "n1");
        for gone in ["nodeSelector", "affinity"] {
            assert!(spec.get(gone).is_none(), "{gone}");
        }
        for kept in ["tolerations", "imagePullSecrets", "hostNetwork"] {
            assert!(spec.get(kept).is_some(), "{kept}");
        }
        let container = &spec["containers"][0];
        assert_eq!(container["args"][0], "uninstall");
        assert_eq!(container["image"], "r/agent:1");
        assert!(container.get("readinessProbe").is_none() && container.get("ports").is_none());
        let text = pod.to_string();
        assert!(!text.contains("\"/run/eniclaim\""), "{text}");
        assert!(
            text.contains("/host/opt/cni/bin") && text.contains("\"/host/run\""),
            "{text}"
        );
    }

    #[test]
    fn labels_are_those_that_are_selected() {
        let pod = uninstalling(&agents(), &"n1".into());
        let labels: BTreeMap<String, String> = pod.metadata.labels.unwrap();
        let (key, value) = SELECTOR.split_once('=').unwrap();
        assert_eq!(labels[key], value);
    }
}

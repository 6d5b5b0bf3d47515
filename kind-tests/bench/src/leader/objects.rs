//! Objects as the API server lists them.

use std::collections::BTreeMap;

use anyhow::Context;
use api::{SmolStr, Time, name, tag};
use bytes::Bytes;
use operator_core::{
    claim::Claim,
    cluster::{AgentPod, Class, NamespaceFacts, Node, NodeReport, Pod, Requirement},
    marks::Networks,
};
use serde_json::{Map, Value, json};

use crate::world::{kubernetes::Kubernetes, makers};

/// Objects on a page, as the operator asks for them.
pub const PAGE: usize = 500;
/// The lists that the operator reads.
pub const PATHS: [&str; 7] = [
    "/api/v1/pods",
    "/api/v1/namespaces/eniclaim-system/pods",
    "/api/v1/nodes",
    "/api/v1/namespaces",
    "/apis/eniclaim.io/v1alpha1/eniclasses",
    "/apis/eniclaim.io/v1alpha1/eniclaims",
    "/apis/eniclaim.io/v1alpha1/eninodes",
];

/// Pages by path, and how many objects there are.
pub struct Lists {
    /// Each page as it is sent.
    pub pages: BTreeMap<&'static str, Vec<Bytes>>,
    /// All of them.
    pub objects: usize,
}

/// Every list.
pub fn lists(of: &Kubernetes) -> anyhow::Result<Lists> {
    let [pods, agents, nodes, namespaces, classes, claims, reports] = PATHS;
    let mut lists = Lists {
        pages: BTreeMap::new(),
        objects: 0,
    };
    lists.add(pods, "v1", "Pod", of.pods.values().map(pod));
    lists.add(agents, "v1", "Pod", of.agents.values().map(agent));
    lists.add(nodes, "v1", "Node", of.nodes.values().map(node));
    lists.add(
        namespaces,
        "v1",
        "Namespace",
        of.namespaces.values().map(namespace),
    );
    let version = format!("{}/{}", name::GROUP, name::VERSION);
    lists.add(
        classes,
        &version,
        "EniClass",
        of.classes.values().map(class),
    );
    let all: Vec<Value> = of
        .claims
        .values()
        .map(claim)
        .collect::<anyhow::Result<_>>()?;
    lists.add(claims, &version, "EniClaim", all.into_iter());
    let all: Vec<Value> = of
        .reports
        .values()
        .map(report)
        .collect::<anyhow::Result<_>>()?;
    lists.add(reports, &version, "EniNode", all.into_iter());
    Ok(lists)
}

impl Lists {
    fn add(
        &mut self,
        path: &'static str,
        version: &str,
        kind: &str,
        items: impl Iterator<Item = Value>,
    ) {
        let items: Vec<Value> = items
            .map(|mut item| {
                item["apiVersion"] = version.into();
                item["kind"] = kind.into();
                item
            })
            .collect();
        self.objects += items.len();
        let count = items.len().div_ceil(PAGE).max(1);
        let page = |(number, items): (usize, &[Value])| {
            let more = number + 1 < count;
            let next = if more {
                (number + 1).to_string()
            } else {
                String::new()
            };
            let list = json!({
                "apiVersion": version, "kind": format!("{kind}List"),
                "metadata": { "resourceVersion": "2000000", "continue": next },
                "items": items,
            });
            Bytes::from(list.to_string())
        };
        self.pages
            .insert(path, items.chunks(PAGE).enumerate().map(page).collect());
    }
}

fn meta(name: &str, namespace: Option<&str>, uid: &str, version: &str, rest: &Value) -> Value {
    let mut meta = json!({
        "name": name, "uid": uid, "resourceVersion": version,
        "generation": 1, "creationTimestamp": "2026-12-01T08:00:00Z",
        "managedFields": [
            managed("kube-controller-manager", "Update"),
            managed("eniclaim-operator", "Apply"),
        ],
    });
    if let Some(namespace) = namespace {
        meta["namespace"] = namespace.into();
    }
    if let (Some(meta), Some(rest)) = (meta.as_object_mut(), rest.as_object()) {
        meta.extend(rest.clone());
    }
    meta
}

/// Who wrote which fields: a large part of every object.
fn managed(manager: &str, operation: &str) -> Value {
    json!({
        "manager": manager, "operation": operation, "apiVersion": "v1", "time": "2026-12-01T08:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": { "f:metadata": { "f:labels": { ".": {}, "f:app": {} }, "f:ownerReferences": {} },
            "f:spec": { "f:containers": {}, "f:nodeName": {}, "f:terminationGracePeriodSeconds": {} },
            "f:status": { "f:conditions": { "k:{\"type\":\"Ready\"}": { "f:lastTransitionTime": {}, "f:status": {} } } } },
    })
}

fn pod(pod: &Pod) -> Value {
    let class = pod.asks.first().map(|ask| ask.class.to_string());
    let resources = json!({ "cpu": "100m", "memory": "128Mi", (name::RESOURCE): pod.requested.unwrap_or(0).to_string() });
    json!({
        "metadata": meta(&pod.key.name, Some(pod.key.namespace.as_str()), pod.uid.as_str(), "1000", &json!({
            "labels": { "app": "web", (name::CLASS): class }, "annotations": { (name::CLASS): class, (name::NETWORK_STATUS): networks(pod) },
        })),
        "spec": {
            "nodeName": pod.node.as_ref().map(ToString::to_string),
            "serviceAccountName": "default", "restartPolicy": "Always", "schedulerName": "default-scheduler",
            "containers": [{
                "name": "web", "image": "registry.example.com/web:1.2.3", "imagePullPolicy": "IfNotPresent",
                "ports": [{ "containerPort": 8080, "protocol": "TCP" }],
                "env": [{ "name": "MODE", "value": "production" }, { "name": "REGION", "value": "us-east-1" }],
                "resources": { "limits": resources, "requests": resources },
                "volumeMounts": [{ "name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true }],
            }],
            "volumes": [{ "name": "token", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } }],
            "tolerations": [{ "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }],
        },
        "status": {
            "phase": "Running", "podIP": "10.244.1.7", "hostIP": "10.0.1.5", "qosClass": "Guaranteed",
            "conditions": conditions(&["Initialized", "Ready", "ContainersReady", "PodScheduled", name::POD_READY]),
            "containerStatuses": [{
                "name": "web", "ready": true, "restartCount": 0, "image": "registry.example.com/web:1.2.3", "imageID": "",
                "state": { "running": { "startedAt": "2026-12-01T08:00:05Z" } },
            }],
        },
    })
}

/// As the operator wrote it.
fn networks(pod: &Pod) -> String {
    let Networks::List { others: _, ours } = &pod.marks.networks else {
        return String::new();
    };
    let ours = ours.iter().map(|network| {
        json!({ "name": format!("{}/{}", name::GROUP, network.class), "interface": network.interface,
            "ips": network.ips, "mac": network.mac, "dns": {} })
    });
    ours.collect::<Value>().to_string()
}

fn agent(pod: &AgentPod) -> Value {
    json!({
        "metadata": meta(&pod.key.name, Some("eniclaim-system"), pod.uid.as_str(), "1000", &json!({
            "labels": { "app.kubernetes.io/name": "eniclaim", "app.kubernetes.io/component": "agent" },
        })),
        "spec": { "nodeName": pod.node.as_ref().map(ToString::to_string), "containers": [{ "name": "agent" }] },
        "status": { "phase": "Running", "conditions": conditions(&["Initialized", "Ready"]) },
    })
}

fn conditions(kinds: &[&str]) -> Value {
    let condition = |kind: &&str| {
        json!({ "type": kind, "status": "True", "lastTransitionTime": "2026-12-01T08:00:05Z",
            "reason": "Ready", "message": "as it shall be" })
    };
    kinds.iter().map(condition).collect()
}

fn node(node: &Node) -> Value {
    let zone = "us-east-1a";
    let mut labels = Map::new();
    for class in &node.classes {
        labels.insert(
            format!("{}{class}", name::CLASS_LABEL_PREFIX),
            "true".into(),
        );
    }
    labels.insert("topology.kubernetes.io/zone".to_owned(), zone.into());
    let instance = node
        .instance
        .as_ref()
        .map(|id| format!("aws:///{zone}/{id}"))
        .ok();
    let published = |count: Option<u32>| {
        let count = count.map(|count| count.to_string());
        json!({ "cpu": "96", "memory": "390Gi", "pods": "110", (name::RESOURCE): count })
    };
    json!({
        "metadata": meta(node.name.as_str(), None, node.uid.as_str(), &node.version.0, &json!({ "labels": labels })),
        "spec": { "providerID": instance },
        "status": {
            "capacity": published(node.published.0), "allocatable": published(node.published.1),
            "conditions": conditions(&["Ready"]),
            "nodeInfo": {
                "bootID": node.boot.as_str(), "machineID": "", "systemUUID": "", "kernelVersion": "6.12", "osImage": "Linux",
                "containerRuntimeVersion": "containerd://2.1", "kubeletVersion": "v1.36.0", "kubeProxyVersion": "",
                "operatingSystem": "linux", "architecture": "amd64",
            },
        },
    })
}

fn namespace(namespace: &NamespaceFacts) -> Value {
    let rest = json!({ "labels": namespace.labels });
    json!({ "metadata": meta(namespace.name.as_str(), None, &namespace.uid, "1000", &rest) })
}

fn class(class: &Class) -> Value {
    let requirements = class.namespaces.iter().flat_map(|s| &s.requirements);
    let expressions: Vec<Value> = requirements
        .map(|requirement| match requirement {
            Requirement::In(key, values) => {
                json!({ "key": key, "operator": "In", "values": values })
            }
            Requirement::NotIn(key, values) => {
                json!({ "key": key, "operator": "NotIn", "values": values })
            }
            Requirement::Exists(key) => json!({ "key": key, "operator": "Exists" }),
            Requirement::DoesNotExist(key) => json!({ "key": key, "operator": "DoesNotExist" }),
        })
        .collect();
    json!({
        "metadata": meta(class.name.as_str(), None, class.name.as_str(), "1000", &json!({})),
        "spec": {
            "namespaceSelector": { "matchExpressions": expressions },
            "subnets": class.subnets, "securityGroups": class.groups,
            "interface": class.interface, "tags": class.tags,
        },
        "status": class.status,
    })
}

fn claim(claim: &Claim) -> anyhow::Result<Value> {
    let owner = claim.owner.as_ref().context("a claim has an owner")?;
    let mut status = claim.status.clone();
    status.device.clone_from(&claim.device);
    let owned =
        json!([{ "apiVersion": "v1", "kind": "Pod", "name": owner.name, "uid": owner.uid }]);
    let rest = json!({
        "labels": { (name::CLASS): claim.class.as_str() }, "finalizers": [name::FINALIZER], "ownerReferences": owned,
    });
    let (key, uid) = (&claim.key, claim.uid.as_str());
    Ok(json!({
        "metadata": meta(&key.name, Some(key.namespace.as_str()), uid, &claim.version.0, &rest),
        "spec": { "className": claim.class, "owner": { "kind": "Pod", "name": owner.name, "uid": owner.uid } },
        "status": serde_json::to_value(status)?,
    }))
}

fn report(report: &NodeReport) -> anyhow::Result<Value> {
    let (boot, pod) = report
        .agent
        .clone()
        .unwrap_or_else(|| makers::agent(&report.name));
    let mut status = serde_json::to_value(&report.status)?;
    status["agent"] = json!({ "version": "0.1.0", "bootId": boot, "podUid": pod });
    let uid = report.owner.as_ref().map(ToString::to_string);
    let rest = json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "Node", "name": report.name, "uid": uid }] });
    let name = report.name.as_str();
    Ok(json!({
        "metadata": meta(name, None, name, &report.version.0, &rest), "spec": {}, "status": status,
    }))
}

/// The tags of an ENI, as XML.
pub fn tags(view: &operator_core::ec2::EniView) -> Vec<(&'static str, String)> {
    let tags = &view.tags;
    let created = tags.created_at.unwrap_or(Time(0));
    let text = |text: &Option<SmolStr>| text.clone().unwrap_or_default().to_string();
    vec![
        (tag::CLUSTER, text(&tags.cluster)),
        (tag::CLUSTER_UID, text(&tags.cluster_uid)),
        (
            tag::CLAIM_UID,
            tags.claim.clone().unwrap_or_default().to_string(),
        ),
        (tag::CLAIM, text(&tags.claim_name)),
        (tag::CREATED_AT, created.to_string()),
        (tag::INCARNATION, "1".to_owned()),
        (tag::NO_MANAGE, "true".to_owned()),
        (tag::NAME, text(&tags.claim_name)),
        ("team", "team-1".to_owned()),
    ]
}

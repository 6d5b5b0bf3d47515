//! The cluster of the hooks' tests: a small API server with the chart's workloads, and whoever acts on them.

use std::{
    io,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use kube::client::Body;
use kube_api::{
    Answer, Api, Id, Kinds, Method, Request,
    json::{at, put, text},
};
use serde_json::{Value, json};

use super::connection;

pub const SYSTEM: &str = "eniclaim-system";

/// What happens at the API server besides what is asked; an answer: instead of what is asked.
pub type Meanwhile = Arc<dyn Fn(&mut Api, &Request) -> Option<Answer> + Send + Sync>;

/// A cluster with operator, agents and a node.
#[derive(Clone)]
pub struct Cluster {
    pub api: Arc<Mutex<Api>>,
    pub meanwhile: Meanwhile,
}

/// Workloads as the API server stores them; nobody acts on them.
fn kinds() -> Kinds {
    let workload = |kind: &str| {
        let plural = format!("{}s", kind.to_lowercase());
        json!({ "spec": {
            "group": "apps", "scope": "Namespaced", "names": { "kind": kind, "plural": plural },
            "versions": [{ "name": "v1", "schema": { "openAPIV3Schema": {
                "type": "object", "properties": {
                    "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                    "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                },
            } } }],
        } })
    };
    let ours = crds::all().map(|crd| serde_json::to_value(crd).unwrap());
    let all: Vec<Value> = ours
        .into_iter()
        .chain(["Deployment", "DaemonSet"].map(workload))
        .collect();
    Kinds::new(&all)
}

pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub fn create(api: &mut Api, path: &str, object: Value) {
    let answer = api.call(&Request::new(Method::Post, path, object), now());
    assert!(answer.is_success(), "{path}: {:?}", answer.body);
}

fn apps(api: &mut Api, path: &str, kind: &str, name: &str, spec: Value) {
    let path = format!("/apis/apps/v1/namespaces/{SYSTEM}/{path}");
    let object = json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    create(api, &path, object);
}

pub fn pod(api: &mut Api, name: &str, component: &str) {
    let labels =
        json!({ "app.kubernetes.io/name": "eniclaim", "app.kubernetes.io/component": component });
    let spec = json!({ "nodeName": "n1", "containers": [{ "name": "c", "image": "i" }] });
    let object = json!({ "metadata": { "name": name, "labels": labels }, "spec": spec });
    create(api, &format!("/api/v1/namespaces/{SYSTEM}/pods"), object);
}

pub fn pods(api: &Api, component: &str) -> Vec<Id> {
    let pods = api
        .all("pods")
        .filter(|pod| at(pod, "metadata.labels")["app.kubernetes.io/component"] == component);
    pods.map(|pod| Id::new("pods", SYSTEM, text(pod, "metadata.name")))
        .collect()
}

pub fn set_phase(api: &mut Api, pod: &Id, phase: &str) {
    api.edit(pod, |pod| put(pod, "status.phase", phase));
}

/// Kubelet and the controllers of Kubernetes: pods that shall end do, and those that uninstall succeed.
fn controllers(api: &mut Api) {
    if replicas(api).0 == 0 {
        for id in pods(api, "operator") {
            if text(api.get(&id).unwrap(), "status.phase") != "Failed" {
                let path = format!("/api/v1/namespaces/{SYSTEM}/pods/{}", id.name);
                api.call(&Request::new(Method::Delete, &path, Value::Null), now());
                api.finish_pod(&id);
            }
        }
    }
    for id in pods(api, "uninstall") {
        if at(api.get(&id).unwrap(), "metadata.deletionTimestamp").is_null() {
            if text(api.get(&id).unwrap(), "metadata.name").starts_with("eniclaim-uninstall-") {
                set_phase(api, &id, "Succeeded");
            }
        } else {
            api.finish_pod(&id);
        }
    }
}

/// How many replicas the operator's Deployment has, and what its annotation says.
pub fn replicas(api: &Api) -> (i64, Value) {
    let id = Id::new("deployments.apps", SYSTEM, "eniclaim-operator");
    let operator = api.get(&id).unwrap();
    let before = &at(operator, "metadata.annotations")["eniclaim.io/replicas-before-drain"];
    (
        at(operator, "spec.replicas").as_i64().unwrap(),
        before.clone(),
    )
}

impl Cluster {
    pub fn new(
        meanwhile: impl Fn(&mut Api, &Request) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let mut api = Api::new(Arc::new(kinds()));
        for namespace in ["kube-system", SYSTEM, "shop"] {
            let object = json!({ "metadata": { "name": namespace } });
            create(&mut api, "/api/v1/namespaces", object);
        }
        create(
            &mut api,
            "/api/v1/nodes",
            json!({ "metadata": { "name": "n1", "labels": { "class.eniclaim.io/app": "odd" } } }),
        );
        api.edit(&Id::new("nodes", "", "n1"), |node| {
            put(
                node,
                "status.conditions",
                json!([{ "type": "Ready", "status": "True" }]),
            );
        });
        let labels = json!({ "app.kubernetes.io/component": "operator" });
        let operator =
            json!({ "replicas": 3, "selector": { "matchLabels": labels }, "template": {} });
        apps(
            &mut api,
            "deployments",
            "Deployment",
            "eniclaim-operator",
            operator,
        );
        let agent = json!({ "containers": [{ "name": "agent", "image": "i" }] });
        let agent = json!({ "selector": {}, "template": { "spec": agent } });
        apps(&mut api, "daemonsets", "DaemonSet", "eniclaim-agent", agent);
        pod(&mut api, "operator-a", "operator");
        pod(&mut api, "agent-a", "agent");
        let lease = json!({ "metadata": { "name": "eniclaim-operator" }, "spec": {} });
        let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases");
        create(&mut api, &leases, lease);
        Self {
            api: Arc::new(Mutex::new(api)),
            meanwhile: Arc::new(meanwhile),
        }
    }

    pub fn with<T>(&self, act: impl FnOnce(&mut Api) -> T) -> T {
        act(&mut self.api.lock().unwrap())
    }

    pub fn client(&self) -> kube::Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let cluster = cluster.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.map_err(io::Error::other)?;
                let call = connection::request(&parts, &body);
                let answer = cluster.with(|api| {
                    let instead = (cluster.meanwhile)(api, &call);
                    let answer = instead.unwrap_or_else(|| api.call(&call, now()));
                    controllers(api);
                    answer
                });
                io::Result::Ok(connection::reply(&answer))
            }
        });
        kube::Client::new(service, "default")
    }
}

pub fn is(call: &Request, method: Method, path: &str) -> bool {
    call.method == method && call.path.ends_with(path)
}

pub fn refusal(code: u16) -> Answer {
    let body = json!({ "kind": "Status", "status": "Failure", "code": code, "message": "no", "reason": "Some" });
    Answer {
        status: code,
        retry_after: None,
        body,
    }
}

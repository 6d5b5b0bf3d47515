//! `eniclaim-operator drain` against a small API server and EC2's rules: what it ends, and that it takes it back.

use std::{
    io,
    sync::{Arc, Mutex},
};

use clap::Parser;
use jiff::Timestamp;
use kube::client::Body;
use kube_api::{
    Answer, Api, Id, Kinds, Method, Request,
    json::{at, put, text},
};
use operator::{
    hooks::{self, HookError},
    options::{Command, Flags},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{cloud, connection, prepared::Aws};

const SYSTEM: &str = "eniclaim-system";

/// What happens at the API server besides what is asked; an answer: instead of what is asked.
type Meanwhile = Arc<dyn Fn(&mut Api, &Request) -> Option<Answer> + Send + Sync>;

/// A cluster with operator, agents and a node.
#[derive(Clone)]
struct Cluster {
    api: Arc<Mutex<Api>>,
    meanwhile: Meanwhile,
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

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn create(api: &mut Api, path: &str, object: Value) {
    let answer = api.call(&Request::new(Method::Post, path, object), now());
    assert!(answer.is_success(), "{path}: {:?}", answer.body);
}

fn apps(api: &mut Api, path: &str, kind: &str, name: &str, spec: Value) {
    let path = format!("/apis/apps/v1/namespaces/{SYSTEM}/{path}");
    let object = json!({ "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    create(api, &path, object);
}

fn pod(api: &mut Api, name: &str, component: &str) {
    let labels =
        json!({ "app.kubernetes.io/name": "eniclaim", "app.kubernetes.io/component": component });
    let spec = json!({ "nodeName": "n1", "containers": [{ "name": "c", "image": "i" }] });
    let object = json!({ "metadata": { "name": name, "labels": labels }, "spec": spec });
    create(api, &format!("/api/v1/namespaces/{SYSTEM}/pods"), object);
}

fn pods(api: &Api, component: &str) -> Vec<Id> {
    let pods = api
        .all("pods")
        .filter(|pod| at(pod, "metadata.labels")["app.kubernetes.io/component"] == component);
    pods.map(|pod| Id::new("pods", SYSTEM, text(pod, "metadata.name")))
        .collect()
}

fn set_phase(api: &mut Api, pod: &Id, phase: &str) {
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
fn replicas(api: &Api) -> (i64, Value) {
    let id = Id::new("deployments.apps", SYSTEM, "eniclaim-operator");
    let operator = api.get(&id).unwrap();
    let before = &at(operator, "metadata.annotations")["eniclaim.io/replicas-before-drain"];
    (
        at(operator, "spec.replicas").as_i64().unwrap(),
        before.clone(),
    )
}

impl Cluster {
    fn new(
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

    fn with<T>(&self, act: impl FnOnce(&mut Api) -> T) -> T {
        act(&mut self.api.lock().unwrap())
    }

    fn client(&self) -> kube::Client {
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

    async fn drain(&self, pods: &str, shutdown: &CancellationToken) -> Result<(), HookError> {
        let pods = format!("--pods={pods}");
        let namespace = format!("--namespace={SYSTEM}");
        let flags = [
            "eniclaim-operator",
            &namespace,
            "drain",
            &pods,
            "--timeout=5s",
        ];
        let flags = Flags::parse_from(flags);
        let Some(Command::Drain(options)) = flags.command.clone() else {
            panic!()
        };
        let ec2 = cloud::client(Aws::new(vec![]));
        hooks::drain(self.client(), ec2, &flags, &options, shutdown).await
    }

    /// Why it fails.
    async fn refuses(&self, pods: &str) -> String {
        let refused = self.drain(pods, &CancellationToken::new()).await;
        refused.unwrap_err().to_string()
    }

    async fn succeeds(&self) {
        let never = CancellationToken::new();
        self.drain("refuse", &never).await.unwrap();
    }

    fn replicas(&self) -> (i64, Value) {
        self.with(|api| replicas(api))
    }
}

/// A pod with its claim; it has none of the operator's finalizers.
fn pod_with_eni(api: &mut Api) {
    let labels = json!({ "eniclaim.io/class": "app" });
    let spec = json!({ "containers": [{ "name": "c", "image": "i" }] });
    let web = json!({ "metadata": { "name": "web", "labels": labels }, "spec": spec });
    create(api, "/api/v1/namespaces/shop/pods", web);
    let uid = text(
        api.get(&Id::new("pods", "shop", "web")).unwrap(),
        "metadata.uid",
    )
    .to_owned();
    let owner = json!({ "kind": "Pod", "name": "web", "uid": uid });
    let claim = json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim",
        "metadata": { "name": "web-0" }, "spec": { "className": "app", "owner": owner },
    });
    create(
        api,
        "/apis/eniclaim.io/v1alpha1/namespaces/shop/eniclaims",
        claim,
    );
}

fn is(call: &Request, method: Method, path: &str) -> bool {
    call.method == method && call.path.ends_with(path)
}

fn stops_operator(call: &Request) -> bool {
    is(call, Method::Patch, "/deployments/eniclaim-operator")
        && at(&call.body, "spec.replicas") == 0
}

fn refusal(code: u16) -> Answer {
    let body = json!({ "kind": "Status", "status": "Failure", "code": code, "message": "no", "reason": "Some" });
    Answer {
        status: code,
        retry_after: None,
        body,
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_ended_and_forgotten() {
    let cluster = Cluster::new(|_, _| None);
    cluster.with(|api| {
        // An evicted one stays at replicas 0, and pods of an earlier drain say nothing of this one.
        pod(api, "operator-evicted", "operator");
        set_phase(api, &Id::new("pods", SYSTEM, "operator-evicted"), "Failed");
        pod(api, "earlier", "uninstall");
        set_phase(api, &Id::new("pods", SYSTEM, "earlier"), "Succeeded");
    });
    cluster.succeeds().await;
    assert_eq!(cluster.replicas().0, 0);
    cluster.with(|api| {
        let left = pods(api, "uninstall");
        assert!(!left.iter().any(|pod| pod.name == "earlier"), "{left:?}");
        assert_eq!(left.len(), 1);
        let node = api.get(&Id::new("nodes", "", "n1")).unwrap();
        assert!(
            at(node, "metadata.labels")["class.eniclaim.io/app"].is_null(),
            "{node}"
        );
        assert_eq!(api.all("leases.coordination.k8s.io").count(), 0);
    });
    // Again, as after a hook that failed half-way.
    cluster.succeeds().await;
}

#[tokio::test(start_paused = true)]
async fn pod_that_comes_meanwhile_has_the_operator_started_again() {
    let cluster = Cluster::new(|api, call| {
        if stops_operator(call) {
            pod_with_eni(api);
        }
        None
    });
    let why = cluster.refuses("wait").await;
    assert!(why.starts_with("pods have ENIs (1): shop/web"), "{why}");
    assert_eq!(cluster.replicas(), (3, Value::Null));
}

#[tokio::test(start_paused = true)]
async fn operator_that_does_not_end_is_named_and_started_again() {
    let cluster = Cluster::new(|api, call| {
        if stops_operator(call) {
            api.edit(&Id::new("pods", SYSTEM, "operator-a"), |pod| {
                put(pod, "metadata.finalizers", json!(["example.com/held"]));
            });
        }
        None
    });
    let why = cluster.refuses("refuse").await;
    let named = "pods of the operator are still there (1): eniclaim-system/operator-a;";
    assert!(why.starts_with(named), "{why}");
    assert_eq!(cluster.replicas(), (3, Value::Null));
}

#[tokio::test(start_paused = true)]
async fn error_of_the_api_server_has_the_operator_started_again_and_both_errors_are_said() {
    let fails = |call: &Request| is(call, Method::Patch, "/daemonsets/eniclaim-agent");
    let cluster = Cluster::new(move |_, call| fails(call).then(|| refusal(500)));
    let why = cluster.refuses("refuse").await;
    assert!(
        why.starts_with("the API server did not end the agents: no"),
        "{why}"
    );
    assert_eq!(cluster.replicas(), (3, Value::Null));

    let cluster = Cluster::new(move |_, call| {
        let back =
            is(call, Method::Patch, "/deployments/eniclaim-operator") && !stops_operator(call);
        (fails(call) || back).then(|| refusal(500))
    });
    let why = cluster.refuses("refuse").await;
    assert!(
        why.contains("did not end the agents")
            && why.contains("moreover")
            && why.contains("did not scale"),
        "{why}"
    );
    // Who comes later knows how many there were.
    assert_eq!(cluster.replicas(), (0, json!("3")));
    let later = Cluster {
        meanwhile: Arc::new(move |_, call| fails(call).then(|| refusal(500))),
        ..cluster
    };
    later.refuses("refuse").await;
    assert_eq!(later.replicas(), (3, Value::Null));
}

#[tokio::test(start_paused = true)]
async fn signal_has_the_operator_started_again() {
    let shutdown = CancellationToken::new();
    let signal = shutdown.clone();
    let cluster = Cluster::new(move |_, call| {
        if stops_operator(call) {
            signal.cancel();
        }
        None
    });
    let ended = cluster.drain("refuse", &shutdown).await.unwrap_err();
    assert!(matches!(ended, HookError::Ended), "{ended}");
    assert_eq!(cluster.replicas(), (3, Value::Null));
}

#[tokio::test(start_paused = true)]
async fn claim_that_goes_only_after_the_operator_has_ended_is_awaited() {
    let looks = Arc::new(Mutex::new(0));
    let cluster = Cluster::new(move |api, call| {
        if stops_operator(call) {
            pod_with_eni(api);
            let web = Id::new("pods", "shop", "web");
            set_phase(api, &web, "Succeeded");
        }
        if is(call, Method::Get, "/eniclaims") && replicas(api).0 == 0 {
            let mut looks = looks.lock().unwrap();
            *looks += 1;
            if *looks == 10 {
                let path = "/apis/eniclaim.io/v1alpha1/namespaces/shop/eniclaims/web-0";
                api.call(&Request::new(Method::Delete, path, Value::Null), now());
            }
        }
        None
    });
    cluster.succeeds().await;
}

#[tokio::test(start_paused = true)]
async fn node_that_is_not_cleaned_in_time_has_no_pod_left_that_acts_later() {
    let cluster = Cluster::new(|_, call| {
        // Whatever pods have done, nobody learns of it.
        let asks = is(call, Method::Get, "/pods") && call.query.contains("uninstall");
        asks.then(|| Answer {
            status: 200,
            retry_after: None,
            body: json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [] }),
        })
    });
    let why = cluster.refuses("refuse").await;
    assert!(
        why.contains("nodes still have the CNI plugin (1): n1"),
        "{why}"
    );
    assert_eq!(cluster.with(|api| pods(api, "uninstall")), []);
}

#[tokio::test(start_paused = true)]
async fn refused_drain_leaves_no_pod_of_an_earlier_one() {
    let cluster = Cluster::new(|_, _| None);
    cluster.with(|api| {
        pod_with_eni(api);
        pod(api, "earlier", "uninstall");
    });
    let why = cluster.refuses("refuse").await;
    assert!(why.starts_with("pods have ENIs (1): shop/web"), "{why}");
    assert_eq!(cluster.with(|api| pods(api, "uninstall")), []);
}

#[tokio::test(start_paused = true)]
async fn cluster_without_a_name_is_not_drained() {
    let cluster = Cluster::new(|_, call| {
        is(call, Method::Get, "/namespaces/kube-system").then(|| Answer {
            status: 200,
            retry_after: None,
            body: json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": { "name": "kube-system", "uid": "" } }),
        })
    });
    let why = cluster.refuses("refuse").await;
    assert!(why.contains("no UID"), "{why}");
    assert_eq!(cluster.replicas().0, 3);
}

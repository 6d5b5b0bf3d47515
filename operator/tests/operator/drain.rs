//! `eniclaim-operator drain` against a small API server and EC2's rules: what it ends, and that it takes it back.

use std::sync::{Arc, Mutex};

use clap::Parser;
use kube_api::{
    Answer, Api, Id, Method, Request,
    json::{at, put, text},
};
use operator::{
    hooks::{self, HookError},
    options::{Command, Flags},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    cloud,
    hooks::{Cluster, SYSTEM, create, is, now, pod, pods, refusal, replicas, set_phase},
    prepared::Aws,
};

impl Cluster {
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

/// A pod that asks for an ENI, and that nobody has seen yet.
fn asking_pod(api: &mut Api) {
    let class = json!({ "eniclaim.io/class": "app" });
    let spec = json!({ "containers": [{ "name": "c", "image": "i" }] });
    let metadata = json!({ "name": "web", "labels": class, "annotations": class });
    let web = json!({ "metadata": metadata, "spec": spec });
    create(api, "/api/v1/namespaces/shop/pods", web);
}

/// A pod with its claim; it has none of the operator's finalizers.
fn pod_with_eni(api: &mut Api) {
    asking_pod(api);
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

fn stops_operator(call: &Request) -> bool {
    is(call, Method::Patch, "/deployments/eniclaim-operator")
        && at(&call.body, "spec.replicas") == 0
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
async fn pod_that_asks_and_has_no_claim_yet_is_in_the_way() {
    let cluster = Cluster::new(|_, _| None);
    cluster.with(asking_pod);
    let why = cluster.refuses("refuse").await;
    let named = "pods wait for ENIs (1): shop/web; delete these pods";
    assert!(why.starts_with(named), "{why}");
    let why = cluster.refuses("wait").await;
    assert!(why.starts_with("pods wait for ENIs (1): shop/web"), "{why}");
    assert_eq!(cluster.replicas(), (3, Value::Null));

    // One that comes after the first look, too.
    let cluster = Cluster::new(|api, call| {
        if stops_operator(call) {
            asking_pod(api);
        }
        None
    });
    let why = cluster.refuses("wait").await;
    assert!(why.starts_with("pods wait for ENIs (1): shop/web"), "{why}");
    assert_eq!(cluster.replicas(), (3, Value::Null));
}

/// Writes on the operator's Deployment what is to become of pods.
fn annotate(api: &mut Api, word: &str) {
    let operator = Id::new("deployments.apps", SYSTEM, "eniclaim-operator");
    let annotations = json!({ "eniclaim.io/uninstall-pods": word });
    api.edit(&operator, |o| put(o, "metadata.annotations", annotations));
}

#[tokio::test(start_paused = true)]
async fn person_decides_over_the_values_of_the_release() {
    let cluster = Cluster::new(|_, _| None);
    cluster.with(pod_with_eni);
    cluster.with(|api| annotate(api, "abandon"));
    cluster.succeeds().await;

    let cluster = Cluster::new(|_, _| None);
    cluster.with(pod_with_eni);
    cluster.with(|api| annotate(api, "keep"));
    let why = cluster.refuses("abandon").await;
    assert!(
        why.contains("\"keep\"; it can be refuse, wait or abandon"),
        "{why}"
    );
    assert_eq!(cluster.replicas(), (3, Value::Null));
}

#[tokio::test(start_paused = true)]
async fn pod_of_an_earlier_drain_has_ended_before_anything_is_done() {
    let looks = Arc::new(Mutex::new(0));
    let cluster = Cluster::new(move |api, call| {
        if is(call, Method::Get, "/pods") && call.query.contains("drain") {
            let mut looks = looks.lock().unwrap();
            *looks += 1;
            if *looks == 3 {
                set_phase(api, &Id::new("pods", SYSTEM, "drain-before"), "Failed");
            }
        }
        let ended = api.get(&Id::new("pods", SYSTEM, "drain-before"));
        let ended = ended.is_some_and(|pod| text(pod, "status.phase") == "Failed");
        assert!(ended || call.method == Method::Get, "{call:?}");
        None
    });
    cluster.with(|api| pod(api, "drain-before", "drain"));
    cluster.succeeds().await;

    let cluster = Cluster::new(|_, _| None);
    cluster.with(|api| pod(api, "drain-before", "drain"));
    let why = cluster.refuses("refuse").await;
    let named = "pods of an earlier drain are still there (1): eniclaim-system/drain-before;";
    assert!(why.starts_with(named), "{why}");
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

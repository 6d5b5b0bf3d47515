//! Everybody else in the cluster, scripted: users, scheduler, garbage collector, and the agents of the nodes.

use serde_json::{Value, json};
use tokio::time::{Duration, sleep};
use vpc::{AttachmentState, Launch, world as aws};

use super::{
    api::Call,
    world::{State, World},
};

const BOOT: &str = "boot-1";

/// Nodes, namespaces and a class.
pub fn furnish(state: &mut State) {
    for name in ["kube-system", "shop"] {
        make(
            state,
            "namespaces",
            "",
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
        );
    }
    for name in ["n1", "n2"] {
        let now = state.now();
        let instance = state.vpc.launch(launch(name), now).unwrap().instance.id;
        make(
            state,
            "nodes",
            "",
            json!({
                "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
                "spec": { "providerID": format!("aws:///us-east-1a/{instance}") },
                "status": { "capacity": { "cpu": "2" }, "allocatable": { "cpu": "2" }, "nodeInfo": {
                    "architecture": "amd64", "bootID": BOOT, "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "",
                    "kubeletVersion": "", "machineID": "", "operatingSystem": "linux", "osImage": "", "systemUUID": "" } },
            }),
        );
    }
    make(
        state,
        "eniclasses",
        "",
        json!({
            "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClass", "metadata": { "name": "app" },
            "spec": { "namespaceSelector": {}, "subnets": { "ids": [aws::SUBNET_NODES] }, "securityGroups": { "ids": [aws::GROUP_APP] } },
        }),
    );
}

pub fn make_pod(state: &mut State, name: &str, class: &str) {
    let asks = json!({ crds::CLASS: class });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": asks, "annotations": asks },
        "spec": { "containers": [] }, "status": { "phase": "Pending" },
    });
    make(state, "pods", "shop", pod);
}

pub fn delete_pod(state: &mut State, name: &str) {
    let now = state.stamp();
    state
        .api
        .delete(
            &("pods".into(), "shop".into(), name.into()),
            &Value::Null,
            &now,
        )
        .unwrap();
}

/// Scheduler, garbage collector and agents look around for ever.
pub async fn act(world: World) {
    loop {
        {
            let mut state = world.lock();
            let now = state.now();
            state.vpc.advance(now);
            schedule(&mut state);
            collect_garbage(&mut state);
            report(&mut state);
            tend(&mut state);
        }
        world.changed();
        sleep(Duration::from_millis(100)).await;
    }
}

fn make(state: &mut State, plural: &str, namespace: &str, object: Value) {
    let now = state.stamp();
    state
        .api
        .create(
            &(plural.into(), namespace.into(), String::new()),
            object,
            &now,
        )
        .unwrap();
}

/// A pod goes to a node that carries its class's label and has the resource left.
fn schedule(state: &mut State) {
    let pods: Vec<Value> = state
        .all("pods")
        .filter(|pod| pod["spec"]["nodeName"].is_null())
        .cloned()
        .collect();
    for mut pod in pods {
        let class = pod["metadata"]["labels"][crds::CLASS].as_str().unwrap();
        let label = format!("{}{class}", crds::CLASS_LABEL_PREFIX);
        let fits = |node: &&Value| {
            let name = &node["metadata"]["name"];
            let used = state
                .all("pods")
                .filter(|pod| pod["spec"]["nodeName"] == *name)
                .count();
            let has: usize = node["status"]["allocatable"][crds::RESOURCE]
                .as_str()
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            node["metadata"]["labels"][&label] == "true" && has > used
        };
        let Some(node) = state
            .all("nodes")
            .find(fits)
            .map(|node| node["metadata"]["name"].clone())
        else {
            continue;
        };
        pod["spec"]["nodeName"] = node;
        let id = (
            "pods".into(),
            "shop".into(),
            pod["metadata"]["name"].as_str().unwrap().to_owned(),
        );
        state.api.replace(id, pod);
    }
}

/// What is owned by nobody any more is deleted.
fn collect_garbage(state: &mut State) {
    let pods: Vec<Value> = state
        .all("pods")
        .map(|pod| pod["metadata"]["uid"].clone())
        .collect();
    let orphan = |claim: &&Value| !pods.contains(&claim["metadata"]["ownerReferences"][0]["uid"]);
    let alone: Vec<Value> = state
        .all("eniclaims")
        .filter(orphan)
        .map(|claim| claim["metadata"]["name"].clone())
        .collect();
    let now = state.stamp();
    for name in alone {
        let id = (
            "eniclaims".into(),
            "shop".into(),
            name.as_str().unwrap().to_owned(),
        );
        if state.api.objects[&id]["metadata"]["deletionTimestamp"].is_null() {
            state.api.delete(&id, &Value::Null, &now).unwrap();
        }
    }
}

/// Agents report as soon as there is a report of their node to write to.
fn report(state: &mut State) {
    let silent: Vec<Value> = state
        .all("eninodes")
        .filter(|n| n["status"]["agent"].is_null())
        .map(|n| n["metadata"]["name"].clone())
        .collect();
    for name in silent {
        let agent = json!({ "agent": { "version": "test", "bootId": BOOT, "podUid": "agent" } });
        say(state, ("eninodes", "", name.as_str().unwrap()), &agent);
    }
}

/// Each agent brings the devices of its claims where they belong.
fn tend(state: &mut State) {
    for claim in state.all("eniclaims").cloned().collect::<Vec<_>>() {
        let (status, attachment) = (&claim["status"], &claim["status"]["attachment"]);
        let Some(id) = attachment["id"].as_str() else {
            continue;
        };
        let eni = status["eni"]["id"]
            .as_str()
            .and_then(|eni| state.vpc.eni(&eni.into()));
        let there = eni
            .and_then(vpc::Eni::attachment)
            .is_some_and(|a| a.state == AttachmentState::Attached);
        let said = if status["device"]["attachmentId"] == id {
            status["device"]["state"].as_str()
        } else {
            None
        };
        let pod = &status["binding"]["podUid"];
        let runs = state.all("pods").any(|p| p["metadata"]["uid"] == *pod);
        let next = match said {
            _ if attachment["release"] == true => "Released",
            None if there => "Seen",
            Some("Seen") if runs => "Plugged",
            _ => continue,
        };
        if said != Some(next) {
            let device =
                json!({ "attachmentId": id, "state": next, "podUid": pod, "since": state.stamp() });
            let plugged = json!({ "type": "Plugged", "status": "True", "reason": next, "message": "", "lastTransitionTime": state.stamp() });
            let name = claim["metadata"]["name"].as_str().unwrap();
            say(
                state,
                ("eniclaims", "shop", name),
                &json!({ "device": device, "conditions": [plugged] }),
            );
        }
    }
}

fn say(state: &mut State, (plural, namespace, name): (&str, &str, &str), status: &Value) {
    let now = state.stamp();
    let call = Call {
        method: http::Method::PATCH,
        id: (plural.into(), namespace.into(), name.into()),
        status: true,
        query: [("fieldManager".to_owned(), crds::AGENT.to_owned())].into(),
        apply: true,
        body: json!({ "status": status }),
    };
    state.api.call(&call, &now).unwrap();
}

fn launch(name: &str) -> Launch {
    Launch {
        name: name.into(),
        instance_type: "m5.large".into(),
        subnet: aws::SUBNET_NODES.into(),
        address: None,
        groups: [aws::GROUP_NODES.into()].into(),
        routes: vec![],
        source_dest_check: false,
    }
}

//! What people and accidents do to the cluster, each as one call.

use std::collections::BTreeSet;

use kube_api::{
    Id, Method, Request, Snapshot,
    json::{at, list, put, text},
};
use serde_json::{Value, json};
use vpc::{GroupId, Launch, world as aws};

use super::{
    actors::{Agent, BOOT},
    world::State,
};

/// Where the agents run.
pub const SYSTEM: &str = "eniclaim-system";
/// Where pods run.
pub const SHOP: &str = "shop";

impl State {
    /// Namespaces, two nodes with their agents, and a class.
    pub fn seed(&mut self) {
        for name in ["kube-system", SYSTEM, SHOP, "default"] {
            let namespace =
                json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            self.create("/api/v1/namespaces", namespace);
        }
        for name in ["n1", "n2"] {
            self.add_node(name);
        }
        self.create("/apis/eniclaim.io/v1alpha1/eniclasses", class("app"));
    }

    /// A new instance that joins as a node of this name, with its agent's pod.
    pub fn add_node(&mut self, name: &str) {
        self.add_node_of(name, "m5.large");
    }

    /// The same with an instance of this type.
    pub fn add_node_of(&mut self, name: &str, instance_type: &str) {
        let now = self.now();
        let instance = self
            .vpc
            .launch(launch(name, instance_type), now)
            .unwrap()
            .instance
            .id;
        self.create(
            "/api/v1/nodes",
            json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
                "spec": { "providerID": format!("aws:///us-east-1a/{instance}") },
                "status": {
                    "capacity": { "cpu": "2" }, "allocatable": { "cpu": "2" },
                    "conditions": [ready("True")],
                    "nodeInfo": {
                        "architecture": "amd64", "bootID": BOOT, "containerRuntimeVersion": "", "kernelVersion": "", "kubeProxyVersion": "",
                        "kubeletVersion": "", "machineID": "", "operatingSystem": "linux", "osImage": "", "systemUUID": "" },
                },
            }),
        );
        let agent = format!("agent-{name}");
        let id = Id::new("pods", SYSTEM, &agent);
        self.force_delete(&id);
        let labels =
            json!({ "app.kubernetes.io/name": "eniclaim", "app.kubernetes.io/component": "agent" });
        self.create(
            &format!("/api/v1/namespaces/{SYSTEM}/pods"),
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": agent, "labels": labels },
                "spec": { "nodeName": name, "containers": [{ "name": "agent", "image": "agent" }] },
            }),
        );
        self.api.edit(&id, |pod| {
            put(
                pod,
                "status",
                json!({ "phase": "Running", "conditions": [ready("True")] }),
            );
        });
    }

    /// A pod that asks for an interface of this class.
    pub fn make_pod(&mut self, name: &str, class: &str) {
        self.make_asking(name, class, json!({ crds::CLASS: class }));
    }

    /// A pod that names the claim that it uses.
    pub fn make_user(&mut self, name: &str, class: &str, claim: &str) {
        let annotations = json!({ crds::CLASS: class, "eniclaim.io/claim": claim });
        self.make_asking(name, class, annotations);
    }

    fn make_asking(&mut self, name: &str, class: &str, annotations: Value) {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "labels": { crds::CLASS: class }, "annotations": annotations },
            "spec": {
                "nodeSelector": { format!("{}{class}", crds::CLASS_LABEL_PREFIX): "true" },
                "containers": [{
                    "name": "app", "image": "app",
                    "resources": { "requests": { crds::RESOURCE: "1" }, "limits": { crds::RESOURCE: "1" } },
                }],
            },
        });
        self.create(&format!("/api/v1/namespaces/{SHOP}/pods"), pod);
    }

    /// Deletes a pod with its grace.
    pub fn delete_pod(&mut self, name: &str) {
        self.delete(&Id::new("pods", SHOP, name));
    }

    /// Deletes a pod by force: the object goes at once, the container ends a little later.
    pub fn force_delete_pod(&mut self, name: &str) {
        self.force_delete(&Id::new("pods", SHOP, name));
    }

    /// Somebody deletes a claim by hand.
    pub fn delete_claim(&mut self, name: &str) {
        self.delete(&Id::new("eniclaims.eniclaim.io", SHOP, name));
    }

    /// Somebody makes a claim by hand, for a pod that may have one.
    pub fn make_claim(&mut self, name: &str, class: &str, pod: &str, uid: &str) {
        let claim = json!({
            "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim", "metadata": { "name": name },
            "spec": { "className": class, "owner": { "kind": "Pod", "name": pod, "uid": uid } },
        });
        let path = format!("/apis/eniclaim.io/v1alpha1/namespaces/{SHOP}/eniclaims");
        self.request(&Request::new(Method::Post, &path, claim));
    }

    /// Somebody makes a claim that outlives the pods that use it.
    pub fn make_lasting_claim(&mut self, name: &str, class: &str) {
        let claim = json!({
            "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClaim", "metadata": { "name": name },
            "spec": { "className": class },
        });
        let path = format!("/apis/eniclaim.io/v1alpha1/namespaces/{SHOP}/eniclaims");
        self.create(&path, claim);
    }

    /// Somebody sets a label, or removes it by null.
    pub fn label(&mut self, plural: &str, namespace: &str, name: &str, key: &str, value: Value) {
        self.patch(
            plural,
            namespace,
            name,
            json!({ "metadata": { "labels": { key: value } } }),
        );
    }

    /// A merge patch of somebody.
    pub fn patch(&mut self, plural: &str, namespace: &str, name: &str, patch: Value) {
        let path = self.path_of(plural, namespace, name);
        let request = Request::new(Method::Patch, &path, patch)
            .with_content_type("application/merge-patch+json");
        self.request(&request);
    }

    /// Somebody edits the security groups of a class.
    pub fn set_groups(&mut self, class: &str, groups: &[&str]) {
        let groups = json!({ "spec": { "securityGroups": { "ids": groups } } });
        self.patch("eniclasses", "", class, groups);
    }

    /// Whether each claim that is Ready has an ENI with the groups of its class, and says so.
    pub fn groups_follow(&self) -> bool {
        // Without the label nothing new is begun for a pod: what it has stays as it is.
        let asks = |pod: &&Value| at(pod, "metadata.labels").get(crds::CLASS).is_some();
        let asking: BTreeSet<&str> = (self.all("pods").filter(asks))
            .map(|pod| text(pod, "metadata.uid"))
            .collect();
        let follows = |claim: &&Value| {
            let is_ready = text(claim, "status.phase") == "Ready";
            is_ready && asking.contains(text(claim, "spec.owner.uid"))
        };
        self.all("eniclaims").filter(follows).all(|claim| {
            let class = text(claim, "spec.className");
            let mut classes = self.all("eniclasses");
            let class = classes.find(|c| text(c, "metadata.name") == class);
            let groups = class.map_or(&[][..], |class| list(class, "spec.securityGroups.ids"));
            let same = |ids: BTreeSet<&str>| {
                ids.len() == groups.len()
                    && groups
                        .iter()
                        .all(|id| id.as_str().is_some_and(|id| ids.contains(id)))
            };
            let eni = self.vpc.eni(&text(claim, "status.eni.id").into());
            let said = list(claim, "status.eni.securityGroupIds");
            let is_set = text(claim, "status.securityGroups.state") != "Requested";
            is_set
                && eni.is_some_and(|eni| same(eni.groups.iter().map(GroupId::as_str).collect()))
                && same(said.iter().filter_map(Value::as_str).collect())
        })
    }

    /// The API server's database goes back to a backup.
    pub fn restore(&mut self, backup: Snapshot) {
        self.note("* versions go back", "");
        self.api.restore(backup);
        self.judge.restored = Some(self.now());
    }

    /// The kubelet starts again and resets what it publishes.
    pub fn restart_kubelet(&mut self, node: &str) {
        self.api.edit(&Id::new("nodes", "", node), |node| {
            for part in ["capacity", "allocatable"] {
                put(node, &format!("status.{part}"), json!({ "cpu": "2" }));
            }
        });
    }

    /// The node's instance ends for good; the Node stays.
    pub fn terminate(&mut self, node: &str) {
        let Some(instance) = self.instance(node) else {
            return;
        };
        let now = self.now();
        self.vpc.terminate(&instance, now).unwrap();
        self.api.edit(&Id::new("nodes", "", node), |node| {
            put(node, "status.conditions", json!([ready("Unknown")]));
        });
    }

    /// The Node object goes.
    pub fn delete_node(&mut self, node: &str) {
        self.delete(&Id::new("nodes", "", node));
    }

    /// The node's instance ends, and another one takes its name.
    pub fn replace_node(&mut self, node: &str) {
        self.terminate(node);
        self.delete_node(node);
        self.add_node(node);
    }

    /// How a node's agent is from now on; an agent that is away is not ready.
    pub fn set_agent(&mut self, node: &str, agent: Agent) {
        self.actors.agents.insert(node.to_owned(), agent);
        let status = if agent.away { "False" } else { "True" };
        self.api
            .edit(&Id::new("pods", SYSTEM, &format!("agent-{node}")), |pod| {
                put(pod, "status.conditions", json!([ready(status)]));
            });
    }

    /// A claim that was made by hand: its phase, the pod that uses it, that pod's node, and its ENI.
    pub fn lasting(&self, name: &str) -> [&str; 4] {
        let mut claims = self.all("eniclaims");
        let claim = claims.find(|claim| text(claim, "metadata.name") == name);
        let fields = ["phase", "binding.podName", "nodeName", "eni.id"];
        fields.map(|field| claim.map_or("", |claim| text(claim, &format!("status.{field}"))))
    }

    /// The phase of a pod's claim.
    pub fn phase(&self, pod: &str) -> &str {
        let mut claims = self.all("eniclaims");
        let claim = claims.find(|claim| text(claim, "spec.owner.name") == pod);
        claim.map_or("", |claim| text(claim, "status.phase"))
    }
}

/// A class whose interfaces lie in the nodes' subnet.
pub fn class(name: &str) -> Value {
    json!({
        "apiVersion": "eniclaim.io/v1alpha1", "kind": "EniClass", "metadata": { "name": name },
        "spec": {
            "namespaceSelector": {}, "subnets": { "ids": [aws::SUBNET_NODES] },
            "securityGroups": { "ids": [aws::GROUP_APP] },
        },
    })
}

fn ready(status: &str) -> Value {
    json!({ "type": "Ready", "status": status })
}

fn launch(name: &str, instance_type: &str) -> Launch {
    Launch {
        name: name.into(),
        instance_type: instance_type.into(),
        subnet: aws::SUBNET_NODES.into(),
        address: None,
        groups: [aws::GROUP_NODES.into()].into(),
        routes: vec![],
        ipv6: None,
        source_dest_check: false,
    }
}

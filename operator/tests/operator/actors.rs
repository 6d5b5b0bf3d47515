//! Everybody else in the cluster: scheduler, kubelets, agents and controllers, one step at a time.

use std::collections::{BTreeMap, BTreeSet};

use kube_api::{
    Api, Id, Method, Request,
    json::{at, list, put, text},
};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};
use vpc::InstanceState;

use super::{
    static_pods::{Manifest, is_mirror, runtime_uid},
    world::{State, World},
};

/// The boot of every node.
pub const BOOT: &str = "boot-1";
/// How long the pods of a node that does not exist any more stay.
const POD_GC: u64 = 40_000;
/// How long a container takes that is asked to end and does not care.
const GRACE: u64 = 30_000;

/// What they know and what is true on the nodes.
#[derive(Debug, Default)]
pub struct Actors {
    /// Agents that are not as they should be, by node.
    pub agents: BTreeMap<String, Agent>,
    /// Attachments whose device is in a pod, with the pod's UID.
    pub devices: BTreeMap<String, String>,
    /// Running containers: pod UID and the node's instance.
    pub(super) containers: BTreeMap<String, String>,
    /// Static pods: what kubelets find in their folders of manifests, by the name of the mirror.
    pub(super) manifests: BTreeMap<String, Manifest>,
    /// Milliseconds that a container takes to end once its pod is deleted; its grace if absent.
    pub ends_after: Option<u64>,
    /// When something that takes its time began.
    since: BTreeMap<String, u64>,
    /// Whether something takes its time.
    is_waiting: bool,
    /// Objects and EC2 as they were at the end of the last look.
    seen: Option<(u64, usize)>,
}

/// How an agent is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Agent {
    /// It does nothing.
    pub away: bool,
    /// Milliseconds until it does what it has to.
    pub delay: u64,
}

impl Actors {
    /// Something changed that neither objects nor EC2 show.
    pub fn look_again(&mut self) {
        self.seen = None;
    }

    /// Whether the Node of an instance is declared out of service.
    pub fn is_out_of_service(&self, api: &Api, instance: &str) -> bool {
        let of_instance = |node: &&Value| text(node, "spec.providerID").ends_with(instance);
        let node = api.all("nodes").find(of_instance);
        node.is_some_and(|node| {
            list(node, "spec.taints")
                .iter()
                .any(|taint| text(taint, "key") == "node.kubernetes.io/out-of-service")
        })
    }
}

/// All of them look around for ever.
pub async fn act(world: World) {
    loop {
        let has_work = {
            let state = world.lock();
            let seen = (state.api.version(), state.vpc.pending().len());
            state.actors.is_waiting || state.actors.seen != Some(seen) || seen.1 > 0
        };
        if has_work {
            world.with(State::act);
        }
        sleep(Duration::from_millis(100)).await;
    }
}

impl State {
    fn act(&mut self) {
        let (now, time) = (self.now(), self.time());
        self.actors.is_waiting = false;
        self.vpc.advance(now);
        self.schedule();
        self.run_kubelets();
        self.run_agents();
        self.api.collect(time);
        self.actors.seen = Some((self.api.version(), self.vpc.pending().len()));
    }

    /// Whether so many milliseconds passed since this was first asked.
    pub(super) fn is_over(&mut self, what: &str, takes: u64) -> bool {
        let now = self.now();
        let since = *self.actors.since.entry(what.to_owned()).or_insert(now);
        let is_over = now >= since + takes;
        self.actors.is_waiting |= !is_over;
        is_over
    }

    /// A pod goes to a node that carries its class's label and has the resource left.
    fn schedule(&mut self) {
        let is_waiting = |pod: &&Value| {
            at(pod, "spec.nodeName").is_null() && at(pod, "metadata.deletionTimestamp").is_null()
        };
        let waiting: Vec<Id> = self.all("pods").filter(is_waiting).map(id_of_pod).collect();
        for id in waiting {
            let Some(node) = self.node_for(&id) else {
                continue;
            };
            self.api.edit(&id, |pod| put(pod, "spec.nodeName", node));
        }
    }

    fn node_for(&self, id: &Id) -> Option<String> {
        let selector = at(self.api.get(id)?, "spec.nodeSelector").as_object();
        let fits = |node: &&Value| {
            let name = text(node, "metadata.name");
            let uses = |pod: &&Value| {
                text(pod, "spec.nodeName") == name
                    && !matches!(text(pod, "status.phase"), "Failed" | "Succeeded")
                    && asks(pod)
            };
            let used = self.all("pods").filter(uses).count();
            let allocatable = at(node, "status.allocatable").get(crds::RESOURCE);
            let has = allocatable
                .and_then(Value::as_str)
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            let labels = at(node, "metadata.labels");
            at(node, "metadata.deletionTimestamp").is_null()
                && self.is_alive(name)
                && selector
                    .into_iter()
                    .flatten()
                    .all(|(key, value)| labels.get(key) == Some(value))
                && has > used
        };
        let node = self.all("nodes").find(fits)?;
        Some(text(node, "metadata.name").to_owned())
    }

    /// The instance of a node.
    pub fn instance(&self, node: &str) -> Option<vpc::InstanceId> {
        let node = self.api.get(&Id::new("nodes", "", node))?;
        let (_, id) = text(node, "spec.providerID").rsplit_once('/')?;
        Some(id.into())
    }

    /// Whether the node's instance runs.
    pub fn is_alive(&self, node: &str) -> bool {
        self.instance(node)
            .and_then(|id| self.vpc.instance(&id).map(|i| i.state))
            .is_some_and(|state| state == InstanceState::Running)
    }

    /// Containers start when their device is there, end after their pods are deleted, and then the pods go.
    fn run_kubelets(&mut self) {
        let vpc = &self.vpc;
        let lives = |instance: &String| {
            let instance = vpc.instance(&instance.as_str().into());
            instance.is_some_and(|i| i.state == InstanceState::Running)
        };
        let dead: Vec<String> = self
            .actors
            .containers
            .iter()
            .filter(|(_, instance)| !lives(instance))
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in dead {
            self.end_sandbox(&uid);
        }
        self.end_containers();
        self.mirror_static_pods();
        let placed = |pod: &&Value| !at(pod, "spec.nodeName").is_null();
        let pods: Vec<Value> = self.all("pods").filter(placed).cloned().collect();
        let nodes: BTreeSet<String> = self
            .all("nodes")
            .map(|n| text(n, "metadata.name").to_owned())
            .collect();
        for pod in pods {
            let node = text(&pod, "spec.nodeName");
            if !nodes.contains(node) {
                self.forget_pod(&pod);
            } else if self.is_alive(node) {
                self.run_pod(&pod, node);
            }
        }
    }

    /// The garbage collector of pods: what is bound to a node that does not exist goes by force.
    fn forget_pod(&mut self, pod: &Value) {
        let uid = text(pod, "metadata.uid");
        if self.is_over(&format!("forget {uid}"), POD_GC) {
            self.force_delete(&id_of_pod(pod));
        }
    }

    pub fn path_of(&self, plural: &str, namespace: &str, name: &str) -> String {
        let resource = self.api.kinds().named(plural).unwrap().resource();
        self.api.path(&Id::new(&resource, namespace, name)).unwrap()
    }

    /// Deletes a pod without waiting for its kubelet.
    pub fn force_delete(&mut self, id: &Id) {
        let path = self.api.path(id).unwrap();
        let body = json!({ "gracePeriodSeconds": 0 });
        self.request(&Request::new(Method::Delete, &path, body));
    }

    /// Containers whose pod was deleted by force end, too, as soon as they would have.
    fn end_containers(&mut self) {
        let of_api = self.all("pods").filter(|pod| !is_mirror(pod));
        let of_api = of_api.map(|pod| text(pod, "metadata.uid").to_owned());
        let of_files = self.actors.manifests.values().map(|m| m.hash.clone());
        let pods: BTreeSet<String> = of_api.chain(of_files).collect();
        let takes = self.actors.ends_after.unwrap_or(GRACE);
        let without_pod = |uid: &&String| !pods.contains(*uid);
        // A sandbox has its device before its containers run.
        let (running, plugged) = (self.actors.containers.keys(), self.actors.devices.values());
        let alone: BTreeSet<String> = running
            .chain(plugged)
            .filter(without_pod)
            .cloned()
            .collect();
        for uid in alone {
            if self.is_over(&format!("end {uid}"), takes) {
                self.end_sandbox(&uid);
            }
        }
    }

    /// The sandbox ends: its network namespace dies, and the device is back on the node.
    fn end_sandbox(&mut self, uid: &str) {
        self.actors.containers.remove(uid);
        self.actors.devices.retain(|_, pod| pod != uid);
    }

    fn run_pod(&mut self, pod: &Value, node: &str) {
        let (id, uid) = (id_of_pod(pod), runtime_uid(pod).to_owned());
        let instance = self.instance(node).unwrap().to_string();
        if at(pod, "metadata.deletionTimestamp").is_null() {
            let is_plugged = !asks(pod) || self.actors.devices.values().any(|p| *p == uid);
            if is_plugged {
                self.actors.containers.entry(uid).or_insert(instance);
                self.api
                    .edit(&id, |pod| put(pod, "status.phase", "Running"));
            }
            return;
        }
        if is_mirror(pod) {
            // The pod runs on.
            return;
        }
        let grace = at(pod, "metadata.deletionGracePeriodSeconds")
            .as_u64()
            .unwrap_or(0)
            * 1000;
        let takes = self
            .actors
            .ends_after
            .map_or(grace, |after| after.min(grace));
        let runs = self.actors.containers.contains_key(&uid);
        if !runs || self.is_over(&format!("end {uid}"), takes) {
            self.end_sandbox(&uid);
            self.api.finish_pod(&id);
        }
    }
}

/// Whether a pod asks for an interface.
fn asks(pod: &Value) -> bool {
    at(pod, "metadata.annotations").get(crds::CLASS).is_some()
}

pub fn id_of_pod(pod: &Value) -> Id {
    Id::new(
        "pods",
        text(pod, "metadata.namespace"),
        text(pod, "metadata.name"),
    )
}

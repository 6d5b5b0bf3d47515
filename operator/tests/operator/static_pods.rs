//! Static pods: kubelets run them from files and show their mirrors.

use kube_api::{
    Id,
    json::{at, text},
};
use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use super::{
    actors::id_of_pod,
    story::{rests, tell},
    users::SHOP,
    world::{State, World},
};

/// A file in a kubelet's folder of manifests.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub node: String,
    pub class: String,
    /// The UID that kubelet gives the pod.
    pub hash: String,
}

/// Whether a pod is the mirror of a static one.
pub fn is_mirror(pod: &Value) -> bool {
    annotation(pod).is_some()
}

/// The UID under which the runtime knows a pod.
pub fn runtime_uid(pod: &Value) -> &str {
    annotation(pod).unwrap_or_else(|| text(pod, "metadata.uid"))
}

fn annotation(pod: &Value) -> Option<&str> {
    at(pod, "metadata.annotations")
        .get(crds::name::MIRROR)?
        .as_str()
}

impl State {
    /// What kubelet does about mirrors, pkg/kubelet/kubelet.go: one that does not fit goes once its pod has ended, and what is
    /// missing is made.
    pub(super) fn mirror_static_pods(&mut self) {
        let mirrors: Vec<Value> = self.all("pods").filter(|p| is_mirror(p)).cloned().collect();
        for mirror in &mirrors {
            let wanted = self.actors.manifests.get(text(mirror, "metadata.name"));
            let is_wanted = wanted.is_some_and(|m| m.hash == runtime_uid(mirror));
            let is_deleted = !at(mirror, "metadata.deletionTimestamp").is_null();
            let (containers, devices) = (&self.actors.containers, &self.actors.devices);
            let mut sandboxes = containers.keys().chain(devices.values());
            let runs = sandboxes.any(|uid| uid == runtime_uid(mirror));
            if is_wanted && is_deleted || !is_wanted && !runs {
                self.force_delete(&id_of_pod(mirror));
            }
        }
        for (name, manifest) in self.actors.manifests.clone() {
            if self.api.get(&Id::new("pods", SHOP, &name)).is_none() {
                self.make_mirror(&name, &manifest);
            }
        }
    }

    fn make_mirror(&mut self, name: &str, manifest: &Manifest) {
        let Manifest { node, class, hash } = manifest;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name, "labels": { crds::CLASS: class },
                "annotations": { crds::CLASS: class, crds::name::MIRROR: hash },
            },
            "spec": { "nodeName": node, "containers": [{ "name": "app", "image": "app" }] },
        });
        self.create(&format!("/api/v1/namespaces/{SHOP}/pods"), pod);
    }

    fn write_manifest(&mut self, name: &str, hash: &str) {
        let manifest = Manifest {
            node: "n1".into(),
            class: "app".into(),
            hash: hash.into(),
        };
        self.actors.manifests.insert(name.to_owned(), manifest);
        self.actors.look_again();
    }

    /// The claim of a static pod, once its interface is in the pod.
    fn ready_claim(&self, hash: &str) -> Option<&Value> {
        let mut claims = self.all("eniclaims");
        let plugged = self.actors.devices.values().any(|uid| uid == hash);
        claims.find(|claim| {
            text(claim, "spec.owner.uid") == hash
                && text(claim, "status.phase") == "Ready"
                && plugged
        })
    }
}

async fn a_static_pod(world: &World) {
    world.with(|state| state.write_manifest("proxy-n1", "0a1b2c"));
    let has_one = |state: &State| state.ready_claim("0a1b2c").is_some();
    world.until("a static pod has its interface", has_one).await;
    let uid =
        |state: &mut State| text(state.ready_claim("0a1b2c").unwrap(), "metadata.uid").to_owned();
    let claim = world.with(uid);
    let mirror = Id::new("pods", SHOP, "proxy-n1");
    for by_force in [false, true] {
        world.with(|state| {
            if by_force {
                state.force_delete(&mirror);
            } else {
                state.delete(&mirror);
            }
        });
        sleep(Duration::from_mins(2)).await;
        assert_eq!(
            world.with(uid),
            claim,
            "the mirror is another, the pod is not"
        );
    }
    world.with(|state| state.write_manifest("proxy-n1", "ffff00"));
    let has_another = |state: &State| {
        state.ready_claim("ffff00").is_some() && state.all("eniclaims").count() == 1
    };
    world.until("a changed one has another", has_another).await;
    world.with(|state| {
        state.actors.manifests.clear();
        state.actors.look_again();
    });
    rests(world).await;
}

#[test]
fn a_static_pod_has_its_interface_as_long_as_its_manifest_stays() {
    tell(11, a_static_pod);
}

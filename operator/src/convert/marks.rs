//! What the object of a pod says of its ENIs, as the Network Plumbing Working Group and Kubernetes write it.

use std::net::IpAddr;

use api::{SmolStr, id::Mac};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use operator_core::marks::{Marks, Network, Networks, PodReady, PodWrite};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::object::{time_of, uid_of, version_of};

/// By it an entry is ours: no namespace has a dot in its name, so no `NetworkAttachmentDefinition` is called so.
const PREFIX: &str = "eniclaim.io/";

/// An entry of ours. `dns` is there, for Multus writes it, too.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    interface: SmolStr,
    ips: Vec<IpAddr>,
    mac: Mac,
    dns: Dns,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dns {}

/// What a pod's object says.
pub(super) fn marks(pod: &Pod) -> Marks {
    let text = pod.annotations().get(api::name::NETWORK_STATUS);
    let conditions = pod
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    let mut ready = conditions.filter(|c| c.type_ == api::name::POD_READY);
    Marks {
        object: uid_of::<String>(pod).map(SmolStr::new).unwrap_or_default(),
        version: version_of(pod).unwrap_or_default(),
        networks: text.map_or_else(Networks::default, |text| networks(text)),
        ready: ready.next().map(|c| c.status == "True"),
    }
}

fn networks(text: &str) -> Networks {
    let Ok(entries) = serde_json::from_str::<Vec<Value>>(text) else {
        return Networks::Unreadable;
    };
    let is_ours = |entry: &Value| {
        let name = entry.get("name").and_then(Value::as_str);
        name.is_some_and(|name| name.starts_with(PREFIX))
    };
    let (ours, others): (Vec<Value>, Vec<Value>) = entries.into_iter().partition(is_ours);
    // One that was changed is no entry of ours any more, and is written anew.
    Networks::List {
        others: others
            .iter()
            .map(|other| other.to_string().into())
            .collect(),
        ours: ours.into_iter().filter_map(network).collect(),
    }
}

fn network(entry: Value) -> Option<Network> {
    let Entry {
        name,
        interface,
        ips,
        mac,
        dns: Dns {},
    } = serde_json::from_value(entry).ok()?;
    Some(Network {
        class: name.strip_prefix(PREFIX)?.into(),
        interface,
        ips: ips.into(),
        mac,
    })
}

/// The annotation: entries of others first, as they were.
fn annotation(others: &[SmolStr], ours: &[Network]) -> String {
    let others = others.iter().map(ToString::to_string);
    let ours = ours.iter().map(|network| {
        let Network {
            class,
            interface,
            ips,
            mac,
        } = network;
        json!({
            "name": format!("{PREFIX}{class}"), "interface": interface, "ips": ips, "mac": mac, "dns": {},
        })
        .to_string()
    });
    format!("[{}]", others.chain(ours).collect::<Vec<_>>().join(","))
}

/// A strategic merge patch of `pods/status`, which takes metadata, too (`podStatusStrategy` in pkg/registry/core/pod/strategy.go):
/// kubelet's conditions stay. The version stands beside the annotation alone, which has entries of others; the UID tells a pod
/// from an earlier one of its name.
pub(crate) fn pod_patch(write: &PodWrite) -> Value {
    let PodWrite {
        key: _,
        object,
        version,
        networks,
        ready,
    } = write;
    let mut metadata = Map::from_iter([("uid".to_owned(), json!(object))]);
    if let Some((others, ours)) = networks {
        let annotation = json!({ api::name::NETWORK_STATUS: annotation(others, ours) });
        metadata.insert("resourceVersion".to_owned(), json!(version.0));
        metadata.insert("annotations".to_owned(), annotation);
    }
    let mut patch = Map::from_iter([("metadata".to_owned(), Value::Object(metadata))]);
    if let Some(ready) = ready {
        let status = json!({ "conditions": [condition(ready)] });
        patch.insert("status".to_owned(), status);
    }
    Value::Object(patch)
}

fn condition(ready: &PodReady) -> Value {
    let PodReady {
        holds,
        reason,
        message,
        since,
    } = ready;
    let status = if *holds { "True" } else { "False" };
    json!({
        "type": api::name::POD_READY, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": time_of(*since),
    })
}

#[cfg(test)]
mod tests {
    use operator_core::{Time, cluster::Key};

    use super::*;

    fn network() -> Network {
        Network {
            class: "app".into(),
            interface: "eni0".into(),
            ips: ["10.0.1.50".parse().unwrap()].into(),
            mac: "02:00:00:00:00:0a".parse().unwrap(),
        }
    }

    fn of(annotation: Option<&str>) -> Marks {
        let annotations = annotation.map(|a| json!({ api::name::NETWORK_STATUS: a }));
        let pod = json!({
            "metadata": { "name": "p", "uid": "u-1", "resourceVersion": "7", "annotations": annotations },
            "status": { "conditions": [
                { "type": "Ready", "status": "False" }, { "type": "eniclaim.io/Ready", "status": "True" },
            ] },
        });
        marks(&serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn what_is_written_is_read_back_and_what_others_wrote_stays() {
        let multus = r#"{"default":true,"dns":{},"interface":"eth0","ips":["10.244.0.7"],"mac":"0a:00:00:00:00:01","name":"pods"}"#;
        let others: Box<[SmolStr]> = [SmolStr::new(multus)].into();
        let text = annotation(&others, &[network()]);
        assert_eq!(
            text,
            format!(
                r#"[{multus},{{"dns":{{}},"interface":"eni0","ips":["10.0.1.50"],"mac":"02:00:00:00:00:0a","name":"eniclaim.io/app"}}]"#
            )
        );
        let read = of(Some(&text));
        let ours = [network()].into();
        assert_eq!(read.networks, Networks::List { others, ours });
        assert_eq!((read.object.as_str(), read.ready), ("u-1", Some(true)));
        assert_eq!(of(None).networks, Networks::default());
    }

    #[test]
    fn an_entry_of_ours_that_was_changed_is_none_and_what_is_no_list_is_left_alone() {
        let changed = r#"[{"name":"eniclaim.io/app","interface":"eni0","ips":["10.0.1.50"],"mac":"02:00:00:00:00:0a","dns":{},"default":true}]"#;
        assert_eq!(of(Some(changed)).networks, Networks::default());
        for text in ["", "{}", "[", "null", "\"eth0\""] {
            assert_eq!(of(Some(text)).networks, Networks::Unreadable, "{text}");
        }
    }

    #[test]
    fn a_patch_names_what_changes_alone() {
        let mut write = PodWrite {
            key: Key::new("shop", "p"),
            object: "u-1".into(),
            version: "7".into(),
            networks: None,
            ready: Some(PodReady {
                holds: true,
                reason: "Ready".into(),
                message: "there".into(),
                since: Time(1_000),
            }),
        };
        let condition = json!({
            "type": "eniclaim.io/Ready", "status": "True", "reason": "Ready", "message": "there",
            "lastTransitionTime": "1970-01-01T00:00:01Z",
        });
        assert_eq!(
            pod_patch(&write),
            json!({ "metadata": { "uid": "u-1" }, "status": { "conditions": [condition] } })
        );
        write.ready = None;
        write.networks = Some((Box::default(), Box::default()));
        let annotations = json!({ api::name::NETWORK_STATUS: "[]" });
        assert_eq!(
            pod_patch(&write),
            json!({ "metadata": { "uid": "u-1", "resourceVersion": "7", "annotations": annotations } })
        );
    }
}

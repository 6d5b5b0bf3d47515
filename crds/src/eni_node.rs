//! EniNode: what a node can hold and holds; a report, named as its Node.

use api::NodeStatus;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// Empty: an EniNode is a report, all of it in the status.
#[derive(CustomResource, KubeSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "eniclaim.io",
    version = "v1alpha1",
    kind = "EniNode",
    plural = "eninodes",
    singular = "eninode",
    shortname = "enode",
    category = "eni",
    status = "NodeStatus",
    derive = "PartialEq",
    annotation("helm.sh/resource-policy", "keep"),
    doc = "EniNode reports how many network interfaces a node can hold, and which it holds. It is named as its Node.",
    printcolumn(name = "Instance", type_ = "string", json_path = ".status.instance.id"),
    printcolumn(name = "Type", type_ = "string", json_path = ".status.instance.type"),
    printcolumn(name = "Zone", type_ = "string", json_path = ".status.instance.zone"),
    printcolumn(name = "Capacity", type_ = "integer", json_path = ".status.capacity"),
    printcolumn(name = "Used", type_ = "integer", json_path = ".status.used"),
    printcolumn(name = "Free", type_ = "integer", json_path = ".status.free"),
    printcolumn(
        name = "Agent",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"AgentReady\")].status"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
pub struct EniNodeSpec {}

//! Objects of Kubernetes and EC2 as the core's nouns, and back: one converter a direction.

mod claim;
mod class;
mod ec2;
mod marks;
mod neighbours;
mod net_admin;
mod node;
mod object;
mod pod;
mod report;
mod service_cidr;
mod uses;

pub(crate) use claim::{claim, claim_id, new_claim};
pub(crate) use class::class;
pub(crate) use ec2::{Malformed, attachment_id, eni, group, instance, instance_type, subnet};
pub(crate) use marks::pod_patch;
pub(crate) use neighbours::{AWS_NODE, CniNode, KUBE_SYSTEM, cni_node, vpc_cni};
pub(crate) use node::{namespace, node};
pub(crate) use object::{key_of, name_of, time_of};
pub(crate) use pod::{agent_pod, has_ended, phase, pod};
pub(crate) use report::{new_report, report};
pub(crate) use service_cidr::service_cidr;

//! The only place where objects of Kubernetes and EC2 become the core's nouns, and the core's become theirs.

mod claim;
mod cloud;
mod cluster;
mod report;
mod time;

pub(crate) use claim::{claim, claim_id, new_claim, status};
pub(crate) use cloud::{eni, instance, instance_type, subnet};
pub(crate) use cluster::{class, key_of, name_of, namespace, node, pod};
pub(crate) use report::{new_report, report, report_status};
pub(crate) use time::micro;

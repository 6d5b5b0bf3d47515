//! Classes, and the selectors in them.

use std::collections::BTreeSet;

use crds::{EniClass, EniClassSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use operator_core::cluster::{Class, Requirement, Selector};

use super::object::name_of;

/// A class. Its signature is that of its siblings, which can fail.
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn class(class: EniClass) -> Option<Class> {
    let name = name_of(&class);
    let EniClassSpec {
        namespace_selector,
        subnets,
        security_groups,
        interface,
        source_dest_check,
        connection_tracking,
        tags,
    } = class.spec;
    Some(Class {
        name,
        namespaces: namespace_selector.map(selector),
        subnets: subnets.ids,
        groups: security_groups.ids,
        interface,
        source_dest_check,
        connection_tracking,
        tags,
    })
}

fn selector(selector: LabelSelector) -> Selector {
    let LabelSelector {
        match_labels,
        match_expressions,
    } = selector;
    let labels = match_labels.into_iter().flatten();
    let labels = labels.map(|(key, value)| Requirement::In(key, BTreeSet::from([value])));
    let expressions = match_expressions.into_iter().flatten().map(requirement);
    Selector {
        requirements: labels.chain(expressions).collect(),
    }
}

fn requirement(requirement: LabelSelectorRequirement) -> Requirement {
    let LabelSelectorRequirement {
        key,
        operator,
        values,
    } = requirement;
    let values = values.unwrap_or_default().into_iter().collect();
    match operator.as_str() {
        "NotIn" => Requirement::NotIn(key, values),
        "Exists" => Requirement::Exists(key),
        "DoesNotExist" => Requirement::DoesNotExist(key),
        "In" => Requirement::In(key, values),
        // The schema lets nothing else through; what would come anyway selects nothing.
        _ => Requirement::In(key, BTreeSet::new()),
    }
}

//! Classes, and the selectors in them.

use std::collections::BTreeSet;

use crds::{AddressCounts, EniClass, EniClassSpec, IpFamily};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use operator_core::{
    addresses::Addresses,
    cluster::{Class, Requirement, Selector},
};

use super::object::{name_of, uid_of, version_of};

/// A class; none for an object that the API server cannot have sent.
pub(crate) fn class(class: EniClass) -> Option<Class> {
    let (name, uid, version) = (
        name_of(&class),
        uid_of::<String>(&class)?,
        version_of(&class)?,
    );
    let generation = class.metadata.generation.unwrap_or(0);
    let status = class.status.unwrap_or_default();
    let EniClassSpec {
        namespace_selector,
        subnets,
        ip_families,
        address_counts,
        security_groups,
        drift_policy,
        interface,
        source_dest_check,
        connection_tracking,
        tags,
    } = class.spec;
    Some(Class {
        name,
        uid: uid.into(),
        version,
        generation,
        namespaces: namespace_selector.map(selector),
        subnets,
        addresses: addresses(ip_families, &address_counts.unwrap_or_default()),
        groups: security_groups,
        drift_policy,
        interface,
        source_dest_check,
        connection_tracking,
        tags,
        status,
    })
}

fn addresses(families: Vec<IpFamily>, counts: &AddressCounts) -> Addresses {
    let AddressCounts {
        ipv4,
        ipv6,
        ipv4_prefixes,
        ipv6_prefixes,
    } = counts;
    Addresses {
        families,
        ipv4: ipv4.unwrap_or(1),
        ipv4_prefixes: ipv4_prefixes.unwrap_or(0),
        ipv6: ipv6.unwrap_or(1),
        ipv6_prefixes: ipv6_prefixes.unwrap_or(0),
    }
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

//! Who may have a claim, and where its ENI is to be made.

use std::collections::BTreeMap;

use crate::{
    claim::{Claim, CreateRequest, Creation, Interface},
    cluster::{Class, NamespaceFacts, Pod},
    id::{ClusterId, GroupId, InstanceId, NodeName, NodeUid, SubnetId},
    reason::{Note, Reason},
    time::Time,
    token::client_token,
};

/// Where and how the ENI of a claim is to be made, once its pod has a node that can take it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Site {
    /// The pod's node.
    pub node: NodeName,
    /// UID of the node object.
    pub node_uid: NodeUid,
    /// The node's instance.
    pub instance: InstanceId,
    /// What the class says of the interface.
    pub interface: Interface,
    /// What the class says of the ENI.
    pub shape: Shape,
}

/// What a class says of an ENI, with the subnet chosen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Where it is made.
    pub subnet: SubnetId,
    /// The groups it gets.
    pub groups: Vec<GroupId>,
    /// The class's own tags.
    pub tags: BTreeMap<String, String>,
}

/// AWS tags of ours, as the crate `crds` documents them.
pub mod tag {
    /// The cluster.
    pub const CLUSTER: &str = "eniclaim.io/cluster";
    /// UID of the claim.
    pub const CLAIM_UID: &str = "eniclaim.io/claim-uid";
    /// Namespace and name of the claim.
    pub const CLAIM: &str = "eniclaim.io/claim";
    /// Class of the claim.
    pub const CLASS: &str = "eniclaim.io/class";
    /// When the request was frozen.
    pub const CREATED_AT: &str = "eniclaim.io/created-at";
    /// Which request it was.
    pub const INCARNATION: &str = "eniclaim.io/incarnation";
    /// Keeps the AWS VPC CNI away.
    pub const NO_MANAGE: &str = "node.k8s.amazonaws.com/no_manage";
    /// What the console shows.
    pub const NAME: &str = "Name";
}

/// Characters that EC2 takes as the description of an ENI.
const DESCRIPTION: usize = 255;

impl Shape {
    /// The claim's n-th request, complete enough to be repeated word for word.
    pub fn freeze(
        &self,
        claim: &Claim,
        cluster: &ClusterId,
        incarnation: u32,
        now: Time,
    ) -> Creation {
        let started_at = now.whole_second();
        let mut tags = self.tags.clone();
        tags.extend(
            [
                (tag::CLUSTER, cluster.to_string()),
                (tag::CLAIM_UID, claim.uid.to_string()),
                (tag::CLAIM, claim.key.to_string()),
                (tag::CLASS, claim.class.to_string()),
                (tag::CREATED_AT, started_at.to_string()),
                (tag::INCARNATION, incarnation.to_string()),
                (tag::NO_MANAGE, "true".to_owned()),
                (tag::NAME, claim.key.to_string()),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        Creation {
            incarnation,
            token: client_token(&claim.uid, incarnation),
            request: CreateRequest {
                subnet: self.subnet.clone(),
                groups: self.groups.clone(),
                description: format!("eniclaim {} in cluster {cluster}", claim.key)
                    .chars()
                    .take(DESCRIPTION)
                    .collect(),
                tags,
            },
            started_at,
        }
    }

    /// Whether that request asked for the same.
    pub fn is_asked_by(&self, creation: &Creation, claim: &Claim, cluster: &ClusterId) -> bool {
        self.freeze(claim, cluster, creation.incarnation, creation.started_at)
            .request
            == creation.request
    }
}

/// Whether this pod may have a claim; if not, the sentence that its Event says.
pub fn admit(
    pod: &Pod,
    class: Option<&Class>,
    namespace: Option<&NamespaceFacts>,
) -> Result<(), Note> {
    let name = &pod.class;
    if !pod.annotated {
        return Err(Note::new(
            Reason::NotAnnotated,
            format!(
                "the pod has the label eniclaim.io/class={name} but not the annotation of the same name and value, which the CNI plugin reads; make the pod again with both"
            ),
        ));
    }
    if pod.host_network {
        return Err(Note::new(
            Reason::HostNetwork,
            "the pod uses the node's network (hostNetwork: true) and cannot have an ENI of its own; remove hostNetwork or the label eniclaim.io/class",
        ));
    }
    let Some(class) = class else {
        return Err(Note::new(
            Reason::ClassNotFound,
            format!(
                "there is no EniClass {name}; make it, or correct the label and annotation eniclaim.io/class of the pod"
            ),
        ));
    };
    let selected = match (&class.namespaces, namespace) {
        (Some(selector), Some(namespace)) => selector.selects(&namespace.labels),
        (None, _) | (_, None) => false,
    };
    if selected {
        return Ok(());
    }
    Err(Note::new(
        Reason::NamespaceNotSelected,
        format!(
            "class {name} is not for namespace {}: spec.namespaceSelector of the class does not select its labels; change one of them",
            pod.key.namespace
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        claim::{DefaultRoute, InstanceMetadata},
        cluster::{Requirement, Selector},
        id::Key,
    };

    fn pod() -> Pod {
        Pod {
            key: Key::new("shop", "web"),
            uid: "p".into(),
            class: "app".into(),
            annotated: true,
            host_network: false,
            node: None,
            deleting: false,
            terminal: false,
            created: Time(0),
        }
    }

    fn class(namespaces: Option<Selector>) -> Class {
        Class {
            name: "app".into(),
            namespaces,
            subnets: vec![],
            groups: vec![],
            interface: Interface {
                name: "eni0".into(),
                default_route: DefaultRoute::Never,
                instance_metadata: InstanceMetadata::Blocked,
            },
            tags: BTreeMap::new(),
        }
    }

    fn shop() -> NamespaceFacts {
        NamespaceFacts {
            name: "shop".into(),
            uid: "n".into(),
            labels: BTreeMap::from([("team".into(), "shop".into())]),
        }
    }

    fn selecting(requirement: Requirement) -> Selector {
        Selector {
            requirements: vec![requirement],
        }
    }

    fn said(result: Result<(), Note>) -> Reason {
        result.unwrap_err().reason
    }

    #[test]
    fn absent_selector_selects_nothing_and_an_empty_one_everything() {
        assert_eq!(
            said(admit(&pod(), Some(&class(None)), Some(&shop()))),
            Reason::NamespaceNotSelected
        );
        assert_eq!(
            admit(
                &pod(),
                Some(&class(Some(Selector::default()))),
                Some(&shop())
            ),
            Ok(())
        );
    }

    #[test]
    fn selectors_mean_what_label_selectors_mean() {
        let one = |v: &str| std::collections::BTreeSet::from([v.to_owned()]);
        for (requirement, selects) in [
            (Requirement::In("team".into(), one("shop")), true),
            (Requirement::In("team".into(), one("bank")), false),
            (Requirement::NotIn("team".into(), one("shop")), false),
            (Requirement::NotIn("stage".into(), one("prod")), true),
            (Requirement::Exists("team".into()), true),
            (Requirement::DoesNotExist("team".into()), false),
        ] {
            let admitted = admit(
                &pod(),
                Some(&class(Some(selecting(requirement.clone())))),
                Some(&shop()),
            )
            .is_ok();
            assert_eq!(admitted, selects, "{requirement:?}");
        }
    }

    #[test]
    fn each_refusal_names_its_cause() {
        assert_eq!(
            said(admit(&pod(), None, Some(&shop()))),
            Reason::ClassNotFound
        );
        assert_eq!(
            said(admit(
                &Pod {
                    annotated: false,
                    ..pod()
                },
                None,
                None
            )),
            Reason::NotAnnotated
        );
        assert_eq!(
            said(admit(
                &Pod {
                    host_network: true,
                    ..pod()
                },
                None,
                None
            )),
            Reason::HostNetwork
        );
    }
}

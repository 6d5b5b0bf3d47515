//! Who may have a claim.

use api::id::ClassName;

use crate::{
    cluster::{Class, Key, NamespaceFacts, Pod},
    reason::{Note, Reason},
    uses::Malformed,
};

/// Whether this pod may have a claim; if not, the sentence that its Event says.
pub fn admit(
    pod: &Pod,
    name: &ClassName,
    class: Option<&Class>,
    namespace: Option<&NamespaceFacts>,
) -> Result<(), Note> {
    if !pod.annotated {
        // That of the first interface, whichever is asked about.
        let label = pod.asks.first().map_or(name, |ask| &ask.class);
        return Err(Note::new(
            Reason::NotAnnotated,
            format!(
                "the pod has the label eniclaim.io/class={label} but not the annotation of the same name and value, which the CNI plugin reads; create the pod again with both"
            ),
        ));
    }
    if pod.host_network {
        return Err(Note::new(
            Reason::HostNetwork,
            "the pod uses the node's network (hostNetwork: true) and cannot have an ENI of its own; remove hostNetwork or the label eniclaim.io/class",
        ));
    }
    if let Some(why) = &pod.malformed {
        return Err(refusal(why));
    }
    let gets = pod.asks.len();
    if let Some(count) = pod.requested
        && usize::try_from(count) != Ok(gets)
    {
        let enis = if gets == 1 {
            "one ENI".to_owned()
        } else {
            format!("{gets} ENIs")
        };
        return Err(Note::new(
            Reason::WrongCount,
            format!(
                "the pod gets {enis} but its limits count {count} of eniclaim.io/eni; create it again with {gets}, or without that resource where the admission policy adds it"
            ),
        ));
    }
    selected(&pod.key, name, class, namespace, names_class(pod)).map(drop)
}

/// Whether a claim that was made by hand may have an ENI; if not, the sentence that its condition Ready says.
pub fn admit_claim<'a>(
    claim: &Key,
    name: &ClassName,
    class: Option<&'a Class>,
    namespace: Option<&NamespaceFacts>,
) -> Result<&'a Class, Note> {
    let cure = "create the claim again with another className";
    selected(claim, name, class, namespace, cure)
}

/// The class, if it is for the namespace of an object.
fn selected<'a>(
    object: &Key,
    name: &ClassName,
    class: Option<&'a Class>,
    namespace: Option<&NamespaceFacts>,
    named: &str,
) -> Result<&'a Class, Note> {
    let Some(class) = class else {
        return Err(Note::new(
            Reason::ClassNotFound,
            format!("there is no EniClass {name}; create it, or {named}"),
        ));
    };
    let selected = match (&class.namespaces, namespace) {
        (Some(selector), Some(namespace)) => selector.selects(&namespace.labels),
        (None, _) | (_, None) => false,
    };
    if selected {
        return Ok(class);
    }
    Err(Note::new(
        Reason::NamespaceNotSelected,
        format!(
            "class {name} is not for namespace {}: spec.namespaceSelector of the class does not select its labels; change one of them",
            object.namespace
        ),
    ))
}

/// What is said of annotations that ask for nothing.
fn refusal(malformed: &Malformed) -> Note {
    match malformed {
        Malformed::Interfaces(why) => Note::new(
            Reason::WrongInterfaces,
            format!("{why}; create the pod again"),
        ),
        Malformed::Persistent(why) => Note::new(Reason::PersistentUnsupported, why.to_string()),
    }
}

/// Where the pod names its classes.
fn names_class(pod: &Pod) -> &'static str {
    if pod.asks.iter().any(|ask| ask.interface.is_some()) {
        "correct the annotation eniclaim.io/interfaces of the pod, and for its first interface the label and annotation eniclaim.io/class"
    } else {
        "correct the label and annotation eniclaim.io/class of the pod"
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use api::{
        ClassStatus, Interface, Time,
        class::{SecurityGroups, Subnets},
    };

    use super::*;
    use crate::addresses::Addresses;
    use crate::cluster::{Ask, PodSource, Requirement, Selector, Version};
    use crate::uses::Uses;

    fn pod() -> Pod {
        Pod {
            key: Key::new("shop", "web"),
            uid: "p".into(),
            source: PodSource::Api,
            asks: vec![Ask {
                class: "app".into(),
                interface: None,
            }],
            uses: Uses::Own,
            malformed: None,
            annotated: true,
            host_network: false,
            node: None,
            requested: Some(1),
            net_admin: None,
            deleting: false,
            terminal: false,
            created: Time(0),
            marks: crate::marks::Marks::default(),
        }
    }

    fn class(namespaces: Option<Selector>) -> Class {
        Class {
            name: "app".into(),
            namespaces,
            uid: "u".into(),
            version: Version::default(),
            generation: 1,
            subnets: Subnets::default(),
            addresses: Addresses::default(),
            groups: SecurityGroups::default(),
            drift_policy: api::DriftPolicy::Report,
            status: ClassStatus::default(),
            interface: Interface::default(),
            source_dest_check: api::SourceDestCheck::Enabled,
            connection_tracking: api::ConnectionTracking::default(),
            tags: BTreeMap::new(),
        }
    }

    fn shop() -> NamespaceFacts {
        NamespaceFacts {
            name: "shop".into(),
            uid: "n".into(),
            labels: BTreeMap::from([("team".into(), "shop".into())]),
            deleting: false,
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
            said(admit(
                &pod(),
                &"app".into(),
                Some(&class(None)),
                Some(&shop())
            )),
            Reason::NamespaceNotSelected
        );
        assert_eq!(
            admit(
                &pod(),
                &"app".into(),
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
                &"app".into(),
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
            said(admit(&pod(), &"app".into(), None, Some(&shop()))),
            Reason::ClassNotFound
        );
        assert_eq!(
            said(admit(
                &Pod {
                    annotated: false,
                    ..pod()
                },
                &"app".into(),
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
                &"app".into(),
                None,
                None
            )),
            Reason::HostNetwork
        );
        for count in [0, 2] {
            let pod = Pod {
                requested: Some(count),
                ..pod()
            };
            assert_eq!(
                said(admit(&pod, &"app".into(), None, None)),
                Reason::WrongCount
            );
        }
    }

    #[test]
    fn the_resource_counts_the_interfaces() {
        let ask = |name: &str| Ask {
            class: "app".into(),
            interface: Some(name.parse().unwrap()),
        };
        let class = class(Some(Selector::default()));
        for (requested, admitted) in [(Some(2), true), (None, true), (Some(1), false)] {
            let pod = Pod {
                asks: vec![ask("eni1"), ask("eni2")],
                requested,
                ..pod()
            };
            let outcome = admit(&pod, &"app".into(), Some(&class), Some(&shop()));
            assert_eq!(outcome.is_ok(), admitted, "{outcome:?}");
        }
    }

    #[test]
    fn an_annotation_that_cannot_be_read_is_refused_with_its_sentence() {
        let why = api::interfaces::parse("eni1").unwrap_err();
        let pod = Pod {
            malformed: Some(Box::new(why.clone().into())),
            ..pod()
        };
        let note = admit(&pod, &"app".into(), None, None).unwrap_err();
        assert_eq!(note.reason, Reason::WrongInterfaces);
        assert!(note.message.starts_with(&why.to_string()), "{note:?}");
    }

    #[test]
    fn a_pod_may_leave_the_resource_to_the_admission_policy() {
        let pod = Pod {
            requested: None,
            ..pod()
        };
        let class = class(Some(Selector::default()));
        assert_eq!(
            admit(&pod, &"app".into(), Some(&class), Some(&shop())),
            Ok(())
        );
    }
}

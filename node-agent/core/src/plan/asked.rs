//! The claims of a pod that asks: those that are there, in the order in which it asks, and what is missing.

use super::{Claim, Round, Unreadable};
use crate::facts::Pod;

/// What a pod asks for.
pub(super) struct Asked<'a> {
    /// Claims that may be plugged: one for each interface in the pod's order, or all of a pod that names none.
    pub(super) wanted: Vec<&'a Claim>,
    /// The first interface without such a claim.
    pub(super) missing: Option<Missing<'a>>,
}

/// An interface without a claim that may be plugged.
pub(super) enum Missing<'a> {
    /// Its claim is never plugged again.
    Released(&'a Claim),
    /// There is none for the interface of this name, or none at all.
    Claim(Option<&'a str>),
}

impl<'a> Round<'a> {
    /// The claims of a pod. A released one counts only where there is no other: it is what an earlier attachment left.
    pub(super) fn asked(&self, pod: &'a Pod) -> Asked<'a> {
        let (released, wanted): (Vec<_>, Vec<_>) = self
            .facts
            .claims
            .values()
            .filter(|claim| claim.serves(pod))
            .partition(|claim| is_released(claim));
        if pod.interfaces.is_empty() {
            let missing = wanted.is_empty().then(|| match released.first() {
                Some(claim) => Missing::Released(claim),
                None => Missing::Claim(None),
            });
            return Asked { wanted, missing };
        }
        let mut asked = Asked {
            wanted: Vec::new(),
            missing: None,
        };
        for name in &pod.interfaces {
            let is_it = |claim: &&&Claim| claim.asked_as.as_ref() == Some(name);
            if let Some(claim) = wanted.iter().find(is_it) {
                asked.wanted.push(claim);
                continue;
            }
            let missing = match released.iter().find(is_it) {
                Some(claim) => Missing::Released(claim),
                None => Missing::Claim(Some(name)),
            };
            asked.missing.get_or_insert(missing);
        }
        asked
    }

    /// A claim of the pod that cannot be read.
    pub(super) fn unreadable_of(&self, pod: &Pod) -> Option<&'a Unreadable> {
        let mut unreadable = self.facts.unreadable.values();
        unreadable.find(|claim| claim.serves(pod))
    }
}

/// The pod, or its interface of this name.
pub(super) fn whose(pod: &Pod, interface: Option<&str>) -> String {
    let pod = format!("pod {}/{}", pod.namespace, pod.name);
    match interface {
        Some(name) => format!("interface {name} of {pod}"),
        None => pod,
    }
}

pub(super) fn is_released(claim: &Claim) -> bool {
    claim
        .attachment
        .as_ref()
        .is_some_and(|attachment| attachment.release)
}

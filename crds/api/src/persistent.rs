//! The annotation by which a pod of a StatefulSet has a claim of its own name that outlives it.

use crate::name;

/// The most characters that the name of a claim has.
pub const LONGEST: usize = 63;

crate::words! {
    /// What becomes of the claim when the StatefulSet is deleted.
    pub enum WhenDeleted {
        /// It stays until somebody deletes it.
        Retain,
        /// Kubernetes deletes it with the StatefulSet.
        Delete,
    }
}

/// Why a pod with the annotation gets no claim of its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotPersistent {
    /// A word that is none of [`WhenDeleted`].
    #[error(
        "the annotation {key} is {0:?}, and can be Retain or Delete; correct it in the template of the StatefulSet, and delete the pod",
        key = name::PERSISTENT
    )]
    Value(String),
    /// The pod names a claim as well.
    #[error(
        "the annotation {claim} names another claim than {key}, which stands for the one of the pod's own name; take one of them out of the template of the StatefulSet, and delete the pod",
        claim = name::CLAIM,
        key = name::PERSISTENT
    )]
    NamesClaim,
    /// The pod asks for interfaces by name.
    #[error(
        "the annotation {key} is for pods with one interface; take it or {interfaces} out of the template of the StatefulSet, and delete the pod",
        interfaces = name::INTERFACES,
        key = name::PERSISTENT
    )]
    NamesInterfaces,
    /// The pod is not one of a StatefulSet: the next one would have another name.
    #[error(
        "the annotation {key} is for pods of a StatefulSet, and this pod belongs to {0}; run it in a StatefulSet, or create it again with the annotation {claim}, which names an EniClaim, or with neither",
        claim = name::CLAIM,
        key = name::PERSISTENT
    )]
    NotOfStatefulSet(String),
    /// No claim can be named as the pod.
    #[error(
        "the annotation {key} needs a pod whose name a claim can have: it has {0} characters, and {LONGEST} are allowed; give the StatefulSet a shorter name, or take out the annotation",
        key = name::PERSISTENT
    )]
    LongName(usize),
}

/// Reads the annotation.
pub fn parse(text: &str) -> Result<WhenDeleted, NotPersistent> {
    let mut known = WhenDeleted::ALL.iter().copied();
    let word = known.find(|word| word.as_str() == text);
    word.ok_or_else(|| NotPersistent::Value(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotation_is_one_of_two_words() {
        assert_eq!(parse("Retain"), Ok(WhenDeleted::Retain));
        assert_eq!(parse("Delete"), Ok(WhenDeleted::Delete));
        for text in ["", "retain", "Retain ", "true"] {
            assert_eq!(parse(text), Err(NotPersistent::Value(text.to_owned())));
        }
    }
}

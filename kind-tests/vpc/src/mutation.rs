//! What a mutating call is about, for tests that judge whether it should have been made.

use crate::{Eni, EniId, Request, Vpc};

/// A mutating call and the interfaces that it names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mutation {
    /// The call.
    pub request: Request,
    /// Each interface that it names and that exists, with tags and attachment, as it is before the call.
    /// Detach names one by its attachment; Create names none.
    pub before: Vec<Eni>,
}

impl Vpc {
    /// What `request` would be about if it were called now; `None` for a read.
    pub fn mutation(&self, request: &Request) -> Option<Mutation> {
        request.action().is_mutating().then(|| Mutation {
            request: request.clone(),
            before: self
                .named(request)
                .iter()
                .filter_map(|id| self.eni(id))
                .cloned()
                .collect(),
        })
    }

    /// The interfaces that a mutating call names; not all need exist.
    pub(crate) fn named(&self, request: &Request) -> Vec<EniId> {
        match request {
            Request::DeleteNetworkInterface(eni)
            | Request::ModifyNetworkInterfaceAttribute(eni, _) => vec![eni.clone()],
            Request::AttachNetworkInterface(attach) => vec![attach.eni.clone()],
            Request::DetachNetworkInterface(detach) => {
                let has = |eni: &&Eni| eni.attachment().is_some_and(|a| a.id == detach.attachment);
                self.enis()
                    .find(has)
                    .map(|eni| eni.id.clone())
                    .into_iter()
                    .collect()
            }
            Request::CreateTags { resources, .. } | Request::DeleteTags { resources, .. } => {
                resources
                    .iter()
                    .map(|id| EniId::from(id.as_str()))
                    .collect()
            }
            Request::CreateNetworkInterface(_)
            | Request::DescribeNetworkInterfaces(_)
            | Request::DescribeInstances(_)
            | Request::DescribeInstanceTypes(_)
            | Request::DescribeSubnets(_)
            | Request::DescribeSecurityGroups(_) => Vec::new(),
        }
    }
}

//! Names pods in log lines: the journal knows only their UIDs.

use node_agent_core::facts::{Origin, Sandbox};

use crate::engine::Engine;

impl Engine {
    /// Namespace and name of the pod that a plug is for, while a claim or a request names it.
    pub(super) fn pod(&self, origin: &Origin) -> Option<String> {
        self.pod_of_uid(origin.pod_uid()?)
    }

    /// Those of the pod of a sandbox.
    pub(super) fn pod_of_sandbox(&self, sandbox: &Sandbox) -> Option<String> {
        let known = self.facts.sandboxes.get(sandbox)?;
        self.pod_of_uid(known.pod_uid.as_deref()?)
    }

    fn pod_of_uid(&self, uid: &str) -> Option<String> {
        let bound = self.facts.claims.values().find_map(|claim| {
            let pod = claim.pod.as_ref().filter(|pod| pod.uid == uid)?;
            Some(format!("{}/{}", claim.key.namespace, pod.name))
        });
        bound.or_else(|| {
            let mut asking =
                (self.facts.requests.values()).filter_map(|request| request.verb.pod());
            let pod = asking.find(|pod| pod.uid == uid)?;
            Some(format!("{}/{}", pod.namespace, pod.name))
        })
    }
}

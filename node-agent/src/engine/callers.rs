//! The plugin's requests: taken in, and answered.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use cni::{
    CniError,
    error::code,
    protocol::{self, Added, Checked, Reply},
};
use node_agent_core::{
    facts::{Request, RequestId, Sandbox, Verb},
    mac::Mac,
    plan::Answer,
};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    engine::Engine,
    kernel::namespace::Namespace,
    metrics::{Metrics, Outcome},
};

/// Those who wait for an answer.
#[derive(Default)]
pub(super) struct Callers(BTreeMap<RequestId, Caller>);

struct Caller {
    reply: oneshot::Sender<Reply>,
    netns: Option<Namespace>,
    since: Instant,
    /// What was plugged, or checked, for it.
    interfaces: BTreeMap<Mac, Added>,
}

impl Callers {
    pub(super) fn hung_up(&mut self, id: RequestId) {
        self.0.remove(&id);
    }

    /// The namespace that came with a request.
    pub(super) fn netns(&self, id: RequestId) -> Option<Namespace> {
        self.0.get(&id)?.netns.clone()
    }

    /// Keeps an interface for the answer; `false`: nobody waits for it.
    pub(super) fn keep(&mut self, id: RequestId, mac: Mac, interface: Added) -> bool {
        let Some(caller) = self.0.get_mut(&id) else {
            return false;
        };
        caller.interfaces.insert(mac, interface);
        !caller.reply.is_closed()
    }
}

impl Engine {
    pub(super) fn ask(
        &mut self,
        id: RequestId,
        request: protocol::Request,
        netns: Option<OwnedFd>,
        reply: oneshot::Sender<Reply>,
    ) {
        let (sandbox, verb, path) = match request {
            protocol::Request::Add(add) => (add.sandbox, Verb::Add(add.pod), add.netns),
            protocol::Request::Check(check) => (check.sandbox, Verb::Check(check.pod), check.netns),
            protocol::Request::Del(del) => (del.sandbox, Verb::Del, String::new()),
            protocol::Request::Gc(gc) => {
                self.facts.collect(&gc.network, &gc.valid);
                // A caller that is gone needs no answer.
                drop(reply.send(Reply::Collected));
                return;
            }
        };
        let refuse = |why: String| Reply::Failed(CniError::new(code::PROTOCOL, why));
        let netns = match netns.map(|fd| Namespace::from_fd(fd, &path)) {
            Some(Ok(netns)) => Some(netns),
            // The journal knows where the devices of the sandbox are.
            Some(Err(_)) | None if verb == Verb::Del => None,
            Some(Err(error)) => {
                drop(reply.send(refuse(error.to_string())));
                return;
            }
            None => {
                let why = "the request came without the network namespace of the pod";
                drop(reply.send(refuse(why.to_owned())));
                return;
            }
        };
        self.wait(id, sandbox, verb);
        let caller = Caller {
            reply,
            netns,
            since: Instant::now(),
            interfaces: BTreeMap::new(),
        };
        self.callers.0.insert(id, caller);
    }

    fn wait(&mut self, id: RequestId, sandbox: Sandbox, verb: Verb) {
        let now = self.now();
        let request = Request {
            sandbox,
            verb,
            since: now,
            progress: now,
            done: [].into(),
        };
        self.facts.requests.insert(id, request);
    }

    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) {
        let interfaces = self.callers.0.get_mut(&id);
        let mut interfaces = interfaces
            .map(|caller| std::mem::take(&mut caller.interfaces))
            .unwrap_or_default();
        let failed = |code, why: String| Reply::Failed(CniError::new(code, why));
        let (reply, count, outcome): (Reply, fn(&Metrics, Outcome), _) = match answer {
            Answer::Added(macs) => {
                let added = macs.iter().filter_map(|mac| interfaces.remove(mac));
                (
                    Reply::Added(added.collect()),
                    Metrics::add,
                    Outcome::Success,
                )
            }
            Answer::Checked => {
                let checked = interfaces
                    .into_values()
                    .map(|Added { name, mac, .. }| Checked { name, mac });
                (
                    Reply::Checked(checked.collect()),
                    Metrics::check,
                    Outcome::Success,
                )
            }
            Answer::Deleted => (Reply::Deleted, Metrics::del, Outcome::Success),
            Answer::Later(why) => (failed(code::TRY_LATER, why), Metrics::add, Outcome::Later),
            Answer::Missing(why) => (
                failed(code::DIFFERENT, why),
                Metrics::check,
                Outcome::Failure,
            ),
        };
        count(&self.parts.metrics, outcome);
        self.send(id, reply);
    }

    /// Ends a request with an error.
    pub(super) fn fail(&mut self, id: RequestId, code: u32, why: String) {
        self.send(id, Reply::Failed(CniError::new(code, why)));
    }

    fn send(&mut self, id: RequestId, reply: Reply) {
        let request = self.facts.requests.remove(&id);
        let Some(caller) = self.callers.0.remove(&id) else {
            return;
        };
        let pod = request.as_ref().and_then(|request| request.verb.pod());
        tracing::info!(
            id,
            pod = pod.map(|pod| format!("{}/{}", pod.namespace, pod.name)),
            container = request
                .as_ref()
                .map(|request| request.sandbox.container_id.as_str()),
            failed = match &reply {
                Reply::Failed(error) => Some(error.msg.as_str()),
                Reply::Added(_) | Reply::Checked(_) | Reply::Deleted | Reply::Collected => None,
            },
            waited_ms = u64::try_from(caller.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
        // A caller that hung up meanwhile is followed by the runtime's DEL.
        drop(caller.reply.send(reply));
    }
}

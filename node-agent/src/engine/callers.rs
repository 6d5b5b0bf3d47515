//! The plugin's requests: taken in, and answered.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use cni::{
    CniError,
    error::code,
    protocol::{self, Added, Checked, Reply},
};
use node_agent_core::{
    facts::{Pod, Position, Request, RequestId, Sandbox, Verb, Wanted},
    mac::Mac,
    plan::Answer,
    replaced,
};
use telemetry::Outcome;
use tokio::{sync::oneshot, time::Instant};

use crate::{engine::Engine, kernel::namespace::Namespace, metrics::command};

/// Those who wait for an answer.
#[derive(Default)]
pub(super) struct Callers(BTreeMap<RequestId, Caller>);

struct Caller {
    reply: oneshot::Sender<Reply>,
    netns: Option<Namespace>,
    position: Position,
    since: Instant,
    /// The pod, for the log.
    pod: Option<String>,
    /// What was plugged for it.
    added: BTreeMap<Mac, Added>,
    /// What was checked for it.
    checked: Vec<Checked>,
    /// What it is answered of a port.
    port: Option<Reply>,
}

impl Callers {
    pub(super) fn hung_up(&mut self, id: RequestId) {
        self.0.remove(&id);
    }

    /// The namespace that came with a request.
    pub(super) fn netns(&self, id: RequestId) -> Option<Namespace> {
        self.0.get(&id)?.netns.clone()
    }

    /// Where the plugin stands that made a request.
    pub(super) fn position(&self, id: RequestId) -> Position {
        let caller = self.0.get(&id);
        caller.map_or_else(Position::default, |caller| caller.position)
    }

    /// Keeps an interface for the answer to ADD.
    pub(super) fn plugged(&mut self, id: RequestId, mac: Mac, interface: Added) {
        if let Some(caller) = self.0.get_mut(&id) {
            caller.added.insert(mac, interface);
        }
    }

    /// Keeps the answer to an ADD of a port.
    pub(super) fn port_added(&mut self, id: RequestId, reply: Reply) {
        if let Some(caller) = self.0.get_mut(&id) {
            caller.port = Some(reply);
        }
    }

    /// Keeps an interface for the answer to CHECK.
    pub(super) fn checked(&mut self, id: RequestId, interface: Checked) {
        if let Some(caller) = self.0.get_mut(&id) {
            caller.checked.push(interface);
        }
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
        let mut position = Position::default();
        let (sandbox, verb, path) = match request {
            protocol::Request::Add(add) => {
                position = add.position;
                let wanted = wanted(add.asked, &add.sandbox);
                (add.sandbox, wanted.map(Verb::Add), add.netns)
            }
            protocol::Request::Check(check) => {
                let wanted = wanted(check.asked, &check.sandbox);
                (check.sandbox, wanted.map(Verb::Check), check.netns)
            }
            protocol::Request::Del(del) => {
                let verb = deleted(&del);
                (del.sandbox, Ok(verb), String::new())
            }
            protocol::Request::Addresses(asked) => {
                // A caller that is gone needs no answer.
                drop(reply.send(self.addresses(&asked)));
                return;
            }
            protocol::Request::Gc(gc) => {
                self.facts.collect(&gc.network, &gc.valid);
                // A caller that is gone needs no answer.
                drop(reply.send(Reply::Collected));
                return;
            }
        };
        let understood = verb.and_then(|verb| Ok((opened(netns, &path, &verb)?, verb)));
        let (netns, verb) = match understood {
            Ok(understood) => understood,
            Err(error) => {
                drop(reply.send(Reply::Failed(error)));
                return;
            }
        };
        let pod = match verb.pod() {
            Some(pod) => Some(format!("{}/{}", pod.namespace, pod.name)),
            None => self.pod_of_sandbox(&sandbox),
        };
        self.facts.ask(id, sandbox, verb, self.now());
        if let Some(request) = self.facts.requests.get_mut(&id) {
            request.position = position;
        }
        let caller = Caller {
            reply,
            netns,
            position,
            since: Instant::now(),
            pod,
            added: BTreeMap::new(),
            checked: Vec::new(),
            port: None,
        };
        self.callers.0.insert(id, caller);
    }

    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) {
        match answer {
            Answer::Added(macs) => self.answer_added(id, &macs),
            Answer::Port(key) => {
                let caller = self.callers.0.get_mut(&id);
                let reply = caller.and_then(|caller| caller.port.take());
                if reply.and_then(|reply| self.send(id, reply)).is_some() {
                    self.port_answered(key);
                }
            }
            Answer::Addresses(given) => {
                let reply = self.given(*given);
                self.send(id, reply);
            }
            Answer::Checked => {
                let caller = self.callers.0.get_mut(&id);
                let checked = caller.map(|caller| std::mem::take(&mut caller.checked));
                self.send(id, Reply::Checked(checked.unwrap_or_default()));
            }
            Answer::Deleted => drop(self.send(id, Reply::Deleted)),
            Answer::Later(why) => self.fail(id, code::TRY_LATER, why),
            Answer::Missing(why) => self.fail(id, code::DIFFERENT, why),
        }
    }

    fn answer_added(&mut self, id: RequestId, macs: &[Mac]) {
        let caller = self.callers.0.get_mut(&id);
        let (mut added, port) = caller
            .map(|caller| (std::mem::take(&mut caller.added), caller.port.take()))
            .unwrap_or_default();
        let enis = macs.iter().filter_map(|mac| added.remove(mac));
        let of_port = match port {
            Some(Reply::Added(interfaces)) => interfaces,
            _ => Vec::new(),
        };
        // The pod's addresses are those of its ENIs: a runtime may take the first of each family for the pod's own, whose ever it is.
        let of_port = of_port.into_iter().map(|interface| Added {
            addresses: Vec::new(),
            routes: Vec::new(),
            ..interface
        });
        let added = enis.chain(of_port).collect();
        if let Some(request) = self.send(id, Reply::Added(added)) {
            self.facts.added(&request.sandbox, macs);
            if let Some(key) = request.port {
                self.port_answered(key);
            }
        }
    }

    /// Ends a request with an error.
    pub(super) fn fail(&mut self, id: RequestId, code: u32, why: String) {
        self.send(id, Reply::Failed(CniError::new(code, why)));
    }

    /// Ends a request with this reply; without a caller that still waits for it there is nothing to return.
    fn send(&mut self, id: RequestId, reply: Reply) -> Option<Request> {
        let (request, caller) = (
            self.facts.requests.remove(&id)?,
            self.callers.0.remove(&id)?,
        );
        let error = match &reply {
            Reply::Failed(error) => Some(error),
            Reply::Added(_)
            | Reply::Checked(_)
            | Reply::Deleted
            | Reply::Collected
            | Reply::Addresses(_) => None,
        };
        let outcome = match error.map(|error| error.code) {
            None => Outcome::Success,
            Some(code::TRY_LATER) => Outcome::Waiting,
            Some(_) => Outcome::Error,
        };
        self.parts.metrics.answered(&request.verb, outcome);
        tracing::info!(
            pod = caller.pod,
            command = command(&request.verb),
            container = request.sandbox.container_id,
            outcome = outcome.as_str(),
            error = error.map(|error| error.msg.as_str()),
            seconds = caller.since.elapsed().as_secs_f64(),
            "the CNI plugin was answered"
        );
        caller.reply.send(reply).ok().map(|()| request)
    }
}

/// The namespace that came with a request.
fn opened(netns: Option<OwnedFd>, path: &str, verb: &Verb) -> Result<Option<Namespace>, CniError> {
    let refuse = |why: String| Err(CniError::new(code::PROTOCOL, why));
    match netns.map(|fd| Namespace::from_fd(fd, path)) {
        Some(Ok(netns)) => Ok(Some(netns)),
        // The journal knows where the devices of the sandbox are.
        Some(Err(_)) | None if needs_no_netns(verb) => Ok(None),
        Some(Err(error)) => refuse(error.to_string()),
        None => refuse("the request came without the network namespace of the pod".to_owned()),
    }
}

/// What is deleted can be found without, and addresses alone are in no namespace.
fn needs_no_netns(verb: &Verb) -> bool {
    match verb {
        Verb::Del
        | Verb::Release(_)
        | Verb::Add(Wanted::Addresses(_))
        | Verb::Check(Wanted::Addresses(_)) => true,
        Verb::Add(Wanted::Port(asked)) | Verb::Check(Wanted::Port(asked)) => asked.bridge.is_none(),
        Verb::Add(_) | Verb::Check(_) => false,
    }
}

/// What a DEL is about.
pub(super) fn deleted(del: &protocol::Del) -> Verb {
    let configuration = del.configuration.as_ref();
    let release = configuration.and_then(|it| replaced::release(&it.plugin, &it.text));
    release.map_or(Verb::Del, Verb::Release)
}

/// What is meant, with what is written in it read.
fn wanted(asked: protocol::Asked, sandbox: &Sandbox) -> Result<Wanted, CniError> {
    let protocol::Configuration {
        plugin,
        text,
        pod: asking,
        ip,
    } = match asked {
        protocol::Asked::Pod(asking) => return pod(asking).map(Wanted::Claims),
        protocol::Asked::Configuration(configuration) => configuration,
    };
    let configuration = replaced::Configuration {
        plugin: &plugin,
        text: &text,
        if_name: &sandbox.if_name,
        pod: asking.map(pod).transpose()?,
        ip: ip.as_deref(),
    };
    let asked = replaced::read(configuration)
        .map_err(|error| CniError::new(code::CONFIGURATION, format!("{plugin}: {error}")))?;
    for error in asked.warnings {
        tracing::warn!(
            container = sandbox.container_id,
            error,
            "something in the configuration of a network has no effect"
        );
    }
    Ok(asked.wanted)
}

/// The pod, with its annotation read.
pub(super) fn pod(asking: protocol::Pod) -> Result<Pod, CniError> {
    let protocol::Pod {
        namespace,
        name,
        uid,
        interfaces,
    } = asking;
    let named = interfaces.as_deref().map(crds::interfaces::parse);
    let named = named.transpose().map_err(|error| {
        let why = format!("pod {namespace}/{name}: {error}; create the pod again");
        CniError::new(code::CONFIGURATION, why)
    })?;
    let asked = named.into_iter().flatten();
    Ok(Pod {
        interfaces: asked.map(|named| named.interface.to_string()).collect(),
        namespace,
        name,
        uid,
    })
}

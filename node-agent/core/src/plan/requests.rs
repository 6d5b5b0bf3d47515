//! What the plugin's requests are answered, and what is done for them first.

use super::{
    Answer, DEL_ATTEMPTS, LONGEST_ADD, LeaseRead, Liveness, Mac, NO_CLAIM, NO_PROGRESS, Operator,
    Order, Plug, PlugKey, PlugState, PodSlot, Request, RequestId, Round, Sandbox, Verb, Wait,
    asked::{Asked, Missing, whose},
    target::Target,
};
use crate::facts::{Pod, Wanted};

/// How far the device of one claim is for one request.
enum Step<'a> {
    /// Nothing is left to do.
    Done,
    /// Something is being done on it.
    Busy,
    /// It can be plugged.
    Plug(Mac),
    /// It is not on the host: a plugin before ours may have moved it into the pod, which is found out once.
    Look(Mac),
    /// An older sandbox of the pod has it, or has not given it up yet.
    Held(&'a PlugKey, &'a Plug),
    /// It cannot be plugged yet.
    Wait(Wait),
}

impl<'a> Round<'a> {
    pub(super) fn add(&mut self, id: RequestId, request: &Request, wanted: &'a Wanted) {
        match wanted {
            Wanted::Claims(pod) => self.add_claims(id, request, pod),
            Wanted::Explicit(explicit) => {
                let target = Target::Explicit(explicit);
                let step = self.step(request, target);
                self.plug_all(id, request, &[(target, step)]);
            }
            Wanted::Port(asked) => self.add_port(id, request, asked),
            Wanted::Addresses(asked) => self.add_addresses(id, request, asked),
        }
    }

    fn add_claims(&mut self, id: RequestId, request: &Request, pod: &'a Pod) {
        // kubelet makes another sandbox when it has given up on this one, before or without its DEL.
        if let Some(newer) = self.facts.newer(&request.sandbox) {
            let why = format!(
                "pod {}/{} has a newer sandbox, {}, which gets its ENIs; this one is {}",
                pod.namespace, pod.name, newer.container_id, request.sandbox.container_id
            );
            return self.answer_later(id, &why);
        }
        if let Some(unreadable) = self.unreadable_of(pod) {
            return self.wait_until(request.since + NO_CLAIM, id, &unreadable.to_string());
        }
        let Asked { wanted, missing } = self.asked(pod);
        let targets = wanted.into_iter().map(Target::Claim);
        let steps: Vec<_> = targets
            .map(|target| (target, self.step(request, target)))
            .collect();
        // The worst first: what does not pass by itself is answered at once.
        let blocked = steps.iter().find_map(|(target, step)| match step {
            Step::Wait(wait @ Wait::Blocked(_)) => Some((target, wait)),
            _ => None,
        });
        if let Some((target, wait)) = blocked {
            return self.wait(id, request, *target, wait);
        }
        match missing {
            Some(Missing::Released(claim)) => {
                let why = "its attachment is released and never plugged again";
                self.answer_later(id, &Target::Claim(claim).not_ready(why));
            }
            Some(Missing::Claim(interface)) => self.wait_for_claim(id, request, pod, interface),
            None => self.plug_all(id, request, &steps),
        }
    }

    /// Plugs all devices of a request once each can be plugged: one that came alone would be moved back when another does not
    /// come.
    fn plug_all(&mut self, id: RequestId, request: &Request, steps: &[(Target<'_>, Step<'a>)]) {
        let (mut waits, mut looks) = (None, Vec::new());
        for (target, step) in steps {
            let wait = match step {
                // Newest wins: the pod has a new sandbox, and the old one gives the device up.
                Step::Held(key, plug) => {
                    self.unplug(key, plug);
                    let why = if key.sandbox == request.sandbox {
                        "what an attempt before left of it is being undone"
                    } else {
                        "its device has not returned from an older sandbox of the pod"
                    };
                    Wait::Progress(why.to_owned())
                }
                Step::Wait(wait) => wait.clone(),
                Step::Busy => Wait::Progress("its device is being moved".to_owned()),
                Step::Look(mac) => {
                    looks.push((*target, *mac));
                    continue;
                }
                Step::Done | Step::Plug(_) => continue,
            };
            waits.get_or_insert((*target, wait));
        }
        if let Some((target, wait)) = waits {
            return self.wait(id, request, target, &wait);
        }
        let targets: Vec<_> = steps.iter().map(|(target, _)| *target).collect();
        if !self.has_node_access(id, request, &targets) {
            return;
        }
        if !looks.is_empty() {
            for (target, mac) in looks {
                self.plug(id, request, target, mac);
            }
            return;
        }
        let mut done = Vec::new();
        for (target, step) in steps {
            match step {
                Step::Done => done.extend(target.mac()),
                Step::Plug(mac) => self.plug(id, request, *target, *mac),
                Step::Look(_) | Step::Busy | Step::Held(..) | Step::Wait(_) => {}
            }
        }
        if done.len() == steps.len() {
            self.order(Order::Answer(id, Answer::Added(done)));
        }
    }

    pub(super) fn check(&mut self, id: RequestId, request: &Request, wanted: &'a Wanted) {
        match wanted {
            Wanted::Claims(pod) => self.check_claims(id, request, pod),
            Wanted::Explicit(explicit) => {
                self.check_all(id, request, &[Target::Explicit(explicit)]);
            }
            Wanted::Port(asked) => self.check_port(id, request, asked),
            // The plugin compares them itself.
            Wanted::Addresses(_) => self.order(Order::Answer(id, Answer::Checked)),
        }
    }

    fn check_claims(&mut self, id: RequestId, request: &Request, pod: &'a Pod) {
        if let Some(unreadable) = self.unreadable_of(pod) {
            return self.answer_later(id, &unreadable.to_string());
        }
        let Asked { wanted, missing } = self.asked(pod);
        if let Some(missing) = missing {
            let interface = match missing {
                Missing::Released(claim) => claim.asked_as.as_deref(),
                Missing::Claim(interface) => interface,
            };
            let whose = whose(pod, interface);
            return self.missing(id, format!("no EniClaim on this node is bound to {whose}"));
        }
        let targets: Vec<_> = wanted.into_iter().map(Target::Claim).collect();
        if self.checks_node_access(id, request, &targets) {
            self.check_all(id, request, &targets);
        }
    }

    fn check_all(&mut self, id: RequestId, request: &Request, targets: &[Target<'_>]) {
        let mut done = 0;
        for target in targets {
            let held = (target.mac())
                .and_then(|mac| self.facts.holder(mac))
                .filter(|(key, plug)| {
                    key.sandbox == request.sandbox && plug.state == PlugState::Plugged
                });
            match held {
                Some((key, _)) if request.done.contains(&key.mac) => done += 1,
                Some((key, plug)) => {
                    let is_known = plug.observed.configured.is_some()
                        || (self.facts.wanted(key, plug, target.interface())).is_some();
                    if !is_known {
                        let why = "how its DHCP leases stand is not known yet";
                        return self.answer_later(id, &target.not_ready(why));
                    }
                    if self.taken.insert(key.mac) {
                        self.order(Order::Check {
                            request: id,
                            key: key.clone(),
                        });
                    }
                }
                None => {
                    let what = format!("the interface of {target} is not in the pod");
                    return self.missing(id, what);
                }
            }
        }
        if done == targets.len() {
            self.order(Order::Answer(id, Answer::Checked));
        }
    }

    pub(super) fn del(&mut self, id: RequestId, sandbox: &Sandbox) {
        for (earlier, request) in self.facts.requests.range(..id) {
            // Another DEL of the sandbox may have ended it in this round.
            let waits = matches!(request.verb, Verb::Add(_) | Verb::Check(_));
            let ends = waits && !self.is_answered(*earlier);
            if request.sandbox == *sandbox && ends {
                self.answer_later(*earlier, "the sandbox is being deleted");
            }
        }
        let plugs: Vec<_> = self.facts.plugs_of(sandbox).collect();
        // What is being done for an ADD is done first, and then undone.
        if plugs.iter().any(|(key, _)| self.taken.contains(&key.mac)) {
            return;
        }
        let mut left = self.del_ports(sandbox);
        for (key, plug) in plugs {
            // What is done then is up to the plugin that moved the device in, which is asked after us.
            let ours = plug.state != PlugState::Restored;
            if ours && plug.observed.retry.failures < DEL_ATTEMPTS {
                left = true;
                self.unplug(key, plug);
            }
        }
        if !left {
            self.order(Order::Answer(id, Answer::Deleted));
        }
    }

    /// What becomes of a request while an earlier one of its sandbox has no answer.
    pub(super) fn behind(&mut self, id: RequestId, request: &Request) {
        if !self.is_answered(id) {
            let why = "an earlier request for the sandbox has not been answered yet";
            self.wait_until(request.since + LONGEST_ADD, id, why);
        }
    }

    /// Whether a request is answered in this round.
    fn is_answered(&self, id: RequestId) -> bool {
        let mut orders = self.plan.orders.iter();
        orders.any(|order| matches!(order, Order::Answer(answered, _) if *answered == id))
    }

    fn step(&self, request: &Request, target: Target<'_>) -> Step<'a> {
        let eni = match target.attached(self.facts) {
            Ok(eni) => eni,
            Err(wait) => return Step::Wait(wait),
        };
        if self.taken.contains(&eni.mac) {
            return Step::Busy;
        }
        let on_host = self.facts.devices.contains_key(&eni.mac);
        match self.facts.holder(eni.mac) {
            Some((key, plug))
                if key.sandbox != request.sandbox || plug.state == PlugState::Unplugging =>
            {
                held(request, target, key, plug)
            }
            Some((key, plug)) if request.done.contains(&eni.mac) && !on_host => {
                self.leased(target, key, plug)
            }
            Some(_) => Step::Plug(eni.mac),
            None if on_host => Step::Plug(eni.mac),
            None if !request.missed.contains(&eni.mac) => Step::Look(eni.mac),
            // Nobody says that it is to come.
            None if matches!(target, Target::Explicit(_)) => Step::Wait(Wait::Blocked(format!(
                "no ENI with MAC address {} is on this node; attach it first",
                eni.mac
            ))),
            None => Step::Wait(Wait::Progress(format!(
                "{} is attached, but its device with MAC address {} has not appeared on this node",
                eni.id, eni.mac
            ))),
        }
    }

    /// How far the device is that is in the pod: what is to configure it may not have come yet.
    fn leased(&self, target: Target<'_>, key: &PlugKey, plug: &Plug) -> Step<'a> {
        let interface = target.interface();
        if let Some(why) = interface.lacks_lease(self.facts.leases.get(&key.mac)) {
            return Step::Wait(Wait::Progress(why));
        }
        let is_so = !interface.dhcp.configures()
            || plug.observed.configured.as_deref()
                == Some(&self.facts.interface(key, plug, interface));
        if is_so {
            Step::Done
        } else {
            Step::Plug(key.mac)
        }
    }

    fn plug(&mut self, id: RequestId, request: &Request, target: Target<'_>, mac: Mac) {
        let (Some(origin), Ok(eni)) = (target.origin(), target.attached(self.facts)) else {
            return;
        };
        let slot = self.slot(&request.sandbox, mac);
        self.taken.insert(mac);
        self.order(Order::Plug {
            request: id,
            origin,
            eni: eni.id.clone(),
            key: PlugKey {
                sandbox: request.sandbox.clone(),
                mac,
            },
            slot,
        });
    }

    /// The slot that the device has in the container, or the lowest that is free: several networks have one namespace there.
    fn slot(&self, sandbox: &Sandbox, mac: Mac) -> PodSlot {
        let is_there = |key: &PlugKey| key.sandbox.container_id == sandbox.container_id;
        let ordered = self.plan.orders.iter().filter_map(|order| match order {
            Order::Plug { key, slot, .. } if is_there(key) => Some((key.mac, *slot)),
            _ => None,
        });
        let plugs = self.facts.plugs.iter().filter(|(key, _)| is_there(key));
        let taken: Vec<_> = plugs
            .map(|(key, plug)| (key.mac, plug.slot))
            .chain(ordered)
            .collect();
        let own = taken
            .iter()
            .find(|(of, _)| *of == mac)
            .map(|(_, slot)| *slot);
        let free = || {
            (0..=u8::MAX)
                .map(PodSlot)
                .find(|slot| taken.iter().all(|(_, other)| other != slot))
        };
        own.or_else(free).unwrap_or(PodSlot(u8::MAX))
    }

    pub(super) fn wait(
        &mut self,
        id: RequestId,
        request: &Request,
        target: Target<'_>,
        wait: &Wait,
    ) {
        match wait {
            Wait::Blocked(why) => self.answer_later(id, &target.not_ready(why)),
            Wait::Progress(why) => {
                let end = (request.progress + NO_PROGRESS).min(request.since + LONGEST_ADD);
                self.wait_until(end, id, &target.not_ready(why));
            }
        }
    }

    pub(super) fn wait_for_claim(
        &mut self,
        id: RequestId,
        request: &Request,
        pod: &Pod,
        interface: Option<&str>,
    ) {
        let end = request.since + NO_CLAIM;
        if !self.facts.listed {
            let why = "the eniclaim-agent on this node has no list of EniClaims: it has not reached the API server since it started";
            return self.wait_until(end, id, why);
        }
        let mut unreadable = self.facts.unreadable.values();
        if let Some(claim) = unreadable.find(|claim| claim.may_serve(pod)) {
            let why = format!("no EniClaim on this node is known to be of this pod, and {claim}");
            return self.wait_until(end, id, &why);
        }
        let operator = match &self.facts.operator {
            Some(LeaseRead::Ended(at, operator)) if *at >= request.since => Some(operator),
            Some(LeaseRead::Begun) => None,
            Some(LeaseRead::Ended(..)) | None => {
                if !self.plan.orders.contains(&Order::ReadLease) {
                    self.order(Order::ReadLease);
                }
                None
            }
        };
        let why = format!(
            "no EniClaim on this node is bound to {} ({}){}",
            whose(pod, interface),
            pod.uid,
            operator.map_or_else(String::new, because)
        );
        self.wait_until(end, id, &why);
    }

    pub(super) fn wait_until(&mut self, end: u64, id: RequestId, why: &str) {
        if end <= self.now {
            self.answer_later(id, why);
        } else {
            self.wake(end);
        }
    }

    pub(super) fn answer_later(&mut self, id: RequestId, why: &str) {
        self.order(Order::Answer(id, Answer::Later(why.to_owned())));
    }

    pub(super) fn missing(&mut self, id: RequestId, what: String) {
        self.order(Order::Answer(id, Answer::Missing(what)));
    }
}

/// What is to be done about a device that another sandbox has, or that is on its way back from this one.
///
/// A pod may have the devices of its claims from a sandbox of before. Whose an explicit one is nobody knows but by its container.
fn held<'a>(request: &Request, target: Target<'_>, key: &'a PlugKey, plug: &'a Plug) -> Step<'a> {
    let lives = plug.observed.liveness != Liveness::Dead && plug.state != PlugState::Unplugging;
    match target {
        Target::Explicit(_) if key.sandbox != request.sandbox && lives => {
            Step::Wait(Wait::Blocked(format!(
                "container {} has its device; delete that first",
                key.sandbox.container_id
            )))
        }
        Target::Explicit(_) | Target::Claim(_) => Step::Held(key, plug),
    }
}

/// Why the operator has made no claim, and the way out.
fn because(operator: &Operator) -> String {
    match operator {
        Operator::Running => ", and the eniclaim-operator runs: it makes one for a pod with the label eniclaim.io/class; where the label is there, its Events on the pod say what else is missing".to_owned(),
        Operator::Stopped { seconds } => format!(": the eniclaim-operator does not run, and its Lease was renewed {seconds} seconds ago; look at its Deployment"),
        Operator::Missing => ": no eniclaim-operator has run in this cluster; look at its Deployment".to_owned(),
        Operator::Unknown(why) => format!(", and the Lease of the eniclaim-operator cannot be read: {why}"),
    }
}

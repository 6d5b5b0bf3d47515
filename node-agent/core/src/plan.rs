//! Every decision of the agent: from all that is known to what is to be done now.

use std::collections::BTreeSet;

use crate::{
    claim::{Claim, ClaimKey, Place, Report},
    facts::{Ask, AskId, Facts, Plug, PlugState, Sandbox, Wish},
    mac::Mac,
};

/// Without progress for so long a waiting ADD is answered, so that a person reads why; kubelet asks again.
pub const NO_PROGRESS: u64 = 30_000;
/// No ADD waits longer than this: kubelet gives a sandbox 240 s, and the plugin may have spent 20 on finding the agent.
pub const LONGEST_ADD: u64 = 200_000;
/// A DEL whose device did not come home so often succeeds: the namespace's end will bring it, and a pod must be able to go.
pub const DEL_ATTEMPTS: u32 = 2;

/// A device on the host is reported so long after it came there. Most are plugged sooner when they are new, and released sooner
/// when they come home: that report says both.
pub const REPORT_ON_HOST_AFTER: u64 = 2_000;

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Answer a request.
    Answer(AskId, Answer),
    /// Plug the device of a claim into the namespace of a request, or make sure that it is as it should be.
    Plug(AskId, ClaimKey),
    /// Take the device of a sandbox home, wherever it is.
    Home(Sandbox),
    /// Tell the API server.
    Report(ClaimKey, Report),
}

/// What is answered without touching the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing of the sandbox is left.
    Deleted,
    /// Not now; one sentence why.
    Later(String),
}

/// What is to be done now. The same facts at the same time give the same orders; without a reason to act, none.
pub fn plan(facts: &Facts, now: u64) -> Vec<Order> {
    let mut round = Round {
        facts,
        now,
        orders: Vec::new(),
        taken: facts.busy.clone(),
    };
    let asks = |del: bool| {
        facts
            .asks
            .iter()
            .filter(move |(_, ask)| (ask.wish == Wish::Del) == del)
    };
    // One request of a sandbox at a time. DEL first: it ends an ADD that still waits, and a later ADD waits for it.
    let mut served = BTreeSet::new();
    for (id, ask) in asks(true) {
        served.insert(&ask.sandbox);
        round.del(*id, &ask.sandbox);
    }
    for (id, ask) in asks(false) {
        if served.insert(&ask.sandbox) {
            round.add(*id, ask);
        }
    }
    for (sandbox, plug) in &facts.plugs {
        round.tend(sandbox, plug);
    }
    for claim in facts.claims.values() {
        round.report(claim);
    }
    round.orders
}

/// When a device on the host is to be reported next: until then nothing but time need pass.
pub fn next_on_host(facts: &Facts) -> Option<u64> {
    let waiting = facts.claims.values().filter_map(|claim| {
        let (eni, attachment) = (claim.eni.as_ref()?, claim.attachment.as_ref()?);
        let since = facts.devices.get(&eni.mac)?;
        let unsaid = !attachment.release
            && !facts.busy.contains(&eni.mac)
            && facts.holder(eni.mac).is_none()
            && matches!(facts.reported(claim), None | Some(Place::Plugged { .. }));
        unsaid.then_some(since + REPORT_ON_HOST_AFTER)
    });
    waiting.min()
}

struct Round<'a> {
    facts: &'a Facts,
    now: u64,
    orders: Vec<Order>,
    /// Devices that something is being done on, orders of this round included.
    taken: BTreeSet<Mac>,
}

impl Round<'_> {
    fn add(&mut self, id: AskId, ask: &Ask) {
        let Some(claim) = self
            .facts
            .claims
            .values()
            .find(|claim| claim.serves(&ask.wish))
        else {
            return self.wait(id, ask, &no_claim(self.facts, &ask.wish));
        };
        let (Some(eni), Some(attachment)) = (&claim.eni, &claim.attachment) else {
            return self.wait(id, ask, &waits(claim, &claim.waits_for));
        };
        if attachment.release {
            let why = waits(claim, "its attachment is released and never plugged again");
            return self.orders.push(Order::Answer(id, Answer::Later(why)));
        }
        if self.taken.contains(&eni.mac) {
            return self.wait(id, ask, &waits(claim, "its device is being moved"));
        }
        match self.facts.holder(eni.mac) {
            // Newest wins: the pod has a new sandbox, and the old one gives the device up.
            Some((other, _)) if *other != ask.sandbox => self.home(other, eni.mac),
            Some((
                _,
                Plug {
                    state: PlugState::Leaving,
                    ..
                },
            )) => self.wait(id, ask, &waits(claim, "its device goes home first")),
            Some(_) => self.plug(id, claim, eni.mac),
            None if self.facts.devices.contains_key(&eni.mac) => self.plug(id, claim, eni.mac),
            None => {
                let why = format!(
                    "its device with MAC {} has not appeared on the node",
                    eni.mac
                );
                self.wait(id, ask, &waits(claim, &why));
            }
        }
    }

    fn del(&mut self, id: AskId, sandbox: &Sandbox) {
        let plug = self.facts.plugs.get(sandbox);
        if plug.is_some_and(|plug| self.taken.contains(&plug.mac)) {
            return;
        }
        for (earlier, ask) in self.facts.asks.range(..id) {
            if ask.sandbox == *sandbox && ask.wish != Wish::Del {
                self.orders.push(Order::Answer(
                    *earlier,
                    Answer::Later("the sandbox is being deleted".to_owned()),
                ));
            }
        }
        match plug {
            Some(plug) if plug.failures < DEL_ATTEMPTS => self.home(sandbox, plug.mac),
            Some(_) | None => self.orders.push(Order::Answer(id, Answer::Deleted)),
        }
    }

    /// Looks after a device that is, or was, in a pod.
    fn tend(&mut self, sandbox: &Sandbox, plug: &Plug) {
        if self.taken.contains(&plug.mac) || plug.retry_at > self.now {
            return;
        }
        let on_host = self.facts.devices.contains_key(&plug.mac);
        let goes = match plug.state {
            PlugState::Leaving => true,
            // A pod cannot send its device to the host: it came because the namespace died.
            PlugState::Plugged if on_host => true,
            PlugState::Plugging if on_host && !plug.alive => true,
            PlugState::Plugging | PlugState::Plugged => match self.facts.claims.get(&plug.claim) {
                // What the API server forgot is not taken from a running pod.
                None => self.facts.listed && !plug.alive,
                Some(claim) => claim
                    .attachment
                    .as_ref()
                    .is_some_and(|a| a.release || a.id != plug.attachment),
            },
        };
        if goes {
            self.home(sandbox, plug.mac);
        }
    }

    fn report(&mut self, claim: &Claim) {
        let (Some(eni), Some(attachment)) = (&claim.eni, &claim.attachment) else {
            return;
        };
        if self.taken.contains(&eni.mac) {
            return;
        }
        let before = self.facts.reported(claim);
        let place = match self.facts.holder(eni.mac) {
            Some((sandbox, plug))
                if plug.state == PlugState::Plugged && plug.attachment == attachment.id =>
            {
                Place::Plugged {
                    pod_uid: plug.pod_uid.clone(),
                    container_id: sandbox.container_id.clone(),
                }
            }
            Some(_) => return,
            None if attachment.release => Place::Released,
            None => match (before, self.facts.devices.get(&eni.mac)) {
                (_, None) | (Some(Place::Seen | Place::Home | Place::Released), Some(_)) => return,
                (_, Some(since)) if self.now < since + REPORT_ON_HOST_AFTER => return,
                (Some(Place::Plugged { .. }), Some(_)) => Place::Home,
                (None, Some(_)) => Place::Seen,
            },
        };
        if before != Some(&place) {
            let report = Report {
                attachment: attachment.id.clone(),
                place,
            };
            self.orders.push(Order::Report(claim.key.clone(), report));
        }
    }

    fn plug(&mut self, id: AskId, claim: &Claim, mac: Mac) {
        self.taken.insert(mac);
        self.orders.push(Order::Plug(id, claim.key.clone()));
    }

    fn home(&mut self, sandbox: &Sandbox, mac: Mac) {
        if self.taken.insert(mac) {
            self.orders.push(Order::Home(sandbox.clone()));
        }
    }

    fn wait(&mut self, id: AskId, ask: &Ask, why: &str) {
        let since = |then: u64| self.now.saturating_sub(then);
        if since(ask.progress) >= NO_PROGRESS || since(ask.since) >= LONGEST_ADD {
            self.orders
                .push(Order::Answer(id, Answer::Later(why.to_owned())));
        }
    }
}

fn waits(claim: &Claim, why: &str) -> String {
    format!("EniClaim {} is not ready: {why}", claim.key)
}

fn no_claim(facts: &Facts, wish: &Wish) -> String {
    match wish {
        Wish::Add { .. } if !facts.listed => {
            "the agent has no list of this node's EniClaims yet; can it reach the API server?"
                .to_owned()
        }
        Wish::Add {
            namespace,
            pod,
            pod_uid,
        } => format!(
            "no EniClaim is bound to pod {namespace}/{pod} ({pod_uid}) on this node yet; kubectl describe pod says what it waits for"
        ),
        Wish::Del => String::new(),
    }
}

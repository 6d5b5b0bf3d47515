//! Random stories: whatever happens in whatever order, each device has one holder, nothing is tried without a pause, and quiet
//! follows.

use node_agent_core::{
    claim::{Attachment, Claim, Place, Report},
    custody::{Custody, Loan},
    facts::{Facts, LeaseRead, Liveness, Operator, Plug, PlugKey, PlugState, Retry, Verb},
    plan::{Answer, LENDER_RETURNS_WITHIN, LONGEST_ADD, Order, plan},
};
use proptest::prelude::*;

use crate::makers::{Knowing, a_claim, a_plug, a_plug_key, a_pod, a_sandbox, an_agent, key, mac};

/// What can happen to an agent.
#[derive(Debug, Clone)]
enum Event {
    Add(usize),
    Check(usize),
    Del(usize),
    HangUp,
    DeviceAppears,
    /// Another plugin moves the device into a sandbox.
    Lent(usize),
    /// That plugin takes it back.
    TakenBack,
    NamespaceDies(usize),
    Release,
    Attach,
    Restart,
    /// The oldest order that is being done ends.
    Ends {
        well: bool,
    },
    /// The last report that was made reaches the API server.
    ApiServerEchoes,
    /// The operator sees that the pod can undo the block of the metadata service.
    NetAdmin,
    Time(u64),
}

fn an_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..3_usize).prop_map(Event::Add),
        (0..3_usize).prop_map(Event::Check),
        (0..3_usize).prop_map(Event::Del),
        Just(Event::HangUp),
        Just(Event::DeviceAppears),
        (0..3_usize).prop_map(Event::Lent),
        Just(Event::TakenBack),
        (0..3_usize).prop_map(Event::NamespaceDies),
        Just(Event::Release),
        Just(Event::Attach),
        Just(Event::Restart),
        any::<bool>().prop_map(|well| Event::Ends { well }),
        Just(Event::Ends { well: true }),
        Just(Event::ApiServerEchoes),
        Just(Event::NetAdmin),
        (1..40_000_u64).prop_map(Event::Time),
    ]
}

/// The node around the facts: where the device really is.
struct World {
    facts: Facts,
    now: u64,
    next_request: u64,
    /// Orders that are being done.
    running: Vec<Order>,
    /// The sandbox whose namespace holds the device.
    inside: Option<String>,
    /// Whether another plugin moved it there.
    lent: bool,
    dead: Vec<String>,
    /// What was reported, and whether the claim named a container with `NET_ADMIN` then.
    reports: Vec<(Report, bool)>,
    net_admin: bool,
    /// Whether the last report that the API server took knew what the claim names.
    said_net_admin: bool,
    /// Sandboxes in the order of their first ADD.
    asked: Vec<String>,
    /// When a device was last tried to be returned, and in vain.
    failed_at: Option<u64>,
}

fn name(i: usize) -> String {
    format!("c{i}")
}

impl World {
    fn new() -> Self {
        Self {
            facts: an_agent().claim(a_claim()),
            now: 0,
            next_request: 0,
            running: Vec::new(),
            inside: None,
            lent: false,
            dead: Vec::new(),
            reports: Vec::new(),
            net_admin: false,
            said_net_admin: false,
            asked: Vec::new(),
            failed_at: None,
        }
    }

    fn claim(&mut self, change: impl FnOnce(&mut Claim)) {
        let known = self.facts.claims.get(&key()).cloned();
        let mut claim = known.unwrap_or_else(a_claim);
        change(&mut claim);
        let says_more = (claim.reported.as_ref())
            .is_some_and(|report| matches!(report.place, Place::Plugged { .. }));
        claim.outdated = says_more && self.said_net_admin != self.net_admin;
        self.facts.learn(claim, self.now);
    }

    fn ask(&mut self, container: &str, verb: Verb) {
        self.next_request += 1;
        match verb {
            Verb::Add(_) if !self.asked.iter().any(|known| known == container) => {
                self.asked.push(container.to_owned());
            }
            Verb::Add(_) | Verb::Check(_) | Verb::Release(_) => {}
            Verb::Del => self.asked.retain(|known| known != container),
        }
        let sandbox = a_sandbox(container);
        self.facts.ask(self.next_request, sandbox, verb, self.now);
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Add(i) if !self.dead.contains(&name(i)) => {
                self.ask(&name(i), Verb::Add(a_pod().into()));
            }
            Event::Check(i) => self.ask(&name(i), Verb::Check(a_pod().into())),
            Event::Del(i) => self.ask(&name(i), Verb::Del),
            Event::HangUp => drop(self.facts.requests.pop_first()),
            Event::DeviceAppears if self.inside.is_none() => self.facts.arrived(mac(), self.now),
            Event::Lent(i) if self.is_on_host() && !self.dead.contains(&name(i)) => {
                self.facts.devices.remove(&mac());
                (self.inside, self.lent) = (Some(name(i)), true);
            }
            Event::TakenBack if self.lent => self.comes_home(),
            Event::NamespaceDies(i) => {
                self.dead.push(name(i));
                if let Some(plug) = self.facts.plugs.get_mut(&a_plug_key(&name(i))) {
                    plug.observed.liveness = Liveness::Dead;
                }
                if self.inside.as_ref() == Some(&name(i)) {
                    self.comes_home();
                }
            }
            Event::Release => self.claim(|c| c.attachment.as_mut().unwrap().release = true),
            Event::Attach => self.claim(attach_again),
            Event::Restart => {
                // What was being done is over, and nobody knows how it ended.
                self.running.clear();
                for (key, plug) in &mut self.facts.plugs {
                    // The journal does not know whether the answer left.
                    if self.inside.as_ref() == Some(&key.sandbox.container_id)
                        && plug.state == PlugState::Plugging
                    {
                        plug.state = PlugState::Plugged;
                        // Whose it is was written down before anything was done.
                        plug.custody = custody(self.lent, plug);
                    }
                }
                let before = std::mem::take(&mut self.facts);
                self.asked.clear();
                self.asked.extend(
                    before
                        .plugs
                        .keys()
                        .map(|key| key.sandbox.container_id.clone()),
                );
                self.facts = Facts {
                    claims: before.claims,
                    devices: before.devices,
                    instance: before.instance,
                    listed: before.listed,
                    ..Facts::of_journal(before.plugs)
                };
            }
            Event::Ends { well } if !self.running.is_empty() => {
                let order = self.running.remove(0);
                self.end(order, well);
            }
            Event::Add(_)
            | Event::DeviceAppears
            | Event::Lent(_)
            | Event::TakenBack
            | Event::Ends { .. } => {}
            Event::ApiServerEchoes => {
                if let Some((last, net_admin)) = self.reports.last().cloned() {
                    self.said_net_admin = net_admin;
                    self.claim(|c| c.reported = Some(last));
                }
            }
            Event::NetAdmin => {
                self.net_admin = true;
                self.claim(|_| {});
            }
            Event::Time(passed) => self.now += passed,
        }
    }

    /// Obeys the plan until it has no more orders; what takes time is begun.
    fn settle(&mut self) {
        for _ in 0..10 {
            let made = plan(&self.facts, self.now);
            assert_eq!(
                made,
                plan(&self.facts, self.now),
                "the same facts, the same plan"
            );
            if made.orders.is_empty() {
                assert!(
                    made.wake_at.is_none_or(|at| at > self.now),
                    "it never sleeps"
                );
                return;
            }
            for order in made.orders {
                self.obey(order);
            }
        }
        panic!("no end: {:?}", plan(&self.facts, self.now));
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Answer(id, answer) => self.answered(id, &answer),
            Order::Report(claim, report) => {
                if report.place == Place::Released {
                    assert_eq!(self.inside, None, "given back while a pod has it");
                }
                self.facts.unconfirmed.insert(claim, report.clone());
                self.reports.push((report, self.net_admin));
            }
            Order::Unplug(ref key, _) => {
                let waited = self.failed_at.is_none_or(|at| self.now >= at + 1_000);
                assert!(waited, "tried again without a pause");
                let plug = self.facts.plugs.get_mut(key);
                let plug = plug.expect("unplug without an entry");
                if let Custody::Borrowed(_) = plug.custody {
                    let late = self.now >= plug.observed.restored + LENDER_RETURNS_WITHIN;
                    assert!(plug.state == PlugState::Restored && late, "taken too early");
                }
                plug.take_back();
                self.begin(order);
            }
            Order::Restore(ref key) => {
                let plug = self.facts.plugs.get_mut(key).unwrap();
                assert!(matches!(plug.custody, Custody::Borrowed(_)));
                plug.state = PlugState::Unplugging;
                self.begin(order);
            }
            Order::Forget(ref key) => {
                assert!(self.is_on_host(), "forgotten in a pod");
                assert_eq!(self.facts.plugs[key].state, PlugState::Restored);
                self.begin(order);
            }
            Order::Plug {
                ref origin,
                ref key,
                ..
            } => {
                let newest = self.asked.last();
                assert_eq!(newest, Some(&key.sandbox.container_id), "not the newest");
                let claim = &self.facts.claims[origin.claim().unwrap()];
                let attachment = claim.attachment.clone().unwrap();
                assert!(!attachment.release, "plugged a released attachment");
                if let Some((holder, _)) = self.facts.holder(mac()) {
                    assert_eq!(holder, key, "two holders of one device");
                }
                let plug = Plug {
                    origin: origin.clone(),
                    ..a_plug(PlugState::Plugging)
                };
                let plug = self.facts.plugs.entry(key.clone()).or_insert(plug);
                if plug.state == PlugState::Restored {
                    plug.state = PlugState::Plugging;
                }
                self.begin(order);
            }
            Order::Check { .. } | Order::Search(_) => self.begin(order),
            Order::Configure(_) => unreachable!("no lease configures it"),
            Order::Port(_) => unreachable!("no network has a bridge"),
            Order::ReadLease => {
                self.facts.operator = Some(LeaseRead::Ended(self.now, Operator::Running));
            }
        }
    }

    fn begin(&mut self, order: Order) {
        assert!(self.facts.busy.insert(mac()), "two orders on one device");
        self.running.push(order);
    }

    fn answered(&mut self, id: u64, answer: &Answer) {
        let request = self
            .facts
            .requests
            .remove(&id)
            .expect("an answer to nobody");
        let left = self.facts.plugs_of(&request.sandbox).next();
        match answer {
            Answer::Deleted => assert!(
                left.is_none_or(|(_, plug)| plug.state == PlugState::Restored
                    || plug.observed.retry.failures >= 2),
                "a DEL left {left:?}"
            ),
            Answer::Added(macs) => {
                self.facts.added(&request.sandbox, macs);
                assert_eq!(self.inside, Some(request.sandbox.container_id));
            }
            Answer::Checked => assert_eq!(self.inside, Some(request.sandbox.container_id)),
            Answer::Port(_) | Answer::Addresses(_) => unreachable!("nobody asks for addresses"),
            Answer::Later(_) | Answer::Missing(_) => {}
        }
    }

    fn end(&mut self, order: Order, well: bool) {
        self.facts.busy.clear();
        match order {
            Order::Plug { request, key, .. } => self.plugged(request, &key, well),
            Order::Check { request, key, .. } => {
                if well && self.inside.as_ref() == Some(&key.sandbox.container_id) {
                    self.done(request);
                } else {
                    self.facts.requests.remove(&request);
                }
            }
            Order::Unplug(key, _) => self.unplugged(&key, well),
            Order::Restore(key) if well => {
                let plug = self.facts.plugs.get_mut(&key).unwrap();
                plug.state = PlugState::Restored;
                plug.observed.retry = Retry::default();
                plug.observed.restored = self.now;
            }
            Order::Forget(key) if well => {
                self.facts.plugs.remove(&key);
            }
            Order::Restore(key) | Order::Forget(key) => self.unplugged(&key, false),
            Order::Search(_) if well && self.lent => self.comes_home(),
            Order::Search(_) if well => {
                assert_eq!(self.inside, None, "the search found nothing");
                self.facts.not_found(mac());
            }
            Order::Search(_) => {
                let before = self.facts.searches.get(&mac()).copied().unwrap_or_default();
                self.facts.searches.insert(mac(), before.failed(self.now));
            }
            Order::Answer(..)
            | Order::Report(..)
            | Order::ReadLease
            | Order::Configure(_)
            | Order::Port(_) => {
                unreachable!("done at once")
            }
        }
    }

    fn plugged(&mut self, request: u64, key: &PlugKey, well: bool) {
        let here = self.inside.as_ref() == Some(&key.sandbox.container_id);
        if !here && !self.is_on_host() {
            self.facts.plugs.remove(key);
            if let Some(request) = self.facts.requests.get_mut(&request) {
                request.missed.insert(mac());
            }
            return;
        }
        if !well || self.dead.contains(&key.sandbox.container_id) {
            // Undone: the device is where it was before it was ours.
            self.facts.plugs.remove(key);
            self.facts.requests.remove(&request);
            if !(self.lent && here) {
                self.comes_home();
            }
            return;
        }
        let plug = self.facts.plugs.get_mut(key).unwrap();
        plug.custody = custody(self.lent && here, plug);
        self.inside = Some(key.sandbox.container_id.clone());
        self.facts.devices.remove(&mac());
        self.done(request);
    }

    fn unplugged(&mut self, key: &PlugKey, well: bool) {
        if !well {
            let plug = self.facts.plugs.get_mut(key).unwrap();
            if plug.state != PlugState::Restored {
                plug.state = PlugState::Unplugging;
            }
            plug.observed.retry = plug.observed.retry.failed(self.now);
            self.failed_at = Some(self.now);
            return;
        }
        self.facts.plugs.remove(key);
        if self.inside.as_ref() == Some(&key.sandbox.container_id) {
            self.comes_home();
        }
    }

    fn is_on_host(&self) -> bool {
        self.facts.devices.contains_key(&mac())
    }

    fn comes_home(&mut self) {
        (self.inside, self.lent) = (None, false);
        self.facts.arrived(mac(), self.now);
    }

    fn done(&mut self, request: u64) {
        if let Some(request) = self.facts.requests.get_mut(&request) {
            request.done.insert(mac());
        }
    }
}

/// Whose the device of a plug is, once that was found out.
fn custody(lent: bool, plug: &Plug) -> Custody {
    match &plug.custody {
        Custody::Ours if lent => Custody::Borrowed(Loan::new("eth0", 1500)),
        Custody::Ours => Custody::Ours,
        Custody::Borrowed(_) if !lent => Custody::Ours,
        Custody::Borrowed(loan) => Custody::Borrowed(loan.clone()),
    }
}

/// A released attachment that was given back is followed by another one.
fn attach_again(claim: &mut Claim) {
    let Some(attachment) = claim.attachment.clone() else {
        return;
    };
    let given_back = claim
        .reported
        .as_ref()
        .is_some_and(|report| report.place == Place::Released);
    if attachment.release && given_back {
        let number = attachment
            .id
            .trim_start_matches("eni-attach-")
            .parse()
            .unwrap_or(0);
        claim.attachment = Some(Attachment {
            id: format!("eni-attach-{}", number + 1),
            release: false,
            ..attachment
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Cases: M16, A06.
    #[test]
    fn whatever_happens_a_device_has_one_holder_and_quiet_follows(events in prop::collection::vec(an_event(), 0..60)) {
        let mut world = World::new();
        for event in events {
            world.happen(&event);
            world.settle();
            prop_assert!(world.facts.plugs.len() <= 1);
        }
        // From now on all goes well, and in the end every request has an answer.
        for _ in 0..100 {
            while !world.running.is_empty() {
                world.happen(&Event::Ends { well: true });
                world.settle();
            }
            world.now += LONGEST_ADD;
            world.settle();
            world.happen(&Event::ApiServerEchoes);
            world.settle();
        }
        prop_assert_eq!(plan(&world.facts, world.now).wake_at, None, "something is due and not done");
        prop_assert!(world.facts.requests.is_empty(), "{:?}", world.facts.requests);
        // What another plugin moved away before we had it is in no plug that could be reported anew.
        let is_elsewhere = world.lent && world.facts.plugs.is_empty();
        prop_assert!(is_elsewhere || !world.facts.claims[&key()].outdated, "a container with NET_ADMIN is not named");
        let unanswered = world.facts.plugs.values().find(|plug| plug.state != PlugState::Plugged);
        prop_assert_eq!(unanswered, None, "left in a pod that was not answered");
    }
}

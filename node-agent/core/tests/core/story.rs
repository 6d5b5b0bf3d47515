//! Random stories: whatever happens in whatever order, each device has one holder, and quiet follows.

use node_agent_core::{
    claim::{Attachment, Claim, Place, Report},
    facts::{Facts, PlugState},
    plan::{Answer, Order, next_on_host, plan},
};
use proptest::prelude::*;

use crate::makers::{Knowing, a_claim, a_plug, a_sandbox, an_agent, key, mac};

/// What can happen to an agent.
#[derive(Debug, Clone)]
enum Event {
    Add(usize),
    Del(usize),
    HangUp,
    DeviceAppears,
    NamespaceDies(usize),
    Release,
    Attach,
    Restart,
    StepFails,
    ApiServerEchoes,
    Time(u64),
}

fn an_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..3_usize).prop_map(Event::Add),
        (0..3_usize).prop_map(Event::Del),
        Just(Event::HangUp),
        Just(Event::DeviceAppears),
        (0..3_usize).prop_map(Event::NamespaceDies),
        Just(Event::Release),
        Just(Event::Attach),
        Just(Event::Restart),
        Just(Event::StepFails),
        Just(Event::ApiServerEchoes),
        (1..40_000_u64).prop_map(Event::Time),
    ]
}

/// The node around the facts: where the device really is.
struct World {
    facts: Facts,
    now: u64,
    next_ask: u64,
    fails: bool,
    /// The sandbox whose namespace holds the device.
    inside: Option<String>,
    dead: Vec<String>,
    reports: Vec<Report>,
}

impl World {
    fn claim(&mut self, change: impl FnOnce(&mut Claim)) {
        let mut claim = self
            .facts
            .claims
            .get(&key())
            .cloned()
            .unwrap_or_else(a_claim);
        change(&mut claim);
        self.facts.learn(claim, self.now);
    }

    fn happen(&mut self, event: &Event) {
        let name = |i: usize| format!("c{i}");
        self.next_ask += 1;
        match *event {
            Event::Add(i) if !self.dead.contains(&name(i)) => {
                self.facts = self.facts.clone().asked_to_add(self.next_ask, &name(i));
                let ask = self.facts.asks.get_mut(&self.next_ask).unwrap();
                (ask.since, ask.progress) = (self.now, self.now);
            }
            Event::Del(i) => self.facts = self.facts.clone().asked_to_del(self.next_ask, &name(i)),
            Event::HangUp => drop(self.facts.asks.pop_first()),
            Event::DeviceAppears if self.inside.is_none() => {
                self.facts.devices.entry(mac()).or_insert(self.now);
            }
            Event::Add(_) | Event::DeviceAppears => {}
            Event::NamespaceDies(i) => {
                self.dead.push(name(i));
                if let Some(plug) = self.facts.plugs.get_mut(&a_sandbox(&name(i))) {
                    plug.alive = false;
                }
                if self.inside.as_ref() == Some(&name(i)) {
                    self.inside = None;
                    self.facts.devices.insert(mac(), self.now);
                }
            }
            Event::Release => self.claim(|c| c.attachment.as_mut().unwrap().release = true),
            Event::Attach => self.claim(|c| {
                let number = c.attachment.as_ref().map_or(0, |a| {
                    a.id.trim_start_matches("eni-attach-").parse().unwrap_or(0)
                });
                if c.attachment.as_ref().is_some_and(|a| a.release)
                    && c.reported
                        .as_ref()
                        .is_some_and(|r| r.place == Place::Released)
                {
                    c.attachment = Some(Attachment {
                        id: format!("eni-attach-{}", number + 1),
                        release: false,
                    });
                }
            }),
            Event::Restart => {
                self.facts.asks.clear();
                self.facts.told.clear();
            }
            Event::StepFails => self.fails = true,
            Event::ApiServerEchoes => {
                if let Some(last) = self.reports.last().cloned() {
                    self.claim(|c| c.reported = Some(last));
                }
            }
            Event::Time(passed) => self.now += passed,
        }
    }

    /// Does the orders as the shell does, until there are none.
    fn settle(&mut self) {
        for _ in 0..50 {
            let orders = plan(&self.facts, self.now);
            assert_eq!(
                orders,
                plan(&self.facts, self.now),
                "the same facts give the same orders"
            );
            if orders.is_empty() {
                return;
            }
            for order in orders {
                self.obey(order);
            }
        }
        panic!("no end: {:?}", plan(&self.facts, self.now));
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Answer(id, answer) => {
                let ask = self.facts.asks.remove(&id).expect("an answer to nobody");
                if answer == Answer::Deleted {
                    let left = self.facts.plugs.get(&ask.sandbox);
                    assert!(
                        left.is_none_or(|plug| plug.failures >= 2),
                        "a DEL left {left:?}"
                    );
                }
            }
            Order::Plug(id, claim) => {
                let claim = &self.facts.claims[&claim];
                let attachment = claim.attachment.clone().unwrap();
                assert!(!attachment.release, "plugged a released attachment");
                let ask = self.facts.asks.remove(&id).unwrap();
                if let Some((holder, _)) = self.facts.holder(mac()) {
                    assert_eq!(*holder, ask.sandbox, "two holders of one device");
                }
                let mut plug = a_plug(PlugState::Plugged);
                plug.attachment = attachment.id;
                if std::mem::take(&mut self.fails) {
                    // Undone: the device is home.
                    self.facts.plugs.remove(&ask.sandbox);
                    self.inside = None;
                    self.facts.devices.insert(mac(), self.now);
                    return;
                }
                self.inside = Some(ask.sandbox.container_id.clone());
                self.facts.devices.remove(&mac());
                self.facts.plugs.insert(ask.sandbox, plug);
            }
            Order::Home(sandbox) => {
                let now = self.now;
                let plug = self
                    .facts
                    .plugs
                    .get_mut(&sandbox)
                    .expect("home without a journal");
                if std::mem::take(&mut self.fails) {
                    (plug.state, plug.failures, plug.retry_at) =
                        (PlugState::Leaving, plug.failures + 1, now + 1000);
                    return;
                }
                self.facts.plugs.remove(&sandbox);
                if self.inside.as_ref() == Some(&sandbox.container_id) {
                    self.inside = None;
                    self.facts.devices.insert(mac(), self.now);
                }
            }
            Order::Report(claim, report) => {
                if report.place == Place::Released {
                    assert_eq!(self.inside, None, "given back while a pod has it");
                }
                self.facts.told.insert(claim, report.clone());
                self.reports.push(report);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_device_has_one_holder_and_quiet_follows(events in prop::collection::vec(an_event(), 0..40)) {
        let facts = an_agent().claim(a_claim());
        let mut world = World {
            facts, now: 0, next_ask: 0, fails: false, inside: None, dead: Vec::new(), reports: Vec::new(),
        };
        for event in events {
            world.happen(&event);
            world.settle();
            prop_assert!(world.facts.plugs.len() <= 1);
        }
        // In the end every request has an answer.
        world.now += 1_000_000;
        world.fails = false;
        world.settle();
        prop_assert_eq!(next_on_host(&world.facts), None, "a report is late");
        prop_assert!(world.facts.asks.is_empty(), "{:?}", world.facts.asks);
    }
}

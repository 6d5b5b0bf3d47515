//! Everything around the fleet, small: an API server, EC2's rules, an agent, and someone who schedules it all badly.

use std::collections::{BTreeMap, VecDeque};

use operator_core::{
    Change, Fact, Fleet, Order, Outcome, Target, Time,
    claim::{Claim, DefaultRoute, Device, DeviceState, InstanceMetadata, Interface, Phase},
    cluster::{Class, NamespaceFacts, Node, NodeReport, Pod, Selector},
    id::{ClaimUid, Key, NodeName},
};
use vpc::{Delays, Launch, Vpc, world as aws};

use super::ec2;

pub struct World {
    pub vpc: Vpc,
    pub fleet: Fleet,
    pub now: Time,
    pub claims: BTreeMap<Key, Claim>,
    pub pods: BTreeMap<Key, Pod>,
    pub nodes: BTreeMap<NodeName, Node>,
    pub reports: BTreeMap<NodeName, NodeReport>,
    pub classes: Vec<Class>,
    /// Orders given and not carried out.
    pub orders: Vec<Order>,
    /// Outcomes that the fleet has not heard of yet.
    late: Vec<(Target, Outcome)>,
    /// What the streams have not shown yet.
    pub stream: VecDeque<Fact>,
    /// Changes of the outside, for each claim.
    pub effects: BTreeMap<ClaimUid, u32>,
    pub told: Vec<operator_core::Note>,
    pub version: u64,
    dice: u64,
}

pub fn a_class() -> Class {
    Class {
        name: "app".into(),
        namespaces: Some(Selector::default()),
        subnets: vec![aws::SUBNET_ZONE_B.into(), aws::SUBNET_NODES.into()],
        groups: vec![aws::GROUP_APP.into()],
        interface: Interface {
            name: "eni0".into(),
            default_route: DefaultRoute::Never,
            instance_metadata: InstanceMetadata::Blocked,
        },
        tags: BTreeMap::from([("team".into(), "shop".into())]),
    }
}

impl World {
    /// Two nodes of the smallest kind: each takes two ENIs.
    pub fn new(seed: u64) -> Self {
        let mut vpc = Vpc::new(Delays::default());
        let nodes = ["n1", "n2"].map(|name| {
            let launched = vpc.launch(launch(name), 0).unwrap();
            let node = Node {
                name: name.into(),
                uid: format!("uid-{name}").as_str().into(),
                instance: Ok(launched.instance.id.as_str().into()),
                boot: "boot-1".into(),
                classes: [].into(),
                published: (None, None),
            };
            (NodeName::from(name), node)
        });
        let mut world = Self {
            vpc,
            fleet: Fleet::new(Some("c1".into())),
            now: Time(1_800_000_000_000),
            claims: BTreeMap::new(),
            pods: BTreeMap::new(),
            nodes: nodes.into(),
            reports: BTreeMap::new(),
            classes: vec![a_class()],
            orders: Vec::new(),
            late: Vec::new(),
            stream: VecDeque::new(),
            effects: BTreeMap::new(),
            told: Vec::new(),
            version: 1,
            dice: seed | 1,
        };
        world.crash();
        world
    }

    pub fn dice(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }

    /// The operator forgets everything and lists anew; what it had begun is lost.
    pub fn crash(&mut self) {
        self.orders.clear();
        self.late.clear();
        self.stream.clear();
        self.fleet = Fleet::new(Some("c1".into()));
        let kube_system = NamespaceFacts {
            name: "shop".into(),
            uid: "ns".into(),
            labels: BTreeMap::new(),
        };
        for fact in [
            Fact::Namespaces(Change::All(vec![kube_system])),
            Fact::Classes(Change::All(self.classes.clone())),
            Fact::Pods(Change::All(self.pods.values().cloned().collect())),
            Fact::Nodes(Change::All(self.nodes.values().cloned().collect())),
            Fact::Claims(Change::All(self.claims.values().cloned().collect())),
            Fact::Reports(Change::All(self.reports.values().cloned().collect())),
        ] {
            self.fleet.learn(fact, self.now);
        }
        self.think();
    }

    pub fn think(&mut self) {
        self.vpc.advance(self.millis());
        for order in self.fleet.next(self.now) {
            let target = order.target();
            assert!(
                target == Target::Voice || self.orders.iter().all(|o| o.target() != target),
                "two orders for {target:?}"
            );
            self.orders.push(order);
        }
    }

    pub fn pass(&mut self, millis: i64) {
        self.now = self.now.after(millis);
        self.think();
    }

    pub fn millis(&self) -> u64 {
        u64::try_from(self.now.0).unwrap()
    }

    pub fn add_pod(&mut self, name: &str, node: Option<&str>) {
        let pod = Pod {
            key: Key::new("shop", name),
            uid: format!("uid-{name}").as_str().into(),
            class: "app".into(),
            annotated: true,
            host_network: false,
            node: node.map(Into::into),
            deleting: false,
            terminal: false,
            created: self.now,
        };
        self.pods.insert(pod.key.clone(), pod.clone());
        self.stream
            .push_back(Fact::Pods(Change::Set(Box::new(pod))));
    }

    pub fn remove_pod(&mut self, name: &str) {
        let key = Key::new("shop", name);
        if self.pods.remove(&key).is_some() {
            self.stream.push_back(Fact::Pods(Change::Gone(key)));
        }
    }

    pub fn set_class(&mut self, class: Class) {
        self.classes = vec![class.clone()];
        self.stream
            .push_back(Fact::Classes(Change::Set(Box::new(class))));
    }

    /// The stream shows its next change.
    pub fn show(&mut self) -> bool {
        let Some(fact) = self.stream.pop_front() else {
            return false;
        };
        self.fleet.learn(fact, self.now);
        self.think();
        true
    }

    /// One order is carried out; `lose` swallows what EC2 answers.
    /// One order is carried out, and its outcome is on its way.
    pub fn read_late(&mut self, index: usize) {
        let order = self.orders.remove(index);
        let target = order.target();
        if let Some(outcome) = self.outcome(order) {
            self.late.push((target, outcome));
        }
    }

    /// An outcome that was on its way arrives.
    pub fn arrive(&mut self) -> bool {
        if self.late.is_empty() {
            return false;
        }
        let (target, outcome) = self.late.remove(0);
        self.fleet.learn(Fact::Done(target, outcome), self.now);
        self.think();
        true
    }

    pub fn carry_out(&mut self, index: usize, lose: bool) {
        let order = self.orders.remove(index);
        let target = order.target();
        let outcome = self.outcome(order);
        let outcome = match outcome {
            Some(
                Outcome::Created(_)
                | Outcome::Attached(_)
                | Outcome::Modified
                | Outcome::Detached
                | Outcome::Deleted,
            ) if lose => ec2::lost(),
            Some(outcome) => outcome,
            None => return,
        };
        self.fleet.learn(Fact::Done(target, outcome), self.now);
        self.think();
    }

    /// The agents look at their claims and do what the protocol says.
    pub fn agents(&mut self) {
        self.vpc.advance(self.millis());
        for claim in self.claims.values().cloned().collect::<Vec<_>>() {
            let Some(attachment) = claim.status.attachment.as_ref() else {
                continue;
            };
            let Some(id) = attachment.id.clone() else {
                continue;
            };
            let eni = claim
                .status
                .eni
                .as_ref()
                .and_then(|e| self.vpc.eni(&e.id.as_str().into()));
            let there = eni
                .and_then(|e| e.attachment())
                .is_some_and(|a| a.state == vpc::AttachmentState::Attached);
            let said = claim.device_state();
            let runs = self.pods.values().any(|p| p.uid == claim.owner.uid);
            let state = match said {
                _ if attachment.release => DeviceState::Released,
                None if there => DeviceState::Seen,
                Some(DeviceState::Seen) if runs && attachment.attached_at.is_some() => {
                    DeviceState::Plugged
                }
                _ => continue,
            };
            if said != Some(state) {
                let device = Some(Device {
                    attachment: id,
                    state,
                    pod: Some(claim.owner.uid.clone()),
                });
                self.write(Claim { device, ..claim });
            }
        }
    }

    /// No more faults: everything is carried out and shown, and time passes until nothing changes any more.
    pub fn settle(&mut self) {
        let mut calm = self.now;
        for _ in 0..40_000 {
            let version = self.version;
            self.calm_step();
            if version != self.version {
                calm = self.now;
            }
            if self.now.since(calm) > 600_000 {
                return;
            }
        }
        panic!("does not settle: {:#?}", self.claims);
    }

    /// The same for so long, for what is tried again for ever.
    pub fn live(&mut self, millis: i64) {
        let until = self.now.after(millis);
        while self.now < until {
            self.calm_step();
        }
    }

    fn calm_step(&mut self) {
        while self.show() || self.arrive() {}
        while !self.orders.is_empty() {
            self.carry_out(0, false);
        }
        self.agents();
        let wake = self
            .fleet
            .wake()
            .map_or(1_000, |at| at.since(self.now))
            .clamp(50, 5_000);
        self.pass(wake);
    }

    pub fn claim_of(&self, pod: &str) -> &Claim {
        self.claims
            .values()
            .find(|c| c.owner.name == pod)
            .unwrap_or_else(|| panic!("{pod} has no claim"))
    }

    pub fn phase_of(&self, pod: &str) -> Option<Phase> {
        self.claim_of(pod).status.phase
    }
}

fn launch(name: &str) -> Launch {
    Launch {
        name: name.into(),
        instance_type: "m5.large".into(),
        subnet: aws::SUBNET_NODES.into(),
        address: None,
        groups: [aws::GROUP_NODES.into()].into(),
        routes: vec![],
        source_dest_check: false,
    }
}

//! What users and accidents do to the world, and what tests read of it.

use std::collections::BTreeMap;

use api::{
    ClassStatus, ConnectionTracking, DriftPolicy, Interface, SourceDestCheck,
    claim::Phase,
    class::{SecurityGroups, Subnets},
    condition::kind,
    id::{EniId, NodeName, PodUid},
    tag,
};
use operator_core::{
    Change, Fact, Reason,
    addresses::Addresses,
    claim::Claim,
    cluster::{AgentPod, Ask, Class, Key, Node, NodeHealth, Pod, PodSource, Selector, Version},
    marks::Marks,
    order::Action,
    uses::Uses,
};
use vpc::{Launch, Request, Response, world as aws};

use super::world::{World, set};

/// Ten minutes, in which a world at rest changes nothing.
pub const LONG: i64 = 600_000;

pub fn a_class() -> Class {
    Class {
        name: "app".into(),
        namespaces: Some(Selector::default()),
        uid: "class-uid".into(),
        version: Version::default(),
        generation: 1,
        subnets: Subnets {
            ids: vec![
                aws::SUBNET_ZONE_B.parse().unwrap(),
                aws::SUBNET_NODES.parse().unwrap(),
            ],
            ..Subnets::default()
        },
        addresses: Addresses::default(),
        groups: SecurityGroups {
            ids: vec![aws::GROUP_APP.parse().unwrap()],
            ..SecurityGroups::default()
        },
        drift_policy: DriftPolicy::Report,
        status: ClassStatus::default(),
        interface: Interface::default(),
        source_dest_check: SourceDestCheck::Enabled,
        connection_tracking: ConnectionTracking::default(),
        tags: BTreeMap::from([("team".into(), "shop".into())]),
    }
}

pub fn pod_key(name: &str) -> Key {
    Key::new("shop", name)
}

impl World {
    /// A node with an instance of that type in zone a, and a ready agent.
    pub fn add_node(&mut self, name: &str, instance_type: &str) {
        self.add_node_in(name, instance_type, aws::SUBNET_NODES);
    }

    pub fn add_node_in(&mut self, name: &str, instance_type: &str, subnet: &str) {
        let launch = Launch {
            name: name.to_owned(),
            instance_type: instance_type.to_owned(),
            subnet: subnet.into(),
            address: None,
            groups: [aws::GROUP_NODES.into()].into(),
            routes: vec![],
            ipv6: None,
            source_dest_check: false,
        };
        let now = self.millis();
        let instance = self.vpc.launch(launch, now).unwrap().instance.id;
        let uid = self.store.uid(name);
        let agent = AgentPod {
            key: Key::new("eniclaim", &format!("agent-{name}")),
            uid: self.store.uid("agent").into(),
            node: Some(name.into()),
            ready: true,
        };
        self.store
            .agent_pods
            .insert(agent.key.clone(), agent.clone());
        self.show(&Fact::AgentPods(set(&agent)));
        self.put_node(Node {
            name: name.into(),
            uid: uid.into(),
            version: Version::default(),
            instance: Ok(instance.as_str().parse().unwrap()),
            boot: "boot-1".into(),
            health: NodeHealth::Ready,
            classes: [].into(),
            published: (None, None),
        });
    }

    /// The node object goes, and the report with it.
    pub fn remove_node(&mut self, name: &str) {
        self.store.nodes.remove(&name.into());
        self.show(&Fact::Nodes(Change::Gone(name.into())));
        if self.store.reports.remove(&name.into()).is_some() {
            self.show(&Fact::Reports(Change::Gone(name.into())));
        }
    }

    pub fn set_health(&mut self, name: &str, health: NodeHealth) {
        let node = self.store.nodes[&name.into()].clone();
        self.put_node(Node { health, ..node });
    }

    pub fn instance_of(&self, name: &str) -> vpc::InstanceId {
        let node = &self.store.nodes[&name.into()];
        node.instance.clone().unwrap().as_str().into()
    }

    pub fn terminate(&mut self, instance: &vpc::InstanceId) {
        let now = self.millis();
        self.vpc.terminate(instance, now).unwrap();
        let of = |node: &NodeName| {
            let node = self.store.nodes.get(node).map(|node| &node.instance);
            node.is_some_and(|id| id.as_ref().is_ok_and(|id| id.as_str() == instance.as_str()))
        };
        self.agents.plugged.retain(|_, (node, _)| !of(node));
    }

    pub fn add_pod(&mut self, name: &str, node: &str) {
        let pod = self.a_pod(name, node);
        self.put_pod(pod);
    }

    pub fn a_pod(&mut self, name: &str, node: &str) -> Pod {
        let uid: PodUid = self.store.uid(name).into();
        Pod {
            key: pod_key(name),
            marks: Marks {
                object: uid.as_str().into(),
                ..Marks::default()
            },
            uid,
            source: PodSource::Api,
            asks: self.asks(),
            uses: Uses::Own,
            malformed: None,
            annotated: true,
            host_network: false,
            node: Some(node.into()),
            requested: u32::try_from(self.shape.enis()).ok(),
            net_admin: None,
            deleting: false,
            terminal: false,
            created: self.now,
        }
    }

    /// What every pod asks for.
    fn asks(&self) -> Vec<Ask> {
        let ask = |interface: Option<&str>| Ask {
            interface: interface.map(|name| name.parse().unwrap()),
            class: "app".into(),
        };
        let named = self.shape.interfaces.iter();
        let named: Vec<Ask> = named.map(|name| ask(Some(name))).collect();
        if named.is_empty() {
            vec![ask(None)]
        } else {
            named
        }
    }

    pub fn change_pod(&mut self, name: &str, change: impl FnOnce(&mut Pod)) {
        let mut pod = self.store.pods[&pod_key(name)].clone();
        change(&mut pod);
        self.put_pod(pod);
    }

    pub fn remove_pod(&mut self, name: &str) {
        if self.store.pods.remove(&pod_key(name)).is_some() {
            self.show(&Fact::Pods(Change::Gone(pod_key(name))));
        }
    }

    pub fn set_class(&mut self, change: impl FnOnce(&mut Class)) {
        let mut class = self.store.classes[&"app".into()].clone();
        change(&mut class);
        class.generation += 1;
        self.put_class(class);
    }

    /// The claim of its first interface.
    pub fn claim_of(&self, pod: &str) -> Option<&Claim> {
        self.claims_of(pod).next().flatten()
    }

    /// The claim of each interface, where there is one.
    fn claims_of(&self, pod: &str) -> impl Iterator<Item = Option<&Claim>> {
        let uid = self.store.pods.get(&pod_key(pod)).map(|pod| &pod.uid);
        self.asks().into_iter().map(move |ask| {
            let name = operator_core::token::claim_name(&pod.into(), uid?, ask.interface.as_ref());
            self.store.claims.get(&pod_key(&name))
        })
    }

    pub fn change_claim(&mut self, key: &Key, change: impl FnOnce(&mut Claim)) {
        let mut claim = self.store.claims[key].clone();
        change(&mut claim);
        self.put_claim(claim);
    }

    /// As `kubectl delete eniclaim`.
    pub fn delete_claim(&mut self, key: &Key) {
        if self.store.claims.contains_key(key) {
            self.change_claim(key, |claim| {
                claim.deleting = true;
                claim.generation += 1;
            });
        }
    }

    /// As after a backup that lacks it: the object goes, whatever holds it.
    pub fn lose_claim(&mut self, name: &str) {
        let claim = self.store.claims.remove(&pod_key(name)).unwrap();
        self.show(&Fact::Claims(Change::Gone((claim.key, claim.uid))));
    }

    /// Whether all its interfaces are there.
    pub fn is_ready(&self, pod: &str) -> bool {
        self.claims_of(pod).all(|claim| {
            claim.is_some_and(|claim| {
                claim.status.phase == Some(Phase::Ready) && self.holds_device(pod, claim)
            })
        })
    }

    /// Whether the pod has the device that its claim names.
    pub fn is_plugged(&self, pod: &str) -> bool {
        self.claim_of(pod)
            .is_some_and(|claim| self.holds_device(pod, claim))
    }

    fn holds_device(&self, pod: &str, claim: &Claim) -> bool {
        let pod = self.store.pods.get(&pod_key(pod));
        let held = claim.status.eni.as_ref();
        let held = held.and_then(|eni| self.agents.plugged.get(&eni.id));
        pod.is_some_and(|pod| held.is_some_and(|(_, holder)| *holder == pod.uid))
    }

    pub fn eni_of(&self, pod: &str) -> Option<EniId> {
        let claim = self.claim_of(pod)?;
        claim.status.eni.as_ref().map(|eni| eni.id.clone())
    }

    /// The reason of the condition Ready.
    pub fn reason_of(&self, pod: &str) -> Option<String> {
        let status = &self.claim_of(pod)?.status;
        status.condition(kind::READY).map(|c| c.reason.to_string())
    }

    /// The sentence of the condition Ready.
    pub fn why(&self, pod: &str) -> String {
        let claim = self.claim_of(pod);
        let ready = claim.and_then(|c| c.status.condition(kind::READY));
        ready.map_or_else(String::new, |c| c.message.to_string())
    }

    /// How often this reason was published.
    pub fn told(&self, reason: Reason) -> usize {
        let events = self.log.events.iter();
        events.filter(|(_, e)| e.note.reason == reason).count()
    }

    /// ENIs that some claim's request made.
    pub fn made(&self) -> Vec<EniId> {
        let made = self
            .vpc
            .enis()
            .filter(|e| e.tags.contains_key(tag::CLAIM_UID));
        made.map(|e| e.id.as_str().parse().unwrap()).collect()
    }

    pub fn calls(&self, action: Action) -> usize {
        let calls = self.log.mutations.iter();
        calls.filter(|(_, a, _)| *a == action).count()
    }

    pub fn reads(&self, action: Action) -> usize {
        self.log.reads.iter().filter(|(_, a)| *a == action).count()
    }

    /// A pod whose ENI is ready.
    pub fn ready(&mut self, pod: &str, node: &str) {
        self.add_pod(pod, node);
        let name = pod.to_owned();
        self.until(60_000, "the pod gets its ENI", |w| w.is_ready(&name));
    }

    /// Everything that is under way ends; then ten minutes pass without a change by the operator.
    pub fn rest(&mut self) {
        for _ in 0..60 {
            let before = (self.log.writes.len(), self.log.mutations.len());
            self.run(LONG);
            if before == (self.log.writes.len(), self.log.mutations.len()) {
                return;
            }
        }
        panic!("never rests\n{}", self.picture());
    }

    /// No pods any more: nothing is left in Kubernetes or EC2.
    pub fn clear(&mut self) {
        for key in self.store.pods.keys().cloned().collect::<Vec<_>>() {
            self.remove_pod(&key.name);
        }
        self.rest();
        assert!(self.store.claims.is_empty(), "left:\n{}", self.picture());
        assert_eq!(self.made(), [], "left:\n{}", self.picture());
    }

    /// Another client of EC2 calls.
    pub fn somebody(&mut self, request: Request) -> Response {
        let now = self.millis();
        let response = self.vpc.call(request, now).unwrap();
        self.stir();
        response
    }

    /// What a person debugging a test wants to see.
    pub fn picture(&self) -> String {
        let since = |at: &operator_core::Time| at.since(self.now) / 1_000;
        let claims = self.store.claims.values().take(6).map(picture_of);
        let enis = self.vpc.enis().filter(|e| !e.is_primary()).take(6);
        let enis = enis.map(|eni| format!("{} {:?}", eni.id, eni.state));
        let writes = self.log.writes.iter().rev().take(15).rev();
        let writes = writes.map(|(at, kind, about)| format!("{} s: {kind} {about}", since(at)));
        let calls = self.log.mutations.iter().rev().take(15).rev();
        let calls = calls.map(|(at, action, about)| format!("{} s: {action} {about}", since(at)));
        let events = self.log.events.iter().rev().take(10).rev();
        let events = events.map(|(at, event)| format!("{} s: {:?}", since(at), event.note));
        let lines = claims.chain(enis).chain(writes).chain(calls).chain(events);
        let lines: Vec<String> = lines.collect();
        format!("now {}\n{}", self.now, lines.join("\n"))
    }
}

fn picture_of(claim: &Claim) -> String {
    let Claim {
        key,
        uid,
        deleting,
        finalizer,
        status,
        device,
        ..
    } = claim;
    let conditions = status.conditions.iter();
    let conditions: Vec<String> = conditions
        .map(|c| format!("  {} {:?} {}: {}", c.kind, c.status, c.reason, c.message))
        .collect();
    format!(
        "{key} {uid} deleting {deleting} finalizer {finalizer}\n  {:?} {:?}\n  {:?}\n  {device:?}\n  {:?} {:?}\n{}",
        status.phase,
        status.binding,
        status.attachment,
        status.eni.as_ref().map(|eni| eni.id.to_string()),
        status.creation.as_ref().map(|c| (c.incarnation, c.answer)),
        conditions.join("\n")
    )
}

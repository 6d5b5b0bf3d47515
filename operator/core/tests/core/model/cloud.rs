//! EC2 in a story: its rules, and names that do not tell how often something was made before.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::LazyLock,
};

use api::id::{EniId, InstanceId};
use operator_core::{
    Outcome,
    ec2::{AttachmentState, EniView},
    order::Effect,
};
use vpc::{Delays, Event, InstanceState, Launch, Transition, Vpc, world as aws};

use super::{
    shared::Shared,
    state::{CLAIMS, NODES, claim_uid, node_name, now},
};
use crate::ec2;

/// Names of one kind that a claim uses at a time, at most.
const NAMES: usize = 8;

/// Every name of an ENI and of an attachment: first those of ENIs, `NAMES` a claim.
static ALL_NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let numbers = 0..CLAIMS * NAMES;
    let enis = numbers.clone().map(|n| format!("eni-{:017x}", 0xc000 + n));
    let attachments = numbers.map(|n| format!("eni-attach-{:017x}", 0xc000 + n));
    enis.chain(attachments).collect()
});

/// Of its two worlds that show the same one is as good as the other: EC2 compares ids, and takes the first free address. Each claim
/// has a subnet of its own, so that the order in which ENIs were made does not show in their addresses either.
#[derive(Debug, Clone)]
pub struct Cloud {
    vpc: Vpc,
    /// Our names, by EC2's ids. Those of ENIs stay while EC2 answers the token of a Create with them.
    names: BTreeMap<String, String>,
    /// ENIs under our names.
    pub enis: Vec<Shared<EniView>>,
    /// What each token was granted.
    granted: BTreeMap<String, EniId>,
    pub hosts: [InstanceState; NODES],
    pub instances: [InstanceId; NODES],
    /// What will happen by itself.
    pub pending: Vec<Transition>,
}

impl PartialEq for Cloud {
    fn eq(&self, other: &Self) -> bool {
        (&self.enis, &self.granted, self.hosts) == (&other.enis, &other.granted, other.hosts)
    }
}

impl Eq for Cloud {}

impl Hash for Cloud {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (&self.enis, &self.granted, self.hosts).hash(hasher);
    }
}

/// What became of a call.
#[derive(Clone)]
pub struct Arrived {
    pub cloud: Shared<Cloud>,
    pub outcome: Shared<Outcome>,
}

impl Cloud {
    /// With two instances.
    pub fn new() -> Self {
        let mut vpc = Vpc::new(Delays::default());
        let instances = [0, 1].map(|node| {
            let launch = Launch {
                name: node_name(node),
                instance_type: "m5.large".into(),
                subnet: aws::SUBNET_NODES.into(),
                address: None,
                groups: [aws::GROUP_NODES.into()].into(),
                routes: vec![],
                ipv6: None,
                source_dest_check: false,
            };
            let launched = vpc.launch(launch, now()).unwrap().instance;
            launched.id.as_str().parse().unwrap()
        });
        let mut cloud = Self {
            vpc,
            names: BTreeMap::new(),
            enis: Vec::new(),
            granted: BTreeMap::new(),
            hosts: [InstanceState::Running; NODES],
            instances,
            pending: Vec::new(),
        };
        cloud.look();
        cloud
    }

    pub fn eni(&self, id: &EniId) -> Option<&Shared<EniView>> {
        self.enis.iter().find(|view| view.id == *id)
    }

    /// ENIs that carry a claim's tag.
    pub fn tagged(&self, k: usize) -> impl Iterator<Item = &Shared<EniView>> {
        let is = move |view: &&Shared<EniView>| {
            let claim = view.tags.claim.as_ref();
            claim.is_some_and(|claim| claim.as_str() == claim_uid(k))
        };
        self.enis.iter().filter(is)
    }

    pub fn node_of(&self, instance: &InstanceId) -> Option<usize> {
        self.instances.iter().position(|id| id == instance)
    }

    /// Whether EC2 has the attachment.
    pub fn has(&self, attachment: &str) -> bool {
        let mut on = self.enis.iter().filter_map(|eni| eni.attachment.as_ref());
        on.any(|on| on.id.as_str() == attachment)
    }

    /// Whether a call that arrives now or later can do anything. Ids never come back while anything names them.
    pub fn minds(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Create(creation) => !self.granted.contains_key(creation.token.as_str()),
            Effect::Detach { attachment, .. } => self.has(attachment.as_str()),
            Effect::Attach { eni, .. }
            | Effect::SetSourceDestCheck { eni, .. }
            | Effect::SetDeleteOnTermination { eni, .. }
            | Effect::SetSecurityGroups { eni, .. }
            | Effect::Delete { eni } => self.eni(eni).is_some(),
        }
    }

    /// A call of claim `k`. What it makes gets the first name that nothing mentions: worlds that differ in names alone are one.
    pub fn call(&self, k: usize, effect: &Effect, mentioned: u64) -> Arrived {
        let mut next = self.clone();
        let request = ec2::request(&self.as_ec2_knows(effect));
        let outcome = ec2::call(&mut next.vpc, request, now());
        let free = |kind: usize| {
            let first = (kind * CLAIMS + k) * NAMES;
            let mut names = first..first + NAMES;
            let name = names.find(|n| mentioned & 1 << n == 0);
            ALL_NAMES[name.expect("more names are mentioned than there are")].clone()
        };
        match (effect, &outcome) {
            (Effect::Create(creation), Outcome::Created(view)) => {
                let id = view.id.to_string();
                let name = next.names.entry(id).or_insert_with(|| free(0));
                let name = name.parse().unwrap();
                next.granted.insert(creation.token.to_string(), name);
            }
            (_, Outcome::Attached(id)) => drop(next.names.insert(id.to_string(), free(1))),
            _ => {}
        }
        let outcome = match outcome {
            Outcome::Created(view) => Outcome::Created(Box::new(next.named(*view))),
            // It names what is EC2's; nothing is decided by it.
            Outcome::Failed(mut error) => {
                error.message.clear();
                Outcome::Failed(error)
            }
            other => other,
        };
        next.look();
        Arrived {
            cloud: Shared::new(next),
            outcome: Shared::new(outcome),
        }
    }

    pub fn fire(&self, n: usize) -> Self {
        let mut next = self.clone();
        next.vpc.fire(&self.pending[n]);
        next.look();
        next
    }

    pub fn terminate(&self, node: usize) -> Self {
        let mut next = self.clone();
        let id = self.instances[node].as_str().into();
        next.vpc.terminate(&id, now()).unwrap();
        next.look();
        next
    }

    /// Takes in what EC2 shows.
    fn look(&mut self) {
        let enis: Vec<EniView> = self.vpc.enis().map(ec2::view).collect();
        let is_there = |id: &String| {
            let mut ids = enis.iter().filter_map(|eni| eni.attachment.as_ref());
            !id.starts_with("eni-attach") || ids.any(|on| on.id.as_str() == id)
        };
        self.names.retain(|id, _| is_there(id));
        let mut enis: Vec<EniView> = enis.into_iter().map(|eni| self.named(eni)).collect();
        enis.sort_by(|one, other| one.id.cmp(&other.id));
        self.enis = enis.into_iter().map(Shared::new).collect();
        for (node, id) in self.instances.iter().enumerate() {
            let instance = self.vpc.instance(&id.as_str().into());
            self.hosts[node] = instance.unwrap().state;
        }
        // That a terminated instance is described no longer is no part of these stories.
        let pending = self.vpc.pending().into_iter();
        let pending = pending.filter(|t| !matches!(t.event, Event::Forgotten(_)));
        self.pending = pending.collect();
        let place = |t: &Transition| match &t.event {
            Event::Available(id) => self.names.get(id.as_str()).cloned(),
            Event::Attached(id) | Event::Detached(id) => self.names.get(id.as_str()).cloned(),
            Event::Started(id)
            | Event::Stopped(id)
            | Event::Terminated(id)
            | Event::Forgotten(id) => Some(id.to_string()),
        };
        self.pending.sort_by_key(place);
    }

    /// A view under our names.
    fn named(&self, mut view: EniView) -> EniView {
        if let Some(name) = self.names.get(view.id.as_str()) {
            view.id = name.parse().unwrap();
            let [.., a, b] = u64::from_str_radix(&name[4..], 16).unwrap().to_be_bytes();
            view.mac = format!("06:ec:20:00:{a:02x}:{b:02x}").parse().unwrap();
        }
        if let Some(on) = &mut view.attachment
            && let Some(name) = self.names.get(on.id.as_str())
        {
            on.id = name.parse().unwrap();
        }
        view
    }

    /// The effect under EC2's ids. What is gone keeps its name, which EC2 does not know.
    fn as_ec2_knows(&self, effect: &Effect) -> Effect {
        let id = |name: &str| {
            let mut names = self.names.iter();
            let found = names.find(|(_, ours)| *ours == name);
            found.map_or_else(|| name.to_owned(), |(id, _)| id.clone())
        };
        let mut effect = effect.clone();
        match &mut effect {
            Effect::Create(_) => {}
            Effect::Detach {
                eni, attachment, ..
            }
            | Effect::SetDeleteOnTermination { eni, attachment } => {
                *eni = id(eni.as_str()).parse().unwrap();
                *attachment = id(attachment.as_str()).parse().unwrap();
            }
            Effect::Attach { eni, .. }
            | Effect::SetSourceDestCheck { eni, .. }
            | Effect::SetSecurityGroups { eni, .. }
            | Effect::Delete { eni } => *eni = id(eni.as_str()).parse().unwrap(),
        }
        effect
    }
}

/// Names of ENIs and attachments that are somewhere in the value.
pub fn mentions<T: std::fmt::Debug>(value: &Shared<T>) -> u64 {
    value.mentions(&ALL_NAMES)
}

/// Whether EC2 is changing the ENI.
pub fn moves_by_itself(view: &EniView) -> bool {
    let attachment = view.attachment.as_ref();
    let is_changing = attachment.is_some_and(|on| on.state != AttachmentState::Attached);
    is_changing || (attachment.is_none() && !view.available)
}

/// The bits that stand for names of claim `k`.
pub fn names_of(k: usize) -> u64 {
    let of_kind = |kind: usize| 0xff << ((kind * CLAIMS + k) * NAMES);
    of_kind(0) | of_kind(1)
}

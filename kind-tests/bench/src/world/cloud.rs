//! EC2 as the operator's orders reach it.

use std::collections::BTreeMap;

use api::{
    Time,
    id::{EniId, InstanceId, InstanceType, SecurityGroupId, SubnetId},
};
use operator_core::{
    Fact, Outcome, Read,
    ec2::{
        AttachedEni, AttachmentState, AttachmentView, EniTags, EniView, Group, Instance, Subnet,
        TypeFacts,
    },
    fact::Found,
    order::{Effect, Lookup},
};

use super::makers;

/// ENIs of a listing that the executor hands over at once.
pub const AT_ONCE: usize = 100;
/// ENIs on one page of EC2's answers.
const PAGE: usize = 1_000;
/// Values that EC2 takes in one filter.
pub const VALUES: usize = 200;

/// EC2 as the operator's orders reach it.
pub trait Cloud {
    /// Does a change.
    fn change(&mut self, effect: &Effect, now: Time) -> Outcome;
    /// What a read shows, page by page; its calls are counted.
    fn read(
        &mut self,
        read: &Read,
        now: Time,
        calls: &mut BTreeMap<&'static str, u32>,
    ) -> Vec<Fact>;
    /// Time has passed.
    fn pass(&mut self, now: Time);
    /// Whether the instance has the device.
    fn is_attached(&self, eni: &EniId) -> bool;
}

/// An account whose every change is over at once.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// ENIs.
    pub enis: BTreeMap<EniId, EniView>,
    /// Instances, without what is attached to them.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Types.
    pub types: BTreeMap<InstanceType, TypeFacts>,
    /// Subnets.
    pub subnets: BTreeMap<SubnetId, Subnet>,
    /// ENIs by the instance that they are attached to.
    pub attached: BTreeMap<InstanceId, Vec<AttachedEni>>,
    /// Objects made so far.
    pub number: usize,
}

/// The number of the n-th object that was made.
pub fn made(number: usize) -> usize {
    900_000 + number
}

/// How many calls it is to ask about so many.
pub fn chunks(count: usize) -> u32 {
    u32::try_from(count.div_ceil(VALUES)).unwrap_or(u32::MAX)
}

/// How many calls it is to list so many.
pub fn pages(count: usize) -> u32 {
    u32::try_from(count.div_ceil(PAGE).max(1)).unwrap_or(u32::MAX)
}

impl Account {
    /// Remembers an ENI.
    pub fn add(&mut self, view: EniView) {
        if let Some(on) = &view.attachment {
            let attached = AttachedEni {
                slot: on.slot,
                eni: view.id.clone(),
                mac: view.mac.clone(),
                trunk: false,
            };
            self.attached
                .entry(on.instance.clone())
                .or_default()
                .push(attached);
        }
        self.enis.insert(view.id.clone(), view);
    }

    /// Forgets an ENI, and its place in an instance.
    pub fn remove(&mut self, eni: &EniId) {
        self.detach(eni);
        self.enis.remove(eni);
    }

    /// An instance with what is attached to it.
    pub fn instance(&self, id: &InstanceId) -> Option<Instance> {
        let attached = self.attached.get(id).cloned().unwrap_or_default();
        let instance = self.instances.get(id)?.clone();
        Some(Instance {
            attached,
            ..instance
        })
    }

    fn detach(&mut self, eni: &EniId) {
        let Some(view) = self.enis.get_mut(eni) else {
            return;
        };
        view.available = true;
        if let Some(on) = view.attachment.take()
            && let Some(attached) = self.attached.get_mut(&on.instance)
        {
            attached.retain(|a| a.eni != *eni);
        }
    }
}

impl Cloud for Account {
    fn change(&mut self, effect: &Effect, _: Time) -> Outcome {
        match effect {
            Effect::Create(creation) => {
                self.number += 1;
                let request = &creation.request;
                let mut view = makers::eni(made(self.number));
                if let Some(subnet) = self.subnets.get(&request.subnet_id) {
                    view.subnet = subnet.id.clone();
                    view.zone = subnet.zone.clone();
                }
                view.tags = EniTags::of(request.tags.to_map());
                view.available = true;
                view.attachment = None;
                self.add(view.clone());
                Outcome::Created(Box::new(view))
            }
            Effect::Attach {
                eni,
                instance,
                slot,
            } => {
                self.number += 1;
                let id = makers::attachment(made(self.number));
                let Some(mut view) = self.enis.remove(eni) else {
                    return Outcome::Changed;
                };
                view.available = false;
                view.attachment = Some(AttachmentView {
                    id: id.clone(),
                    instance: instance.clone(),
                    slot: *slot,
                    state: AttachmentState::Attached,
                    delete_on_termination: false,
                });
                self.add(view);
                Outcome::Attached(id)
            }
            Effect::SetSourceDestCheck { eni, check } => {
                if let Some(view) = self.enis.get_mut(eni) {
                    view.source_dest_check = *check;
                }
                Outcome::Changed
            }
            Effect::SetDeleteOnTermination { eni, .. } => {
                if let Some(view) = self.enis.get_mut(eni)
                    && let Some(on) = &mut view.attachment
                {
                    on.delete_on_termination = true;
                }
                Outcome::Changed
            }
            Effect::SetSecurityGroups { eni, groups } => {
                if let Some(view) = self.enis.get_mut(eni) {
                    view.groups.clone_from(groups);
                }
                Outcome::Changed
            }
            Effect::Detach { eni, .. } => {
                self.detach(eni);
                Outcome::Changed
            }
            Effect::Delete { eni } => {
                self.enis.remove(eni);
                Outcome::Changed
            }
        }
    }

    fn read(&mut self, read: &Read, _: Time, calls: &mut BTreeMap<&'static str, u32>) -> Vec<Fact> {
        let mut facts = Vec::new();
        let (count, outcome) = match read {
            Read::Listing(_) => {
                let views: Vec<EniView> = self.enis.values().cloned().collect();
                let parts = views.chunks(AT_ONCE);
                facts.extend(parts.map(|part| Fact::Page(part.to_vec())));
                (pages(views.len()), Outcome::Listed)
            }
            Read::Enis(ids) => {
                let found = ids.iter().filter_map(|id| self.enis.get(id).cloned());
                (chunks(ids.len()), Outcome::Enis(found.collect()))
            }
            Read::Tagged(claims) => {
                let tagged =
                    |view: &&EniView| view.tags.claim.as_ref().is_some_and(|c| claims.contains(c));
                let found = self.enis.values().filter(tagged).cloned();
                (chunks(claims.len()), Outcome::Enis(found.collect()))
            }
            Read::Eni(id) => (1, Outcome::Eni(self.enis.get(id).cloned().map(Box::new))),
            Read::Instances(ids) => {
                let found = ids.iter().filter_map(|id| self.instance(id));
                (chunks(ids.len()), Outcome::Instances(found.collect()))
            }
            Read::Types(_) => (1, Outcome::Types(self.types.clone())),
            Read::Subnets(Lookup { ids, tags: _ }) => {
                let found = ids.iter().filter_map(|id| self.subnets.get(id).cloned());
                let found = Found::by_id(found.collect());
                (chunks(ids.len()), Outcome::Subnets(found))
            }
            // All that are asked for, in the one VPC.
            Read::Groups(Lookup { ids, tags: _ }) => {
                let group = |id: &SecurityGroupId| Group {
                    id: id.clone(),
                    vpc: super::makers::vpc(1),
                };
                let found = Found::by_id(ids.iter().map(group).collect());
                (chunks(ids.len()), Outcome::Groups(found))
            }
            Read::Pod(_) => return facts,
        };
        if let Some(action) = read.action() {
            *calls.entry(action.as_str()).or_default() += count;
        }
        facts.push(Fact::Done(read.target(), outcome));
        facts
    }

    fn pass(&mut self, _: Time) {}

    fn is_attached(&self, eni: &EniId) -> bool {
        self.enis
            .get(eni)
            .is_some_and(|view| view.attachment.is_some())
    }
}

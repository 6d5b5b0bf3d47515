//! Reads of subnets and security groups: what classes name, by id and by tags, and the subnets of ENIs.

use std::collections::BTreeSet;

use api::{
    Time,
    claim::CreateRequest,
    class::Tags,
    id::{ClassName, SecurityGroupId, SubnetId},
    time::MINUTE,
};

use super::{Fleet, index::Dependency, reads::SOON};
use crate::{
    cluster::Class,
    ec2::{Group, Subnet},
    fact::Found,
    order::{Lookup, Read, Topic},
    resolve::{GroupRecord, Selected},
    subnet::{AGAIN, SubnetRecord},
};

/// What classes name is looked up again this often: others change it seldom, and whoever waits asks sooner.
const RESYNC: i64 = 5 * MINUTE;

/// Whether somebody waits for what a read may show.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Yes,
    No,
}

/// When something that was read then is read again.
fn again(read: Time, is_found: bool, awaited: Awaited) -> Time {
    read.after(match (awaited, is_found) {
        (Awaited::Yes, _) => AGAIN,
        (Awaited::No, false) => SOON,
        (Awaited::No, true) => RESYNC,
    })
}

/// What is due by now, and when the next of the rest is.
struct Due {
    now: Time,
    next: Option<Time>,
}

impl Due {
    fn is_due(&mut self, at: Time) -> bool {
        if at > self.now {
            self.next = Some(self.next.map_or(at, |next| next.min(at)));
        }
        at <= self.now
    }
}

/// Never read.
const NEVER: Time = Time(i64::MIN);

impl Fleet {
    pub(super) fn compose_subnets(&mut self, now: Time) -> Option<Read> {
        let mut due = Due { now, next: None };
        let ids = self.index.subnet_uses.keys();
        let ids: Vec<SubnetId> = ids
            .filter(|id| due.is_due(self.subnet_due(id)))
            .cloned()
            .collect();
        let tags = self.tags_of(|class| &class.subnets.tags);
        (self.cloud.catalogue.tagged_subnets).retain(|known, _| tags.contains(known));
        let tags = tags.into_iter();
        let tags = tags.filter(|tags| due.is_due(self.tagged_subnets_due(tags)));
        let lookup = Lookup {
            ids,
            tags: tags.collect(),
        };
        self.plan_lookup(Topic::Subnets, lookup, &due, Read::Subnets)
    }

    pub(super) fn compose_groups(&mut self, now: Time) -> Option<Read> {
        let mut due = Due { now, next: None };
        let named: BTreeSet<SecurityGroupId> = (self.watched.classes.values())
            .flat_map(|class| class.groups.ids.iter().cloned())
            .collect();
        let tags = self.tags_of(|class| &class.groups.tags);
        (self.cloud.catalogue.tagged_groups).retain(|known, _| tags.contains(known));
        let selected: BTreeSet<&SecurityGroupId> = (self.cloud.catalogue.tagged_groups.values())
            .flat_map(|selected| &selected.ids)
            .collect();
        let is_used = |id: &SecurityGroupId| named.contains(id) || selected.contains(id);
        self.cloud.catalogue.groups.retain(|id, _| is_used(id));
        let ids = named.into_iter();
        let ids = ids.filter(|id| due.is_due(self.group_due(id))).collect();
        let tags = tags.into_iter();
        let tags = tags.filter(|tags| due.is_due(self.tagged_groups_due(tags)));
        let lookup = Lookup {
            ids,
            tags: tags.collect(),
        };
        self.plan_lookup(Topic::Groups, lookup, &due, Read::Groups)
    }

    /// What is due is read; what is not is, when it is.
    fn plan_lookup<T>(
        &mut self,
        topic: Topic,
        lookup: Lookup<T>,
        due: &Due,
        read: fn(Lookup<T>) -> Read,
    ) -> Option<Read> {
        self.work.read_at.remove(&topic);
        if let Some(next) = due.next {
            self.read_by(topic, next);
        }
        if lookup.ids.is_empty() && lookup.tags.is_empty() {
            return None;
        }
        // Looked at again, should somebody still wait then.
        self.read_by(topic, due.now.after(AGAIN));
        Some(read(lookup))
    }

    /// What classes select by.
    fn tags_of(&self, of: fn(&Class) -> &Tags) -> BTreeSet<Tags> {
        let tags = self.watched.classes.values().map(of);
        tags.filter(|tags| !tags.is_empty()).cloned().collect()
    }

    /// Whether a pod waits for a class of that sort, which lacks something.
    fn is_awaited(&self, is_of: impl Fn(&Class) -> bool) -> bool {
        let mut classes = self.watched.classes.values().filter(|class| is_of(class));
        classes.any(|class| {
            let resolved = self.watched.resolved.get(&class.name);
            resolved.is_none_or(|resolved| !resolved.is_ready())
                && (self.index).has_dependents(&Dependency::Class(class.name.clone()))
        })
    }

    /// Zone and block never change, but somebody may wait for a free address.
    fn awaited_subnet(&self, id: &SubnetId) -> Awaited {
        if (self.index).has_dependents(&Dependency::Subnet(id.clone())) {
            Awaited::Yes
        } else {
            Awaited::No
        }
    }

    fn subnet_due(&self, id: &SubnetId) -> Time {
        self.cloud.subnets.get(id).map_or(NEVER, |record| {
            again(
                record.read,
                record.subnet.is_some(),
                self.awaited_subnet(id),
            )
        })
    }

    fn tagged_subnets_due(&self, tags: &Tags) -> Time {
        let Some(selected) = self.cloud.catalogue.tagged_subnets.get(tags) else {
            return NEVER;
        };
        let mut awaited = selected.ids.iter().map(|id| self.awaited_subnet(id));
        let is_awaited = awaited.any(|awaited| awaited == Awaited::Yes)
            || self.is_awaited(|class| class.subnets.tags == *tags);
        let awaited = if is_awaited {
            Awaited::Yes
        } else {
            Awaited::No
        };
        again(selected.read, !selected.ids.is_empty(), awaited)
    }

    fn group_due(&self, id: &SecurityGroupId) -> Time {
        let Some(record) = self.cloud.catalogue.groups.get(id) else {
            return NEVER;
        };
        let is_found = record.group.is_some();
        let awaited = if !is_found && self.is_awaited(|class| class.groups.ids.contains(id)) {
            Awaited::Yes
        } else {
            Awaited::No
        };
        again(record.read, is_found, awaited)
    }

    fn tagged_groups_due(&self, tags: &Tags) -> Time {
        let Some(selected) = self.cloud.catalogue.tagged_groups.get(tags) else {
            return NEVER;
        };
        let is_awaited = self.is_awaited(|class| class.groups.tags == *tags);
        let awaited = if is_awaited {
            Awaited::Yes
        } else {
            Awaited::No
        };
        again(selected.read, !selected.ids.is_empty(), awaited)
    }

    /// Who waits for what its class lacks has it looked up sooner.
    pub(super) fn look_up_soon(&mut self, class: &ClassName, now: Time) {
        let Some(resolved) = self.watched.resolved.get(class) else {
            return;
        };
        for (topic, is_ready) in [
            (Topic::Subnets, resolved.subnets_state.is_ready()),
            (Topic::Groups, resolved.groups_state.is_ready()),
        ] {
            // What EC2 refused has its own time.
            if !is_ready && !self.work.trouble.contains_key(&topic) {
                self.read_by(topic, now);
            }
        }
    }

    /// What a request names is looked up at once.
    pub(super) fn look_up_again(&mut self, request: &CreateRequest) {
        if let Some(record) = self.cloud.subnets.get_mut(&request.subnet_id) {
            record.read = NEVER;
        }
        let catalogue = &mut self.cloud.catalogue;
        for id in &request.security_group_ids {
            if let Some(record) = catalogue.groups.get_mut(id) {
                record.read = NEVER;
            }
            let selected = catalogue.tagged_groups.values_mut();
            for selected in selected.filter(|selected| selected.ids.contains(id)) {
                selected.read = NEVER;
            }
        }
        self.read_now(Topic::Subnets);
        self.read_now(Topic::Groups);
    }

    pub(super) fn learn_subnets(
        &mut self,
        asked: &Lookup<SubnetId>,
        found: Found<Subnet>,
        began: Time,
        now: Time,
    ) {
        let Found { mut by_id, by_tags } = found;
        for (tags, subnets) in by_tags {
            let ids = sorted(subnets.iter().map(|subnet| subnet.id.clone()));
            let selected = Selected { ids, read: began };
            self.cloud.catalogue.tagged_subnets.insert(tags, selected);
            by_id.extend(subnets);
        }
        let shown: BTreeSet<SubnetId> = by_id.iter().map(|subnet| subnet.id.clone()).collect();
        for id in asked.ids.iter().filter(|id| !shown.contains(*id)) {
            self.learn_subnet(id, None, began, now);
        }
        for subnet in by_id {
            self.learn_subnet(&subnet.id.clone(), Some(subnet), began, now);
        }
        self.resolve_classes();
    }

    fn learn_subnet(&mut self, id: &SubnetId, subnet: Option<Subnet>, began: Time, now: Time) {
        let before = self.cloud.subnets.get(id);
        let room_before = before.and_then(|record| record.room(now));
        let families = |s: &Subnet| (s.ipv4.is_some(), s.ipv6.is_some());
        let place = |s: &Subnet| (s.zone.clone(), s.vpc.clone(), families(s));
        let moved =
            before.map(|r| r.subnet.as_ref().map(place)) != Some(subnet.as_ref().map(place));
        let record = SubnetRecord {
            subnet,
            read: began,
            promised: self.index.promised(id),
            block: before.and_then(|record| record.block),
            prefix_block: before.and_then(|record| record.prefix_block),
        };
        let room = record.room(now);
        self.cloud.subnets.insert(id.clone(), record);
        if moved || room > room_before {
            self.wake_up(&Dependency::Subnet(id.clone()));
        }
    }

    pub(super) fn learn_groups(
        &mut self,
        asked: &Lookup<SecurityGroupId>,
        found: Found<Group>,
        began: Time,
    ) {
        let Found { mut by_id, by_tags } = found;
        let catalogue = &mut self.cloud.catalogue;
        for (tags, groups) in by_tags {
            let ids = sorted(groups.iter().map(|group| group.id.clone()));
            let selected = Selected { ids, read: began };
            catalogue.tagged_groups.insert(tags, selected);
            by_id.extend(groups);
        }
        let none = asked.ids.iter().map(|id| (id.clone(), None));
        let found = by_id.into_iter().map(|g| (g.id.clone(), Some(g)));
        for (id, group) in none.chain(found) {
            let record = GroupRecord { group, read: began };
            catalogue.groups.insert(id, record);
        }
        self.resolve_classes();
    }
}

fn sorted<T: Ord>(ids: impl Iterator<Item = T>) -> Vec<T> {
    let ids: BTreeSet<T> = ids.collect();
    ids.into_iter().collect()
}

//! Classes: what each stands for in EC2, and what is said of it.

use api::{Time, id::ClassName};

use super::{
    Fleet,
    index::Dependency,
    watched::{List, gone, items},
};
use crate::{
    class_status::{lacks, status},
    cluster::Class,
    fact::Change,
    order::{About, Object, Order, Target, Topic},
    reason::Note,
    resolve::{Resolved, State, Unread, resolve, unread},
};

impl Fleet {
    pub(super) fn learn_classes(&mut self, change: Change<ClassName, Class>) {
        let is_all = matches!(change, Change::All(_));
        for name in gone(&self.watched.classes, &change, |class| class.name.clone()) {
            self.learn_class_gone(&name);
        }
        for class in items(change) {
            self.learn_class(class);
        }
        self.complete(List::Classes, is_all);
    }

    pub(super) fn learn_class(&mut self, class: Class) {
        let name = class.name.clone();
        let before = self.watched.classes.get(&name);
        if before == Some(&class) {
            return;
        }
        self.work.agenda.mark(Target::Class(name.clone()));
        if before.is_some_and(|before| before.says_as(&class)) {
            self.watched.classes.insert(name, class);
            return;
        }
        let names = |class: &Class| (class.subnets.clone(), class.groups.clone());
        let names_others = before.map(names) != Some(names(&class));
        let families = |class: &Class| class.addresses.families.clone();
        let has_others = before.map(families) != Some(families(&class));
        let policy = |class: &Class| class.drift_policy;
        let corrects = before.map(policy) != Some(policy(&class));
        self.forget_class(&name);
        for subnet in &class.subnets.ids {
            *self.index.subnet_uses.entry(subnet.clone()).or_default() += 1;
        }
        self.watched.classes.insert(name.clone(), class);
        if names_others {
            self.forget_unfound(&name);
            self.read_now(Topic::Subnets);
            self.read_now(Topic::Groups);
        }
        self.resolve_class(&name);
        if has_others {
            // Where a class can work rests on its families, too.
            self.wake_up(&Dependency::Classes);
        }
        if corrects || names_others {
            self.regroup(&name);
        }
        self.wake_up(&Dependency::Class(name));
    }

    fn learn_class_gone(&mut self, name: &ClassName) {
        if !self.forget_class(name) {
            return;
        }
        self.watched.resolved.remove(name);
        self.work.rollouts.forget_class(name);
        self.regroup(name);
        self.work.forget(&Target::Class(name.clone()));
        self.wake_up(&Dependency::Classes);
        self.wake_up(&Dependency::Class(name.clone()));
    }

    fn forget_class(&mut self, name: &ClassName) -> bool {
        let Some(class) = self.watched.classes.remove(name) else {
            return false;
        };
        for subnet in &class.subnets.ids {
            self.index.release_subnet(subnet);
        }
        true
    }

    /// What EC2 did not know when it was asked last may be there now: somebody edits the class for a reason.
    fn forget_unfound(&mut self, name: &ClassName) {
        let Some(class) = self.watched.classes.get(name) else {
            return;
        };
        for id in &class.subnets.ids {
            if self
                .cloud
                .subnets
                .get(id)
                .is_some_and(|r| r.subnet.is_none())
            {
                self.cloud.subnets.remove(id);
            }
        }
        let catalogue = &mut self.cloud.catalogue;
        for id in &class.groups.ids {
            if catalogue.groups.get(id).is_some_and(|r| r.group.is_none()) {
                catalogue.groups.remove(id);
            }
        }
        let (subnets, groups) = (&class.subnets.tags, &class.groups.tags);
        (catalogue.tagged_subnets).retain(|tags, found| tags != subnets || !found.ids.is_empty());
        (catalogue.tagged_groups).retain(|tags, found| tags != groups || !found.ids.is_empty());
    }

    /// Looks again at what every class stands for: EC2 has shown something new, or refused to.
    pub(super) fn resolve_classes(&mut self) {
        let names: Vec<ClassName> = self.watched.classes.keys().cloned().collect();
        for name in names {
            self.resolve_class(&name);
        }
    }

    fn resolve_class(&mut self, name: &ClassName) {
        let Some(class) = self.watched.classes.get(name) else {
            return;
        };
        let unread = Unread {
            subnets: self.unread(Topic::Subnets),
            groups: self.unread(Topic::Groups),
        };
        let cloud = &self.cloud;
        let now = resolve(class, &cloud.subnets, &cloud.catalogue, &unread);
        let before = self.watched.resolved.insert(name.clone(), now.clone());
        if before.as_ref() == Some(&now) {
            return;
        }
        self.work.agenda.mark(Target::Class(name.clone()));
        let groups = |resolved: &Resolved| resolved.groups_of_all(class);
        let others = before.as_ref().map(groups) != Some(groups(&now));
        self.wake_up(&Dependency::Class(name.clone()));
        if others {
            self.regroup(name);
        }
        let subnets = |r: &Resolved| (r.subnets.clone(), r.subnets_state.clone());
        if before.as_ref().map(subnets) != Some(subnets(&now)) {
            // Where a class can work rests on its subnets alone.
            self.wake_up(&Dependency::Classes);
        }
    }

    fn unread(&self, topic: Topic) -> Option<Note> {
        let (_, action, error) = self.work.trouble.get(&topic)?;
        Some(unread(*action, error))
    }

    /// Writes what is due to be said of a class, and tells of what is wrong with it.
    pub(super) fn consider_class(&mut self, name: &ClassName, now: Time, orders: &mut Vec<Order>) {
        let target = Target::Class(name.clone());
        let (Some(class), Some(resolved)) = (
            self.watched.classes.get(name),
            self.watched.resolved.get(name),
        ) else {
            return;
        };
        let rollout = self.shown_rollout(name);
        let Some(due) = status(class, resolved, &self.cloud.subnets, rollout, now) else {
            return;
        };
        let differs = due != class.status;
        let waits = self.work.rollouts.wait_to_write(class, &due, now);
        let waits = waits.filter(|_| differs);
        if let Some(until) = waits {
            self.work.agenda.at(target.clone(), until);
        }
        let about = About::Class(name.clone(), class.uid.to_string());
        let rollout = due.rollout.clone();
        let write = (differs && waits.is_none()).then(|| Object::Class {
            class: name.clone(),
            uid: class.uid.clone(),
            status: Box::new(due),
        });
        match lacks(resolved) {
            Some(note) => self.tell(target, about, note, now, orders),
            None => self.work.told.forget(&target),
        }
        if let Some(write) = write
            && self.write(write, now, orders)
        {
            self.work.rollouts.wrote(name, rollout.as_ref(), now);
        }
    }

    /// Whether all that is known of where classes can work has been read.
    pub(super) fn knows_all_subnets_of_classes(&self) -> bool {
        let resolved = self.watched.classes.keys();
        let mut resolved = resolved.map(|name| self.watched.resolved.get(name));
        resolved
            .all(|resolved| resolved.is_some_and(|r| !matches!(r.subnets_state, State::Unknown(_))))
    }
}

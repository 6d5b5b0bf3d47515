//! Rollouts of security groups: whose turn it is, and why it is nobody's.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    ClaimStatus, ClassStatus, Time,
    class::ClassRollout,
    id::{ClassName, SecurityGroupId},
    security_groups::{GroupsState, same_groups},
    time::MINUTE,
};

use super::Fleet;
use crate::{
    claim::Claim,
    cluster::{Class, Key},
    ec2::EniView,
    goal::Goal,
    groups::{self, Answer, GroupsSeen, Standing, Turn},
    message,
    order::{About, Action, Event, Target},
    reason::{Note, Reason},
    resolve::State,
    rollout::{Rollout, at_once, may_wait},
    seen::{EniSeen, Seen},
};

/// Kubernetes forgets Events after an hour.
const AGAIN: i64 = 10 * MINUTE;

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Rollouts {
    /// The groups that EC2 set at our request, until the status says so.
    pub(super) taken: BTreeMap<Key, Vec<SecurityGroupId>>,
    /// Claims that wait for their turn.
    waiting: BTreeMap<ClassName, BTreeSet<Key>>,
    /// Why a class's rollout is halted, and when that was told last.
    halts: BTreeMap<ClassName, (Note, Time)>,
    /// Classes of which something changed that turns rest on.
    moved: BTreeSet<ClassName>,
    /// When the rollout in the status of a class was written last.
    written: BTreeMap<ClassName, Time>,
}

impl Rollouts {
    /// Something changed that turns may rest on.
    pub(super) fn moved(&mut self, class: &ClassName) {
        if !self.moved.contains(class) {
            self.moved.insert(class.clone());
        }
    }

    pub(super) fn forget(&mut self, claim: &Claim) {
        self.taken.remove(&claim.key);
        self.waits(claim, false);
        self.moved(&claim.class);
    }

    /// The status of a class is due that differs from the one that stands: until when it waits, so that the ENIs of a class do not
    /// cost a write each.
    pub(super) fn wait_to_write(
        &self,
        class: &Class,
        due: &ClassStatus,
        now: Time,
    ) -> Option<Time> {
        let written = self.written.get(&class.name)?;
        let until = written.after(may_wait(&class.status, due)?);
        (until > now).then_some(until)
    }

    /// The class is gone.
    pub(super) fn forget_class(&mut self, class: &ClassName) {
        self.written.remove(class);
    }

    /// The status of a class is being written.
    pub(super) fn wrote(&mut self, class: &ClassName, rollout: Option<&ClassRollout>, now: Time) {
        if rollout.is_some() {
            self.written.insert(class.clone(), now);
        } else {
            self.written.remove(class);
        }
    }

    fn waits(&mut self, claim: &Claim, waits: bool) {
        if waits {
            let waiting = self.waiting.entry(claim.class.clone()).or_default();
            waiting.insert(claim.key.clone());
        } else if let Some(waiting) = self.waiting.get_mut(&claim.class) {
            waiting.remove(&claim.key);
            if waiting.is_empty() {
                self.waiting.remove(&claim.class);
            }
        }
    }
}

impl Fleet {
    /// How far the security groups of a class have reached its ENIs.
    pub fn rollout(&self, class: &ClassName) -> Rollout {
        let (Some(of), Some(groups)) = (self.index.by_class.of(class), self.groups_of(class))
        else {
            return Rollout::default();
        };
        Rollout {
            total: of.staying,
            updated: of.given(&groups),
            halted: self.halted(class),
        }
    }

    /// The rollout as the status of a class is to show it; none while there is none, and while nobody can say.
    pub(super) fn shown_rollout(&self, class: &ClassName) -> Option<ClassRollout> {
        let state = &self.watched.resolved.get(class)?.groups_state;
        let rollout = match state {
            // What EC2 does not have no ENI has.
            State::Wrong(note) => Rollout {
                total: self.index.by_class.of(class)?.staying,
                updated: 0,
                halted: Some(note.clone()),
            },
            State::Ready(_) | State::Unknown(_) => self.rollout(class),
        };
        rollout.shown()
    }

    /// How many ENIs of a class have shown that its groups are right.
    fn proven(&self, class: &ClassName) -> u32 {
        let of = self.index.by_class.of(class);
        let groups = self.groups_of(class);
        of.zip(groups).map_or(0, |(of, groups)| of.having(&groups))
    }

    fn groups_of(&self, class: &ClassName) -> Option<Vec<SecurityGroupId>> {
        let resolved = self.watched.resolved.get(class)?;
        resolved.groups_of_all(self.watched.classes.get(class)?)
    }

    /// What the groups of a class's ENIs rest on has changed.
    pub(super) fn regroup(&mut self, class: &ClassName) {
        self.work.rollouts.moved(class);
        for key in self.index.by_class.claims(class) {
            self.work.agenda.mark(Target::Claim(key.clone()));
        }
    }

    /// What the decision about a claim may know of its groups.
    pub(super) fn groups_seen(&self, claim: &Claim, eni: &EniSeen) -> GroupsSeen {
        let class = self.watched.classes.get(&claim.class);
        // While EC2 does not have what the class names, an ENI is to keep what it was given last.
        let given = || class.map(|_| groups::last_set(&claim.status).0.to_vec());
        let wanted = self.groups_of(&claim.class).or_else(given);
        let set = claim.status.security_groups.as_ref();
        let taken = self.work.rollouts.taken.get(&claim.key);
        let is_done = set.is_some_and(|set| taken == Some(&set.ids));
        let is_behind = |view: &EniView| {
            wanted.as_ref().is_some_and(|wanted| {
                let is_set = set.is_none_or(|set| same_groups(&set.ids, wanted));
                !same_groups(&view.groups, wanted) || !is_set
            })
        };
        let is_behind = claim.is_plugged() && eni.view().is_some_and(is_behind);
        GroupsSeen {
            wanted: wanted.clone(),
            policy: class.map(|class| class.drift_policy).unwrap_or_default(),
            turn: if is_behind {
                self.turn(claim)
            } else {
                Turn::Later
            },
            answer: if is_done { Answer::Done } else { Answer::None },
        }
    }

    fn turn(&self, claim: &Claim) -> Turn {
        let of = self.index.by_class.of(&claim.class);
        if of.is_some_and(|of| of.changing.contains(&claim.key)) {
            return Turn::Now;
        }
        match self.halted(&claim.class) {
            Some(note) => Turn::Halted(note.message),
            None if self.under_way(&claim.class) < at_once(self.proven(&claim.class)) => Turn::Now,
            None => Turn::Later,
        }
    }

    /// How many ENIs of a class are having their groups set; one that is held, or whose pod ends, takes nobody's turn.
    fn under_way(&self, class: &ClassName) -> u32 {
        let changing = self.index.by_class.of(class).map(|of| &of.changing);
        let moves = |key: &&Key| {
            let Some(claim) = self.watched.claim(key) else {
                return false;
            };
            let seen = claim.status.eni.as_ref().map(|eni| self.cloud.eni(&eni.id));
            let view = seen.as_ref().and_then(EniSeen::view);
            let is_held = view.is_some_and(|view| view.tags.hold);
            !is_held && self.pod_of(claim).is_some_and(|pod| !pod.deleting)
        };
        let count = changing.into_iter().flatten().filter(moves).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Why no more ENIs of a class get its groups.
    fn halted(&self, class: &ClassName) -> Option<Note> {
        let of = self.index.by_class.of(class)?;
        let wanted = self.groups_of(class)?;
        let gets = |key: &&Key| {
            let claim = self.watched.claim(key);
            let set = claim.map(|claim| self.work.intended(claim).security_groups.as_ref());
            set.flatten()
                .is_some_and(|set| same_groups(&set.ids, &wanted))
        };
        let refused = of
            .changing
            .iter()
            .filter(gets)
            .find_map(|key| self.refused(key));
        let fallen = of.fallen.iter().find(gets);
        refused.or_else(|| fallen.map(Self::fallen)).map(|why| {
            let message = format!(
                "{} reach no more ENIs of class {class}: {why}",
                groups::list(&wanted)
            );
            Note::new(Reason::RolloutHalted, message)
        })
    }

    fn refused(&self, key: &Key) -> Option<String> {
        let claim = self.watched.claim(key)?;
        let backoff = self.work.backoffs.get(&Target::Claim(key.clone()))?;
        let halts = backoff.action == Action::ModifyNetworkInterfaceAttribute
            && groups::halts(backoff.error.class);
        halts.then(|| {
            let said = message::refused(claim, backoff).message;
            format!("for the first, that of claim {key}, {said}")
        })
    }

    fn fallen(key: &Key) -> String {
        format!(
            "claim {key}, whose ENI got them, is not Ready any more; mend what its conditions say, or edit the class"
        )
    }

    /// Remembers who waits for a turn, and forgets what is written down.
    pub(super) fn note_turn(&mut self, claim: &Claim, goal: &Goal, seen: &Seen, now: Time) {
        let standing = groups::standing(claim, seen, now);
        let is_waiting = matches!(standing, Standing::Behind(_, Turn::Later | Turn::Halted(_)));
        let rollouts = &mut self.work.rollouts;
        rollouts.waits(
            claim,
            is_waiting && claim.is_plugged() && matches!(goal, Goal::On(_)),
        );
        let set = claim.status.security_groups.as_ref();
        if set.is_none_or(|set| set.state == GroupsState::Set) {
            rollouts.taken.remove(&claim.key);
        }
        let is_on = matches!(goal, Goal::On(_));
        if claim.status.is_regrouping() && (standing == Standing::Held || !is_on) {
            rollouts.moved(&claim.class);
        }
    }

    /// Looks at those whose turn it has become, and says on a class how far it is and why it is nobody's.
    pub(super) fn give_turns(&mut self, now: Time) {
        for class in std::mem::take(&mut self.work.rollouts.moved) {
            self.tell_halt(&class, now);
            let said = self.watched.classes.get(&class);
            if said.is_some_and(|said| said.status.rollout != self.shown_rollout(&class)) {
                self.work.agenda.mark(Target::Class(class.clone()));
            }
            let Some(waiting) = self.work.rollouts.waiting.get(&class) else {
                continue;
            };
            if self.halted(&class).is_some() {
                continue;
            }
            let free = at_once(self.proven(&class)).saturating_sub(self.under_way(&class));
            let next = waiting.iter().take(free as usize);
            for key in next.cloned().collect::<Vec<_>>() {
                self.work.agenda.mark(Target::Claim(key));
            }
        }
    }

    fn tell_halt(&mut self, class: &ClassName, now: Time) {
        let halted = self.halted(class);
        let told = self.work.rollouts.halts.get(class);
        let is_due = told.is_none_or(|(_, at)| now.since(*at) >= AGAIN);
        if told.map(|(note, _)| note) == halted.as_ref() && (halted.is_none() || !is_due) {
            return;
        }
        let at = told.filter(|_| !is_due).map_or(now, |(_, at)| *at);
        // Those who wait say so.
        let waiting = self.work.rollouts.waiting.get(class);
        for key in waiting.into_iter().flatten().cloned().collect::<Vec<_>>() {
            self.work.agenda.mark(Target::Claim(key));
        }
        let (Some(note), Some(of)) = (halted, self.watched.classes.get(class)) else {
            self.work.rollouts.halts.remove(class);
            return;
        };
        if is_due {
            let about = About::Class(class.clone(), of.uid.to_string());
            let note = note.clone();
            self.work.events.push(Event { about, note });
        }
        self.work.rollouts.halts.insert(class.clone(), (note, at));
    }

    /// EC2 has set groups at our request.
    pub(super) fn learn_groups_set(&mut self, key: &Key, groups: &[SecurityGroupId]) {
        let taken = &mut self.work.rollouts.taken;
        taken.insert(key.clone(), groups.to_vec());
        let Some(claim) = self.watched.claim(key) else {
            return;
        };
        let eni = claim.status.eni.as_ref().map(|eni| eni.id.as_str());
        let message = format!(
            "{} has the security groups {}, as class {} says",
            eni.unwrap_or("the ENI"),
            groups::list(groups),
            claim.class
        );
        let event = Event {
            about: self.about(claim),
            note: Note::new(Reason::GroupsChanged, message),
        };
        self.work.events.push(event);
    }

    /// Groups are about to be requested: reads from before say nothing, nor do refusals of others.
    pub(super) fn expect_groups(&mut self, claim: &Claim, status: &ClaimStatus) {
        let is_new = status.security_groups != claim.status.security_groups;
        let (Some(set), Some(eni)) = (&status.security_groups, &status.eni) else {
            return;
        };
        if !is_new || set.state != GroupsState::Requested {
            return;
        }
        self.cloud.invalidate(&eni.id);
        self.work.touch(Some(&eni.id));
        self.work.rollouts.taken.remove(&claim.key);
        let target = Target::Claim(claim.key.clone());
        let of_groups = |action| action == Action::ModifyNetworkInterfaceAttribute;
        if self
            .work
            .backoffs
            .get(&target)
            .is_some_and(|b| of_groups(b.action))
        {
            self.work.backoffs.remove(&target);
        }
    }
}

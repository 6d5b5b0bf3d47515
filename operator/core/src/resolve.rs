//! Which subnets and security groups a class stands for, as far as EC2 shows them.

mod notes;

use std::collections::{BTreeMap, BTreeSet};

use api::{
    Time,
    class::{MOST_GROUPS, Tags},
    id::{SecurityGroupId, SubnetId, VpcId},
};

pub use self::notes::unread;
use self::notes::{count, join};
use crate::{
    cluster::Class,
    ec2::{Group, Subnet},
    reason::{Note, Reason},
    subnet::Subnets,
};

/// What is known of security groups, of what tags select, and of where the cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Catalogue {
    /// Groups that classes name, or select.
    pub groups: BTreeMap<SecurityGroupId, GroupRecord>,
    /// Subnets by the tags that classes select by.
    pub tagged_subnets: BTreeMap<Tags, Selected<SubnetId>>,
    /// Groups by the tags that classes select by.
    pub tagged_groups: BTreeMap<Tags, Selected<SecurityGroupId>>,
    /// VPCs of the cluster's instances, with how many lie in each.
    pub vpcs: BTreeMap<VpcId, u32>,
}

/// What is known of one security group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupRecord {
    /// As the last read showed it; none: EC2 does not know it in this region and account.
    pub group: Option<Group>,
    /// When that read was asked for.
    pub read: Time,
}

/// What carries some tags, in whichever VPC.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selected<T> {
    /// In order.
    pub ids: Vec<T>,
    /// When the read that showed them was asked for.
    pub read: Time,
}

/// Why EC2 could not be read of late.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Unread {
    /// Of subnets.
    pub subnets: Option<Note>,
    /// Of security groups.
    pub groups: Option<Note>,
}

/// What a class stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resolved {
    /// The subnets that EC2 has, in the order of the class.
    pub subnets: Vec<SubnetId>,
    /// Whether these are all that the class names.
    pub subnets_state: State,
    /// The groups that EC2 has, in the order of the class.
    pub groups: Vec<SecurityGroupId>,
    /// Whether these are all that the class names.
    pub groups_state: State,
}

/// Whether EC2 has what a class names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// It has all of it: what that is, for people.
    Ready(String),
    /// It lacks something, or has it in the wrong place.
    Wrong(Note),
    /// Not known yet.
    Unknown(Note),
}

impl State {
    /// What stands in the way.
    pub fn trouble(&self) -> Option<&Note> {
        match self {
            Self::Ready(_) => None,
            Self::Wrong(note) | Self::Unknown(note) => Some(note),
        }
    }

    /// Whether EC2 has all of it.
    pub fn is_ready(&self) -> bool {
        self.trouble().is_none()
    }

    /// Whether EC2 is being read, and has not refused that.
    pub fn is_reading(&self) -> bool {
        self.trouble().is_some_and(|n| n.reason == Reason::Reading)
    }
}

impl Resolved {
    /// The groups that the next ENI gets, or why none is made. Those by id need not be known to exist: EC2 says so if they do not.
    pub fn groups_of_next(&self, class: &Class) -> Result<Vec<SecurityGroupId>, Note> {
        match &self.groups_state {
            State::Ready(_) => Ok(self.groups.clone()),
            State::Unknown(_) if class.groups.tags.is_empty() => Ok(class.groups.ids.clone()),
            State::Wrong(note) | State::Unknown(note) => Err(note.clone()),
        }
    }

    /// The groups that ENIs in use shall have; none while it is being read whether EC2 has those of the class, and where it has not.
    pub fn groups_of_all(&self, class: &Class) -> Option<Vec<SecurityGroupId>> {
        let is_known = !self.groups_state.is_reading();
        is_known.then(|| self.groups_of_next(class).ok()).flatten()
    }

    /// Whether EC2 has all that the class names.
    pub fn is_ready(&self) -> bool {
        self.subnets_state.is_ready() && self.groups_state.is_ready()
    }
}

/// What a class stands for.
pub fn resolve(
    class: &Class,
    subnets: &Subnets,
    catalogue: &Catalogue,
    unread: &Unread,
) -> Resolved {
    let look = Look {
        class,
        subnets,
        catalogue,
        unread,
    };
    let (subnets, subnets_state) = look.subnets();
    let home = look.home(&subnets);
    let (groups, groups_state) = look.groups(&home);
    Resolved {
        subnets,
        subnets_state,
        groups,
        groups_state,
    }
}

struct Look<'a> {
    class: &'a Class,
    subnets: &'a Subnets,
    catalogue: &'a Catalogue,
    unread: &'a Unread,
}

impl<'a> Look<'a> {
    fn subnet(&self, id: &SubnetId) -> Option<&'a Subnet> {
        self.subnets.get(id)?.subnet.as_ref()
    }

    fn group(&self, id: &SecurityGroupId) -> Option<&'a Group> {
        self.catalogue.groups.get(id)?.group.as_ref()
    }

    /// Whether a subnet is known and lies where the cluster is, as far as that is known.
    fn is_here(&self, id: &SubnetId) -> bool {
        let vpcs = &self.catalogue.vpcs;
        self.subnet(id)
            .is_some_and(|s| vpcs.is_empty() || vpcs.contains_key(&s.vpc))
    }

    fn subnets(&self) -> (Vec<SubnetId>, State) {
        let (wanted, catalogue) = (&self.class.subnets, self.catalogue);
        let selected = catalogue.tagged_subnets.get(&wanted.tags);
        // Without a VPC those of all VPCs would be taken.
        let selected = selected.filter(|_| !catalogue.vpcs.is_empty());
        let tagged: Vec<&SubnetId> = (selected.into_iter())
            .flat_map(|selected| &selected.ids)
            .filter(|id| self.is_here(id))
            .collect();
        let by_id = wanted.ids.iter().filter(|id| self.is_here(id));
        let found = unique(by_id.chain(tagged.iter().copied()));
        let state = self.subnets_state(&found, tagged.is_empty());
        (found, state)
    }

    fn subnets_state(&self, found: &[SubnetId], none_tagged: bool) -> State {
        let (wanted, catalogue) = (&self.class.subnets, self.catalogue);
        let by_tags = !wanted.tags.is_empty();
        let known = |id: &SubnetId| self.subnets.get(id);
        let is_missing = |id: &SubnetId| known(id).is_some_and(|r| r.subnet.is_none());
        let is_unread = wanted.ids.iter().any(|id| known(id).is_none())
            || by_tags && !catalogue.tagged_subnets.contains_key(&wanted.tags);
        if let Some(missing) = some(&wanted.ids, is_missing) {
            State::Wrong(self.unknown_subnet(&missing))
        } else if is_unread {
            State::Unknown(self.reading("subnets", self.unread.subnets.as_ref()))
        } else if let Some(elsewhere) = some(&wanted.ids, |id| !self.is_here(id)) {
            State::Wrong(self.subnet_elsewhere(&elsewhere))
        } else if by_tags && catalogue.vpcs.is_empty() {
            State::Unknown(self.nowhere())
        } else if by_tags && none_tagged {
            State::Wrong(self.no_subnet())
        } else {
            let zones: BTreeSet<&str> = (found.iter())
                .filter_map(|id| Some(self.subnet(id)?.zone.as_str()))
                .collect();
            let number = count(found.len(), "subnet");
            State::Ready(format!("{number} in {}", join(zones)))
        }
    }

    /// Where the groups of the class must lie: in the VPC of its subnets.
    fn home(&self, subnets: &[SubnetId]) -> BTreeSet<&'a VpcId> {
        let of_subnets = subnets.iter().filter_map(|id| Some(&self.subnet(id)?.vpc));
        let home: BTreeSet<&VpcId> = of_subnets.collect();
        if home.is_empty() {
            return self.catalogue.vpcs.keys().collect();
        }
        home
    }

    fn groups(&self, home: &BTreeSet<&VpcId>) -> (Vec<SecurityGroupId>, State) {
        let wanted = &self.class.groups;
        let selected = self.catalogue.tagged_groups.get(&wanted.tags);
        let is_home = |group: &Group| home.contains(&group.vpc);
        let tagged: Vec<&SecurityGroupId> = (selected.into_iter())
            .flat_map(|selected| &selected.ids)
            .filter(|id| self.group(id).is_some_and(is_home))
            .collect();
        let by_id = wanted.ids.iter().filter(|id| self.group(id).is_some());
        let found = unique(by_id.chain(tagged.iter().copied()));
        let state = self.groups_state(&found, tagged.is_empty(), home);
        (found, state)
    }

    fn groups_state(
        &self,
        found: &[SecurityGroupId],
        none_tagged: bool,
        home: &BTreeSet<&VpcId>,
    ) -> State {
        let (wanted, catalogue) = (&self.class.groups, self.catalogue);
        let by_tags = !wanted.tags.is_empty();
        let known = |id: &SecurityGroupId| catalogue.groups.get(id);
        let is_missing = |id: &SecurityGroupId| known(id).is_some_and(|r| r.group.is_none());
        let is_home = |id: &SecurityGroupId| {
            let group = self.group(id);
            home.is_empty() || group.is_some_and(|group| home.contains(&group.vpc))
        };
        let is_unread = wanted.ids.iter().any(|id| known(id).is_none())
            || by_tags && !catalogue.tagged_groups.contains_key(&wanted.tags);
        if let Some(missing) = some(&wanted.ids, is_missing) {
            State::Wrong(self.unknown_group(&missing))
        } else if is_unread {
            State::Unknown(self.reading("security groups", self.unread.groups.as_ref()))
        } else if let Some(elsewhere) = some(&wanted.ids, |id| !is_home(id)) {
            State::Wrong(self.group_elsewhere(&elsewhere, home))
        } else if by_tags && home.is_empty() {
            State::Unknown(self.nowhere())
        } else if by_tags && none_tagged {
            State::Wrong(self.no_group(home))
        } else if found.len() > MOST_GROUPS {
            State::Wrong(self.too_many(found.len()))
        } else {
            let number = count(found.len(), "security group");
            State::Ready(format!("{number}: {}", join(found)))
        }
    }
}

fn unique<'a, T: Clone + Ord + 'a>(ids: impl Iterator<Item = &'a T>) -> Vec<T> {
    let mut known = BTreeSet::new();
    ids.filter(|id| known.insert(*id)).cloned().collect()
}

/// Those of which it is so, by comma; none where there are none.
fn some<T: ToString>(ids: &[T], is_so: impl Fn(&T) -> bool) -> Option<String> {
    let found: Vec<String> = (ids.iter())
        .filter(|id| is_so(id))
        .map(ToString::to_string)
        .collect();
    (!found.is_empty()).then(|| found.join(", "))
}

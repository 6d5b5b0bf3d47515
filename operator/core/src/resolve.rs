//! Which subnets and security groups a class stands for, as far as EC2 shows them.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    Time,
    class::{MOST_GROUPS, Tags},
    id::{SecurityGroupId, SubnetId, VpcId},
};

use crate::{
    cluster::Class,
    ec2::{Group, Subnet},
    error::{Ec2Error, ErrorClass},
    order::Action,
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

/// Why a read of EC2 failed, in a sentence.
pub fn unread(action: Action, error: &Ec2Error) -> Note {
    let (reason, cure) = match error.class {
        ErrorClass::Denied => (
            Reason::Denied,
            format!("allow ec2:{action} in the operator's IAM policy"),
        ),
        ErrorClass::Credentials => (
            Reason::NoCredentials,
            "check the operator's AWS credentials and region, and the clock of its node".to_owned(),
        ),
        ErrorClass::Throttled => (
            Reason::Throttled,
            "AWS wants fewer calls; it is tried again, more slowly".to_owned(),
        ),
        ErrorClass::Transient => (Reason::AwsUnavailable, "it is tried again".to_owned()),
        ErrorClass::NotYet
        | ErrorClass::State
        | ErrorClass::TokenReused
        | ErrorClass::NodeFull
        | ErrorClass::SubnetFull
        | ErrorClass::QuotaFull
        | ErrorClass::Terminal
        | ErrorClass::Unlisted => (Reason::Refused, "it is tried again".to_owned()),
    };
    Note::new(reason, format!("{action} answered {error}; {cure}"))
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

    fn subnets(&self) -> (Vec<SubnetId>, State) {
        let (wanted, vpcs) = (&self.class.subnets, &self.catalogue.vpcs);
        let is_here = |vpc: &VpcId| vpcs.is_empty() || vpcs.contains_key(vpc);
        let here = |id: &SubnetId| self.subnet(id).is_some_and(|s| is_here(&s.vpc));
        let selected = self.catalogue.tagged_subnets.get(&wanted.tags);
        let tagged = selected.into_iter().flat_map(|selected| &selected.ids);
        // Without a VPC those of all VPCs would be taken.
        let tagged: Vec<&SubnetId> = tagged.filter(|id| here(id) && !vpcs.is_empty()).collect();
        let by_id = wanted.ids.iter().filter(|id| here(id));
        let found = unique(by_id.chain(tagged.iter().copied()));
        let by_tags = !wanted.tags.is_empty();
        let mut is_unread = wanted.ids.iter().any(|id| !self.subnets.contains_key(id));
        is_unread |= by_tags && selected.is_none();
        let state = if let Some(missing) = some(&wanted.ids, |id| {
            self.subnets.get(id).is_some_and(|r| r.subnet.is_none())
        }) {
            State::Wrong(self.unknown_subnet(&missing))
        } else if is_unread {
            State::Unknown(self.reading("subnets", self.unread.subnets.as_ref()))
        } else if let Some(elsewhere) = some(&wanted.ids, |id| !here(id)) {
            State::Wrong(self.subnet_elsewhere(&elsewhere))
        } else if by_tags && vpcs.is_empty() {
            State::Unknown(self.nowhere())
        } else if by_tags && tagged.is_empty() {
            State::Wrong(self.no_subnet())
        } else {
            let zones: BTreeSet<&str> = (found.iter())
                .filter_map(|id| Some(self.subnet(id)?.zone.as_str()))
                .collect();
            State::Ready(format!(
                "{} in {}",
                count(found.len(), "subnet"),
                join(zones)
            ))
        };
        (found, state)
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
        let known = &self.catalogue.groups;
        let is_home = |group: &Group| home.contains(&group.vpc);
        let selected = self.catalogue.tagged_groups.get(&wanted.tags);
        let tagged = selected.into_iter().flat_map(|selected| &selected.ids);
        let tagged: Vec<&SecurityGroupId> = tagged
            .filter(|id| self.group(id).is_some_and(is_home))
            .collect();
        let by_id = wanted.ids.iter().filter(|id| self.group(id).is_some());
        let found = unique(by_id.chain(tagged.iter().copied()));
        let by_tags = !wanted.tags.is_empty();
        let mut is_unread = wanted.ids.iter().any(|id| !known.contains_key(id));
        is_unread |= by_tags && selected.is_none();
        let is_elsewhere =
            |id: &SecurityGroupId| !home.is_empty() && !self.group(id).is_some_and(is_home);
        let state = if let Some(missing) = some(&wanted.ids, |id| {
            known.get(id).is_some_and(|r| r.group.is_none())
        }) {
            State::Wrong(self.unknown_group(&missing))
        } else if is_unread {
            State::Unknown(self.reading("security groups", self.unread.groups.as_ref()))
        } else if let Some(elsewhere) = some(&wanted.ids, is_elsewhere) {
            State::Wrong(self.group_elsewhere(&elsewhere, home))
        } else if by_tags && home.is_empty() {
            State::Unknown(self.nowhere())
        } else if by_tags && tagged.is_empty() {
            State::Wrong(self.no_group(home))
        } else if found.len() > MOST_GROUPS {
            State::Wrong(self.too_many(found.len()))
        } else {
            let number = count(found.len(), "security group");
            State::Ready(format!("{number}: {}", join(&found)))
        };
        (found, state)
    }

    fn reading(&self, what: &str, unread: Option<&Note>) -> Note {
        unread.cloned().unwrap_or_else(|| {
            let message = format!(
                "the {what} of class {} are being read from EC2",
                self.class.name
            );
            Note::new(Reason::Reading, message)
        })
    }

    fn nowhere(&self) -> Note {
        Note::new(
            Reason::VpcUnknown,
            format!(
                "class {} selects by tags in the cluster's VPC, which is not known: EC2 shows no instance of any node yet",
                self.class.name
            ),
        )
    }

    fn unknown_subnet(&self, missing: &str) -> Note {
        Note::new(
            Reason::SubnetNotFound,
            format!(
                "class {} names {missing}, which EC2 does not know in this region and account; correct spec.subnets.ids of the class, or create the subnet",
                self.class.name
            ),
        )
    }

    fn subnet_elsewhere(&self, elsewhere: &str) -> Note {
        Note::new(
            Reason::SubnetInOtherVpc,
            format!(
                "class {} names {elsewhere}, which lies in another VPC than the cluster's nodes, {}; name subnets of that one in spec.subnets.ids of the class",
                self.class.name,
                join(self.catalogue.vpcs.keys())
            ),
        )
    }

    fn no_subnet(&self) -> Note {
        Note::new(
            Reason::NoSubnetSelected,
            format!(
                "no subnet of {} has the tags {} that class {} selects by; tag one, or correct spec.subnets.tags of the class",
                join(self.catalogue.vpcs.keys()),
                tags(&self.class.subnets.tags),
                self.class.name
            ),
        )
    }

    fn unknown_group(&self, missing: &str) -> Note {
        Note::new(
            Reason::SecurityGroupNotFound,
            format!(
                "class {} names {missing}, which EC2 does not know in this region and account; correct spec.securityGroups.ids of the class, or create the security group",
                self.class.name
            ),
        )
    }

    fn group_elsewhere(&self, elsewhere: &str, home: &BTreeSet<&VpcId>) -> Note {
        Note::new(
            Reason::SecurityGroupInOtherVpc,
            format!(
                "class {} names {elsewhere}, which lies in another VPC than the ENIs of the class, {}; name security groups of that one in spec.securityGroups.ids of the class",
                self.class.name,
                join(home)
            ),
        )
    }

    fn no_group(&self, home: &BTreeSet<&VpcId>) -> Note {
        Note::new(
            Reason::NoSecurityGroupSelected,
            format!(
                "no security group of {} has the tags {} that class {} selects by; tag one, or correct spec.securityGroups.tags of the class",
                join(home),
                tags(&self.class.groups.tags),
                self.class.name
            ),
        )
    }

    fn too_many(&self, number: usize) -> Note {
        Note::new(
            Reason::TooManySecurityGroups,
            format!(
                "class {} stands for {number} security groups, and EC2 takes {MOST_GROUPS} on one ENI at most; name fewer, or select by more tags",
                self.class.name
            ),
        )
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

fn join(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items = items.into_iter().map(|item| item.to_string());
    items.collect::<Vec<_>>().join(", ")
}

fn tags(tags: &Tags) -> String {
    join(tags.iter().map(|(key, value)| format!("{key}={value}")))
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

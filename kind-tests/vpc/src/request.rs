//! The calls that this world knows, and the function that takes them all.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde::{Deserialize, Serialize};

use crate::{
    Action, AttachmentId, ConnectionTracking, Counts, Ec2Error, Eni, EniId, GroupId,
    INSTANCE_TYPES, InstanceId, InstanceType, InstanceView, Query, SecurityGroup, SubnetId,
    SubnetView, Vpc,
};

/// A call, named as the EC2 action.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// Make an interface.
    CreateNetworkInterface(Create),
    /// Delete an interface that is not in use.
    DeleteNetworkInterface(EniId),
    /// Give an interface to an instance.
    AttachNetworkInterface(Attach),
    /// Take an interface from its instance.
    DetachNetworkInterface(Detach),
    /// Change one attribute of an interface; EC2 takes one a call.
    ModifyNetworkInterfaceAttribute(EniId, Change),
    /// Tag interfaces, subnets and security groups.
    CreateTags {
        /// Their ids.
        resources: Vec<String>,
        /// The tags to add or overwrite.
        tags: BTreeMap<String, String>,
    },
    /// Take tags from interfaces, subnets and security groups.
    DeleteTags {
        /// Their ids.
        resources: Vec<String>,
        /// Keys, each with the value that the tag must have to be deleted, or with none for any; without a key all tags.
        tags: BTreeMap<String, Option<String>>,
    },
    /// List interfaces.
    DescribeNetworkInterfaces(Query),
    /// List instances.
    DescribeInstances(Query),
    /// List instance types.
    DescribeInstanceTypes(Query),
    /// List subnets.
    DescribeSubnets(Query),
    /// List security groups.
    DescribeSecurityGroups(Query),
}

/// The parameters of `CreateNetworkInterface`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Create {
    /// Where.
    pub subnet: SubnetId,
    /// With which address; the next free one if absent.
    pub address: Option<Ipv4Addr>,
    /// With how many other addresses, and prefixes.
    pub counts: Counts,
    /// With which security groups; the network's default group if empty.
    pub groups: BTreeSet<GroupId>,
    /// Free text.
    pub description: String,
    /// With which idle time-outs of tracked connections.
    pub connection_tracking: ConnectionTracking,
    /// Tags from birth.
    pub tags: BTreeMap<String, String>,
    /// The same token with the same parameters makes no second interface.
    pub client_token: Option<String>,
}

/// The parameters of `AttachNetworkInterface`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attach {
    /// What.
    pub eni: EniId,
    /// To which instance.
    pub instance: InstanceId,
    /// On which network card.
    pub card: u32,
    /// At which index of that card.
    pub device: u32,
}

/// The parameters of `DetachNetworkInterface`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Detach {
    /// What.
    pub attachment: AttachmentId,
    /// Without waiting for the instance.
    pub force: bool,
}

impl<T: Into<AttachmentId>> From<T> for Detach {
    /// Without force.
    fn from(attachment: T) -> Self {
        Self {
            attachment: attachment.into(),
            force: false,
        }
    }
}

/// One change of `ModifyNetworkInterfaceAttribute`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change {
    /// Whether the interface goes with its instance.
    DeleteOnTermination {
        /// The attachment it has; another is refused.
        attachment: AttachmentId,
        /// The new value.
        value: bool,
    },
    /// Whether traffic must be its own.
    SourceDestCheck(bool),
    /// Idle time-outs of tracked connections.
    ConnectionTracking(ConnectionTracking),
    /// All security groups anew.
    Groups(BTreeSet<GroupId>),
    /// The free text.
    Description(String),
}

/// The answer to a call that was not refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Response {
    /// Nothing to say but yes.
    Done,
    /// The new interface.
    Created(Box<Eni>),
    /// The new attachment.
    Attached {
        /// Its id.
        attachment: AttachmentId,
        /// The card it is on.
        card: u32,
    },
    /// Interfaces, and the token of the next page.
    Enis(Vec<Eni>, Option<String>),
    /// Instances, and the token of the next page.
    Instances(Vec<InstanceView>, Option<String>),
    /// Instance types, and the token of the next page.
    InstanceTypes(Vec<&'static InstanceType>, Option<String>),
    /// Subnets, and the token of the next page.
    Subnets(Vec<SubnetView>, Option<String>),
    /// Security groups, and the token of the next page.
    Groups(Vec<SecurityGroup>, Option<String>),
}

impl Request {
    /// Which action it calls.
    pub fn action(&self) -> Action {
        match self {
            Self::CreateNetworkInterface(_) => Action::CreateNetworkInterface,
            Self::DeleteNetworkInterface(_) => Action::DeleteNetworkInterface,
            Self::AttachNetworkInterface(_) => Action::AttachNetworkInterface,
            Self::DetachNetworkInterface(_) => Action::DetachNetworkInterface,
            Self::ModifyNetworkInterfaceAttribute(..) => Action::ModifyNetworkInterfaceAttribute,
            Self::CreateTags { .. } => Action::CreateTags,
            Self::DeleteTags { .. } => Action::DeleteTags,
            Self::DescribeNetworkInterfaces(_) => Action::DescribeNetworkInterfaces,
            Self::DescribeInstances(_) => Action::DescribeInstances,
            Self::DescribeInstanceTypes(_) => Action::DescribeInstanceTypes,
            Self::DescribeSubnets(_) => Action::DescribeSubnets,
            Self::DescribeSecurityGroups(_) => Action::DescribeSecurityGroups,
        }
    }
}

impl Vpc {
    /// Does what `request` asks at the time `now_ms`, or refuses it. A refused call changes nothing that a caller can
    /// describe.
    pub fn call(&mut self, request: Request, now_ms: u64) -> Result<Response, Ec2Error> {
        // Which of the two comes first is unverified. Both come before a ClientToken is looked up.
        self.admit(&request, now_ms)?;
        if self.settings.other_region {
            let outcome = Self::empty(self.delays).act(request, now_ms);
            return outcome.map_err(|error| self.noted(error));
        }
        if !request.action().is_mutating() {
            self.count_read();
        }
        for id in self.named(&request) {
            self.remember_eni(&id, now_ms);
        }
        self.act(request, now_ms).map_err(|error| self.noted(error))
    }

    /// What a call with `DryRun` is answered: whether it would be throttled or refused as not authorized, and nothing about
    /// what it names (unverified). Nothing is done, and no ClientToken is used.
    pub fn dry_run(&mut self, request: &Request, now_ms: u64) -> Ec2Error {
        match self.admit(request, now_ms) {
            Ok(()) => Ec2Error::DryRunOperation,
            Err(refusal) => refusal,
        }
    }

    fn admit(&mut self, request: &Request, now_ms: u64) -> Result<(), Ec2Error> {
        self.throttle(request, now_ms)?;
        self.authorize(request)
    }

    fn act(&mut self, request: Request, now_ms: u64) -> Result<Response, Ec2Error> {
        let page_items = self.settings.page_items;
        match request {
            Request::CreateNetworkInterface(create) => self
                .create(create, now_ms)
                .map(|eni| Response::Created(Box::new(eni))),
            Request::DeleteNetworkInterface(eni) => self.delete(&eni).map(|()| Response::Done),
            Request::AttachNetworkInterface(attach) => {
                let card = attach.card;
                self.attach(attach, now_ms)
                    .map(|attachment| Response::Attached { attachment, card })
            }
            Request::DetachNetworkInterface(detach) => {
                self.detach(detach, now_ms).map(|()| Response::Done)
            }
            Request::ModifyNetworkInterfaceAttribute(eni, change) => {
                self.modify(&eni, change).map(|()| Response::Done)
            }
            Request::CreateTags { resources, tags } => {
                self.tag(&resources, &tags).map(|()| Response::Done)
            }
            Request::DeleteTags { resources, tags } => {
                self.untag(&resources, &tags).map(|()| Response::Done)
            }
            Request::DescribeNetworkInterfaces(query) => query
                .select(self.seen(now_ms).enis.values().cloned(), page_items)
                .map(|(items, next)| Response::Enis(items, next)),
            Request::DescribeInstances(query) => query
                .select(self.seen(now_ms).instance_views(), page_items)
                .map(|(items, next)| Response::Instances(items, next)),
            Request::DescribeInstanceTypes(query) => query
                .select(INSTANCE_TYPES.iter(), page_items)
                .map(|(items, next)| Response::InstanceTypes(items, next)),
            Request::DescribeSubnets(query) => query
                .select(self.seen(now_ms).subnet_views(), page_items)
                .map(|(items, next)| Response::Subnets(items, next)),
            Request::DescribeSecurityGroups(query) => query
                .select(self.groups.values().cloned(), page_items)
                .map(|(items, next)| Response::Groups(items, next)),
        }
    }
}

//! What becomes known to the fleet.

use std::{collections::BTreeMap, sync::Arc};

use api::{
    SmolStr,
    class::Tags,
    id::{AttachmentId, ClaimUid, ClassName, InstanceType, Namespace, NodeName},
};

use crate::{
    claim::Claim,
    cluster::{
        AgentPod, Class, CniNode, Key, NamespaceFacts, Node, NodeReport, Pod, ServiceCidr, VpcCni,
    },
    ec2::{EniView, Group, Instance, Subnet, TypeFacts},
    error::Ec2Error,
    lease::Term,
    order::{About, Target},
};

/// What a watch shows: everything at once, then one object at a time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Change<K, T> {
    /// The whole list; what is not in it is gone.
    All(Vec<T>),
    /// One object as it now is.
    Set(Box<T>),
    /// One object is gone, or left the watch's selector.
    Gone(K),
}

/// Something that became known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fact {
    /// Pods that carry our label.
    Pods(Change<Key, Pod>),
    /// Pods of our own `DaemonSet`.
    AgentPods(Change<Key, AgentPod>),
    /// Nodes.
    Nodes(Change<NodeName, Node>),
    /// Namespaces.
    Namespaces(Change<Namespace, NamespaceFacts>),
    /// Classes.
    Classes(Change<ClassName, Class>),
    /// Networks of Services.
    ServiceCidrs(Change<SmolStr, ServiceCidr>),
    /// Claims; one made again under a name that was used before is another one.
    Claims(Change<(Key, ClaimUid), Arc<Claim>>),
    /// Our node reports.
    Reports(Change<NodeName, NodeReport>),
    /// The AWS VPC CNI: one, or none.
    VpcCni(Change<Key, VpcCni>),
    /// What it asks for nodes.
    CniNodes(Change<NodeName, CniNode>),
    /// An object that this version cannot read.
    Unreadable(Unreadable),
    /// Whether this process leads.
    Term(Term),
    /// Some ENIs of the answer to [`Read::Listing`]; [`Outcome::Listed`] follows the last ones. About a hundred, so that learning
    /// them holds up nobody.
    Page(Vec<EniView>),
    /// An order was carried out, or not.
    Done(Target, Outcome),
}

/// An object that does not fit the types of this version: it is passed over, and told on the object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unreadable {
    /// The object, with its UID.
    pub about: About,
    /// What does not fit.
    pub error: String,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Written; the claim as the API server now has it.
    Claim(Box<Claim>),
    /// Not made, for there was one of that name; the claim as the API server has it.
    Found(Box<Claim>),
    /// There is no such claim any more.
    ClaimGone,
    /// Written; the node report as the API server now has it.
    Report(Box<NodeReport>),
    /// Written; the node as the API server now has it.
    Node(Box<Node>),
    /// Written; the class as the API server now has it.
    Class(Box<Class>),
    /// The object changed, or exists already: the stream shows it, then it is decided again.
    Conflict,
    /// The API server refuses it: quota, admission, RBAC, schema.
    Refused(ApiRefusal),
    /// The API server did not answer, or asked to come back later.
    NotWritten,
    /// The order came too late to be carried out under this term.
    Withheld,
    /// EC2 refused, or did not answer.
    Failed(Box<Ec2Error>),
    /// EC2 made the ENI.
    Created(Box<EniView>),
    /// EC2 took the Attach and gave it this id.
    Attached(AttachmentId),
    /// EC2 did what was asked.
    Changed,
    /// The listing is complete.
    Listed,
    /// Those of the ENIs asked for that exist.
    Enis(Vec<EniView>),
    /// The ENI that was asked for by id, or that EC2 knows none.
    Eni(Option<Box<EniView>>),
    /// Those of the instances asked for that exist.
    Instances(Vec<Instance>),
    /// Those of the types asked for that exist.
    Types(BTreeMap<InstanceType, TypeFacts>),
    /// Those of the subnets asked for that exist.
    Subnets(Found<Subnet>),
    /// Those of the security groups asked for that exist.
    Groups(Found<Group>),
    /// The pod that was asked for, or that there is none.
    Pod(Option<Box<Pod>>),
}

/// What a lookup found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found<T> {
    /// By id.
    pub by_id: Vec<T>,
    /// For each set of tags that was asked for, what carries them.
    pub by_tags: Vec<(Tags, Vec<T>)>,
}

impl<T> Found<T> {
    /// What was found by id alone.
    pub fn by_id(by_id: Vec<T>) -> Self {
        Self {
            by_id,
            by_tags: Vec::new(),
        }
    }

    /// The answer to one more call, which was about these tags or about ids.
    pub fn add(&mut self, tags: Option<&Tags>, found: Vec<T>) {
        match tags {
            Some(tags) => self.by_tags.push((tags.clone(), found)),
            None => self.by_id.extend(found),
        }
    }
}

/// Why the API server refuses a write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApiRefusal {
    /// Its reason, for example Forbidden or Invalid.
    pub reason: String,
    /// Its sentence.
    pub message: String,
}

//! What the decision about one claim may look at besides the claim.

use std::sync::Arc;

use api::{
    ClaimStatus, Interface, IpFamily, SmolStr, SourceDestCheck, Time,
    claim::CreateAnswer,
    id::{EniId, NodeName, Slot, Zone},
};

use crate::{
    cluster::Cluster,
    ec2::{EniView, Subnet},
    error::{Ec2Error, classify},
    groups::GroupsSeen,
    order::Action,
    reason::Note,
    request::Shape,
};

/// What the decision about one claim may look at besides the claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seen {
    /// This cluster.
    pub cluster: Cluster,
    /// What the class says of the interface, with the networks of the cluster where it needs them; none while those are not known, or the
    /// class does not exist.
    pub interface: Option<Interface>,
    /// The family whose addresses come first, as the class says while it exists.
    pub preferred: IpFamily,
    /// What concerns its security groups.
    pub groups: GroupsSeen,
    /// What the class says of the check of its traffic, while it exists.
    pub source_dest_check: Option<SourceDestCheck>,
    /// A container of its pod that can change the pod's network; as the claim says where the pod is not seen.
    pub net_admin: Option<SmolStr>,
    /// What its next Create request would be, or what stands in the way.
    pub shape: Result<Shape, Note>,
    /// Zone of the instance that its ENI shall be attached to, once EC2 has been read.
    pub zone: Option<Zone>,
    /// The slot that is free for it there, its own if it still is, or what stands in the way.
    pub slot: Result<Slot, Note>,
    /// Its ENI.
    pub eni: EniSeen,
    /// Another ENI that carries its tag.
    pub other: Option<EniId>,
    /// The subnet of its ENI.
    pub subnet: SubnetSeen,
    /// The node on whose instance EC2 shows it.
    pub attached_to: Option<NodeName>,
    /// The instance that its attachment names.
    pub host: Host,
    /// The sends of its Create request.
    pub sends: Sends,
    /// Whether an Attach may still be on its way that nobody waits for.
    pub late_attach: LateAttach,
    /// What searching EC2 by its tag has shown.
    pub search: Search,
    /// The last refusal, until an effect succeeds.
    pub backoff: Option<Backoff>,
    /// When EC2 last took a Detach of its attachment.
    pub detached: Option<Time>,
    /// Since when its attachment has been seen to be detaching.
    pub detaching: Option<Time>,
}

/// What is known of an ENI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EniSeen {
    /// Nothing: not read since we last changed it.
    Unknown,
    /// As reads showed it.
    Shown(Arc<EniView>, Steady),
    /// Reads by filter did not show it, which proves nothing.
    Missing(Steady),
    /// A read by its id said that there is none.
    NotFound,
    /// EC2 answered our Delete of it with success.
    Deleted,
}

/// Whether more than one read over some time showed the same: reads may be stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Steady {
    /// One read so far.
    Once,
    /// Several.
    Yes,
}

/// What is known of the subnet of an ENI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SubnetSeen {
    /// Not read yet.
    Unread,
    /// EC2 knows it.
    Known(Subnet),
    /// This region and account do not know it: then a `NotFound` proves nothing.
    Foreign,
}

/// Whether software on the instance of an attachment may still use the device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// It may: the agent there has to give the device back. The node is named for people.
    Alive(NodeName),
    /// Nothing runs there: it is stopped or terminated.
    Dead,
    /// EC2 is ending it, detaches by itself, and deletes what is marked so.
    ShuttingDown,
    /// A person says that nothing runs there any more.
    OutOfService,
}

/// What is known of the sends of the present Create request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sends {
    /// This process froze the request and has not sent it.
    None,
    /// Every send was answered by a refusal that excludes an ENI.
    Refused,
    /// At least one was not, or another process may have sent it.
    Inconclusive,
}

/// Whether an Attach may still be on its way that nobody waits for: one of this process that was not answered, or of the process
/// before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LateAttach {
    /// It may.
    Possible,
    /// None can be.
    Excluded,
}

/// What searching EC2 for an ENI by the claim's tag has shown since the last send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Search {
    /// It goes on.
    Running,
    /// Two complete reads half a minute apart showed none.
    Nothing,
}

/// A refusal, and how long it is respected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Backoff {
    /// What was refused.
    pub action: Action,
    /// The incarnation of the Create request at that time.
    pub incarnation: u32,
    /// What was answered.
    pub error: Ec2Error,
    /// How often in a row.
    pub attempts: u32,
    /// When it was answered.
    pub at: Time,
    /// When it may be tried again.
    pub until: Time,
}

impl EniSeen {
    /// The view, where reads showed one.
    pub fn view(&self) -> Option<&EniView> {
        match self {
            Self::Shown(view, _) => Some(view),
            Self::Unknown | Self::Missing(_) | Self::NotFound | Self::Deleted => None,
        }
    }
}

impl Backoff {
    /// What a status tells the next process of the refusal of a Create request that may have made an ENI all the same; `at` is when that
    /// process began.
    pub fn remembered(status: &ClaimStatus, at: Time) -> Option<Self> {
        let creation = status.creation.as_ref()?;
        let error = status.last_error.as_ref()?;
        if status.eni.is_some() || creation.answer != Some(CreateAnswer::Inconclusive) {
            return None;
        }
        Some(Self {
            action: Action::CreateNetworkInterface,
            incarnation: creation.incarnation,
            error: Ec2Error {
                class: classify(&error.code, &error.message, 400),
                code: error.code.clone(),
                message: error.message.clone(),
                request_id: error.request_id.clone(),
            },
            attempts: error.attempts,
            at,
            until: error.next_retry.unwrap_or(at),
        })
    }
}

//! Every reason that a person may read, in a condition or an Event.

use std::{fmt, str::FromStr};

macro_rules! reasons {
    (
        passes { $($(#[doc = $passing_doc:literal])+ $passing:ident,)+ }
        stays { $($(#[doc = $staying_doc:literal])+ $staying:ident,)+ }
    ) => {
        $crate::words! {
            /// One word for a condition or an Event.
            pub enum Reason {
                $($(#[doc = $passing_doc])+ $passing,)+
                $($(#[doc = $staying_doc])+ $staying,)+
            }
        }

        impl Reason {
            /// Whether a claim whose condition Ready is False with this reason gets on within seconds, and nobody has to do
            /// anything for it: a CNI ADD may wait. With any other reason it is answered at once, and the runtime asks again.
            pub fn passes(self) -> bool {
                match self {
                    $(Self::$passing => true,)+
                    $(Self::$staying => false,)+
                }
            }
        }
    };
}

reasons! {
    passes {
        /// The ENI is being created. EC2 answers in a second or two.
        Creating,
        /// EC2 made the ENI; it is attached next.
        Created,
        /// The ENI is being attached. EC2 needs a few seconds.
        Attaching,
        /// The ENI is attached; the agent plugs the device in.
        Attached,
        /// The pod has its interface.
        Ready,
        /// The claim is being deleted while its pod uses it; the pod keeps its interface.
        InUse,
        /// EC2 is searched for an ENI that an unanswered request may have made. It mostly did, and the first read shows it.
        SearchingEni,
        /// The pod is not scheduled. Where a pod is started it is, and the operator is about to see it.
        NotScheduled,
        /// The operator has not read everything that it needs. It is reading.
        Reading,
        /// EC2 has all that the class names.
        Resolved,
        /// A place in the queue for EC2's request rate is awaited. The queue moves several times a second.
        Queued,
        /// A slot of the node becomes free as soon as another ENI has left. EC2 needs a few seconds.
        WaitingForSlot,
        /// The node's agent has not done its part. The agent that reads this has come back, and does it now.
        WaitingForAgent,
        /// Somebody else detached the ENI. It is attached again at once.
        AttachmentLost,
    }
    stays {
        /// The device is on its way back to the host: it leaves this pod.
        Releasing,
        /// The ENI is being detached.
        Detaching,
        /// The ENI is being deleted.
        Deleting,
        /// The pod is being deleted: nothing new is begun for it.
        PodTerminating,
        /// EC2 wants fewer calls. The pauses grow, up to minutes.
        Throttled,
        /// The label names a class that does not exist.
        ClassNotFound,
        /// The class is not for this namespace.
        NamespaceNotSelected,
        /// The pod has the label and not the annotation.
        NotAnnotated,
        /// The pod has no network of its own.
        HostNetwork,
        /// The pod's annotation of its interfaces cannot be read, or its label names another class.
        WrongInterfaces,
        /// The pod has the annotation eniclaim.io/persistent, and cannot have a claim of its own name.
        PersistentUnsupported,
        /// The pod's limits count another number of ENIs than it gets.
        WrongCount,
        /// The API server refuses a write of the claim, the node or its EniNode.
        WriteRefused,
        /// The name of the pod's claim is taken by another claim.
        ClaimNameTaken,
        /// The claim is not the one that the operator made for the pod.
        NotServed,
        /// The ENI is there, and no pod names the claim.
        Available,
        /// The zone of the ENI depends on the first pod that names the claim, and there is none yet.
        WaitingForPod,
        /// The pod names a claim that does not exist.
        ClaimNotFound,
        /// The claim that the pod names is not for it.
        ClaimUnusable,
        /// Another pod uses the claim that the pod names.
        ClaimInUse,
        /// The pod's node lies in another zone than the ENI of its claim.
        OtherZone,
        /// The node has no EC2 instance that can hold an ENI.
        NodeUnsupported,
        /// The node has no free slot.
        NodeFull,
        /// The class has defaultRoute: Primary, and the networks of Services are not known.
        ServicesUnknown,
        /// No subnet of the class lies in the node's zone.
        NoSubnetInZone,
        /// No subnet of the class in the node's zone serves the IP families of the class.
        SubnetLacksFamily,
        /// A subnet of the class does not exist.
        SubnetNotFound,
        /// A subnet of the class lies in another VPC than the cluster's nodes.
        SubnetInOtherVpc,
        /// No subnet of the cluster's VPC has the tags that the class selects by.
        NoSubnetSelected,
        /// A security group of the class does not exist.
        SecurityGroupNotFound,
        /// A security group of the class lies in another VPC than its subnets.
        SecurityGroupInOtherVpc,
        /// No security group of the subnets' VPC has the tags that the class selects by.
        NoSecurityGroupSelected,
        /// The class has more security groups than EC2 takes on one ENI.
        TooManySecurityGroups,
        /// EC2 shows no instance of the cluster yet, so that its VPC is not known.
        VpcUnknown,
        /// The subnets of the class have not as many free addresses as an ENI of it takes.
        SubnetFull,
        /// The account may have no more ENIs.
        QuotaFull,
        /// AWS does not allow the call.
        Denied,
        /// AWS does not take the credentials, the region or the clock.
        NoCredentials,
        /// AWS refuses the request as it is.
        Refused,
        /// AWS does not answer; nobody knows for how long.
        AwsUnavailable,
        /// The region or account does not know the claim's subnet.
        WrongRegion,
        /// EC2 is in a state that we did not expect.
        Unexpected,
        /// EC2 does not know the ENI any more. Where another one can be made, the reason is Creating in a moment.
        EniLost,
        /// The ENI has been attaching for too long.
        AttachStuck,
        /// The ENI has been detaching for too long.
        DetachStuck,
        /// An ENI was forgotten on a person's word.
        Forgotten,
        /// An ENI that no claim owns was deleted.
        Swept,
        /// An ENI that no claim owns would be deleted.
        WouldSweep,
        /// Too many ENIs without a claim at once: nothing is deleted.
        SweepStopped,
        /// An ENI outlives its pods, and the claim that kept it is lost: nobody deletes it but a person.
        ClaimLost,
        /// The ENI has the security groups of its edited class, or those again that somebody else had changed.
        GroupsChanged,
        /// Somebody else changed the security groups of the ENI.
        DriftFound,
        /// The security groups of the class reach no more ENIs: EC2 refuses them, or a claim whose ENI got them is not Ready.
        RolloutHalted,
        /// DHCP servers lease to the interface what they did before, and say something else beside.
        LeaseChanged,
        /// The interface has its DHCP lease no more. The pod keeps its addresses, unless they came from it.
        LeaseLost,
        /// DHCP servers lease nothing to the interface, or not what the claim has. The pod has its addresses all the same, unless they are to come from a lease.
        LeaseUnavailable,
        /// The object does not fit the types of this version.
        Unreadable,
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that this version has no meaning for; another version may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a reason that this version knows")]
pub struct UnknownReason(pub String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let known = Self::ALL.iter().find(|reason| reason.as_str() == text);
        known.copied().ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{ClaimStatus, Condition, ConditionStatus, Time, condition::kind};

    fn ready(status: ConditionStatus, reason: &str) -> ClaimStatus {
        ClaimStatus {
            conditions: vec![Condition {
                kind: kind::READY.into(),
                status,
                reason: reason.into(),
                message: "why".into(),
                last_transition_time: Time(0),
                observed_generation: None,
            }],
            ..ClaimStatus::default()
        }
    }

    #[test]
    fn every_reason_is_read_as_it_is_written() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
        }
        assert!("Fnord".parse::<Reason>().is_err());
    }

    #[test]
    fn only_a_known_reason_that_stays_blocks_a_claim() {
        let blocked = |status, reason| ready(status, reason).blocked().is_some();
        assert!(blocked(ConditionStatus::False, "SubnetFull"));
        assert!(!blocked(ConditionStatus::False, "Creating"));
        assert!(!blocked(ConditionStatus::True, "SubnetFull"));
        assert!(!blocked(ConditionStatus::False, "ReasonOfANewerOperator"));
        assert_eq!(ClaimStatus::default().blocked(), None);
    }
}

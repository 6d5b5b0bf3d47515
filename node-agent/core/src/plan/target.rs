//! What a request asks for, one ENI at a time.

use super::{Claim, Mac, Wait, addresses::attached};
use crate::{
    claim::{Eni, Interface},
    facts::{Explicit, Facts, Origin},
};

/// An ENI that a request asks for.
#[derive(Clone, Copy)]
pub(super) enum Target<'a> {
    /// That of a claim.
    Claim(&'a Claim),
    /// One that the configuration of the network names.
    Explicit(&'a Explicit),
}

impl<'a> Target<'a> {
    /// The ENI, once it is attached to this node; an explicit one is known to be by its device alone.
    pub(super) fn attached(self, facts: &Facts) -> Result<&'a Eni, Wait> {
        match self {
            Self::Claim(claim) => attached(facts, claim).map(|(eni, _)| eni),
            Self::Explicit(explicit) => Ok(&explicit.eni),
        }
    }

    /// Its device, if it has one.
    pub(super) fn mac(self) -> Option<Mac> {
        match self {
            Self::Claim(claim) => claim.eni.as_ref().map(|eni| eni.mac),
            Self::Explicit(explicit) => Some(explicit.eni.mac),
        }
    }

    /// What its interface is to look like.
    pub(super) fn interface(self) -> &'a Interface {
        match self {
            Self::Claim(claim) => &claim.interface,
            Self::Explicit(explicit) => &explicit.interface,
        }
    }

    /// What the journal says of who asked; `None`: the claim has no attachment or no pod.
    pub(super) fn origin(self) -> Option<Origin> {
        match self {
            Self::Claim(claim) => Some(Origin::Claim {
                claim: claim.key.clone(),
                attachment: claim.attachment.as_ref()?.id.clone(),
                pod_uid: claim.pod.as_ref()?.uid.clone(),
            }),
            Self::Explicit(explicit) => {
                Some(Origin::Explicit(Box::new(explicit.interface.clone())))
            }
        }
    }

    /// One sentence why it is not there yet.
    pub(super) fn not_ready(self, why: &str) -> String {
        format!("{self} is not ready: {why}")
    }
}

impl std::fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Claim(claim) => write!(f, "EniClaim {}", claim.key),
            Self::Explicit(explicit) => write!(f, "ENI {}", explicit.eni.id),
        }
    }
}

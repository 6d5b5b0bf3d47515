//! What the plugin is answered where it is the IPAM plugin of another one: the addresses of a pod's claim, without a device.

use crate::{
    claim::{Attachment, Claim, Eni, Interface, Wait},
    facts::{Facts, Pod},
    plan::{asked::is_released, target::Target},
};

/// The interface of the pod's claim; of several claims, of that whose interface is `if_name`. Nothing is waited for: whoever asks has
/// moved the device already, and then its claim is there, or never.
///
/// # Errors
/// One sentence why there are no addresses now.
pub fn addresses<'a>(facts: &'a Facts, pod: &Pod, if_name: &str) -> Result<&'a Interface, String> {
    if let Some(unreadable) = (facts.unreadable.values()).find(|claim| claim.serves(pod)) {
        return Err(unreadable.to_string());
    }
    let of_pod = facts.claims.values().filter(|claim| claim.serves(pod));
    let (released, claims): (Vec<_>, Vec<_>) = of_pod.partition(|claim| is_released(claim));
    let claim = match claims.as_slice() {
        [] => return Err(none(facts, pod, released.first().copied())),
        [claim] => claim,
        several => several
            .iter()
            .find(|claim| claim.interface.name == if_name)
            .ok_or_else(|| {
                format!(
                    "pod {}/{} has several ENIs and none for {if_name}; name an interface of its class like that",
                    pod.namespace, pod.name
                )
            })?,
    };
    match attached(facts, claim) {
        Ok(_) if claim.interface.dhcp.configures() => Err(format!(
            "the addresses of EniClaim {} come from DHCP; where eniclaim is the IPAM plugin, spec.interface.dhcp of its class cannot be Configure",
            claim.key
        )),
        Ok(_) => Ok(&claim.interface),
        Err(Wait::Progress(why) | Wait::Blocked(why)) => Err(Target::Claim(claim).not_ready(&why)),
    }
}

/// The ENI of a claim, once it is attached to this node.
pub(super) fn attached<'a>(
    facts: &Facts,
    claim: &'a Claim,
) -> Result<(&'a Eni, &'a Attachment), Wait> {
    let (Some(eni), Some(attachment)) = (&claim.eni, &claim.attachment) else {
        return Err(claim.waits_for.clone());
    };
    match &facts.instance {
        Some(own) if *own == attachment.instance => Ok((eni, attachment)),
        Some(own) => Err(Wait::Blocked(format!(
            "its ENI is attached to instance {}, and this node is instance {own}",
            attachment.instance
        ))),
        None => Err(Wait::Progress(
            "the EniNode of this node names no instance yet".to_owned(),
        )),
    }
}

fn none(facts: &Facts, pod: &Pod, released: Option<&Claim>) -> String {
    match released {
        Some(claim) => Target::Claim(claim)
            .not_ready("its attachment is released and never plugged again"),
        None if facts.listed => format!(
            "no EniClaim on this node is bound to pod {}/{} ({}); the pod needs the label eniclaim.io/class, and the claim its ENI, before another plugin can move the device",
            pod.namespace, pod.name, pod.uid
        ),
        None => "the eniclaim-agent on this node has no list of EniClaims: it has not reached the API server since it started".to_owned(),
    }
}

//! What the plugin is answered where it is the IPAM plugin of another one: the addresses of a pod's claim, without a device.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    claim::{Address, Attachment, Claim, Eni, Interface, Wait},
    facts::{Facts, Pod, Request, RequestId},
    mac::Mac,
    plan::{Answer, Order, Round, asked::is_released, target::Target},
    replaced::AddressesAsked,
};

/// The addresses of a claim, and the device that gets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The addresses, the primary one first.
    pub addresses: Vec<Address>,
    /// Where the pod's packets go.
    pub routes: Vec<(IpNet, IpAddr)>,
    /// The device, if it is on the node.
    pub device: Option<Mac>,
}

/// The interface of the pod's claim; of several claims, of that whose interface is `if_name`. Nothing is waited for: whoever asks has
/// moved the device already, and then its claim is there, or never.
///
/// # Errors
/// One sentence why there are no addresses now.
pub fn addresses<'a>(facts: &'a Facts, pod: &Pod, if_name: &str) -> Result<&'a Interface, String> {
    let claim = claim(facts, pod, if_name).map_err(|none| none.sentence(facts, pod))?;
    match attached(facts, claim) {
        Ok(_) => configured(claim),
        Err(Wait::Progress(why) | Wait::Blocked(why)) => Err(Target::Claim(claim).not_ready(&why)),
    }
}

/// Why there is no claim whose addresses are meant.
enum None<'a> {
    /// There is none yet, or none any more.
    Missing(Option<&'a Claim>),
    /// One sentence on those that there are.
    Unclear(String),
}

impl None<'_> {
    fn sentence(self, facts: &Facts, pod: &Pod) -> String {
        match self {
            Self::Missing(released) => none(facts, pod, released),
            Self::Unclear(why) => why,
        }
    }
}

fn claim<'a>(facts: &'a Facts, pod: &Pod, if_name: &str) -> Result<&'a Claim, None<'a>> {
    if let Some(unreadable) = (facts.unreadable.values()).find(|claim| claim.serves(pod)) {
        return Err(None::Unclear(unreadable.to_string()));
    }
    let of_pod = facts.claims.values().filter(|claim| claim.serves(pod));
    let (released, claims): (Vec<_>, Vec<_>) = of_pod.partition(|claim| is_released(claim));
    match claims.as_slice() {
        [] => Err(None::Missing(released.first().copied())),
        [claim] => Ok(claim),
        several => {
            let named = several.iter().find(|claim| claim.interface.name == if_name);
            named.copied().ok_or_else(|| {
                None::Unclear(format!(
                    "pod {}/{} has several ENIs and none for {if_name}; name an interface of its class like that",
                    pod.namespace, pod.name
                ))
            })
        }
    }
}

/// The interface of a claim, unless its addresses come later.
fn configured(claim: &Claim) -> Result<&Interface, String> {
    if claim.interface.dhcp.configures() {
        return Err(format!(
            "the addresses of EniClaim {} come from DHCP; where eniclaim is the IPAM plugin, spec.interface.dhcp of its class cannot be Configure",
            claim.key
        ));
    }
    Ok(&claim.interface)
}

impl<'a> Round<'a> {
    /// Whoever moves the device after the answer waits for it as an ADD of ours does.
    pub(super) fn add_addresses(
        &mut self,
        id: RequestId,
        request: &Request,
        asked: &'a AddressesAsked,
    ) {
        let pod = &asked.pod;
        let claim = match claim(self.facts, pod, &request.sandbox.if_name) {
            Ok(claim) => claim,
            Err(None::Missing(Option::None)) => {
                return self.wait_for_claim(id, request, pod, Option::None);
            }
            Err(why) => {
                let why = why.sentence(self.facts, pod);
                return self.answer_later(id, &why);
            }
        };
        let target = Target::Claim(claim);
        let mac = match attached(self.facts, claim) {
            Ok((eni, _)) => eni.mac,
            Err(wait) => return self.wait(id, request, target, &wait),
        };
        let is_here = self.facts.devices.contains_key(&mac);
        if asked.moves && !is_here {
            let why = format!("its device with MAC address {mac} is not on this node yet");
            return self.wait(id, request, target, &Wait::Progress(why));
        }
        let interface = match configured(claim) {
            Ok(interface) => interface,
            Err(why) => return self.answer_later(id, &why),
        };
        if let Some(why) = asked.refuses(interface) {
            return self.answer_later(id, &format!("EniClaim {}: {why}", claim.key));
        }
        let given = Given {
            addresses: interface.addresses.clone(),
            routes: asked.routes(interface),
            device: is_here.then_some(mac),
        };
        self.order(Order::Answer(id, Answer::Addresses(Box::new(given))));
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

//! Unplugging: the device goes back to the host, and what it left in the pod is removed if the pod lives on.

use std::collections::BTreeMap;

use node_agent_core::{
    custody::Loan,
    diff::{clear, clear_shared},
    mac::Mac,
    picture::{Picture, PodSlot},
    plan::Traces,
};

use crate::{
    error::Error,
    kernel::{
        link::{BOOT_MTU, Device, rename, set_up},
        namespace::Namespace,
        netlink::Netlink,
        step::Session,
    },
    plug::{Deferred, Eni, Node, inside, open},
};

/// A device that is not in the pod, or not ours there.
#[derive(Debug, Default)]
pub struct Unplugged {
    /// Whether it is on the host. Otherwise it is in another namespace, or detached.
    pub found: bool,
    /// What could not be removed, from the device or from the pod.
    pub left: Vec<Error>,
    /// What to drop after the reply.
    pub deferred: Deferred,
}

/// Moves the device to the host, from the pod if it is there. An error says that it may still be in the pod; all else that
/// goes wrong is in the outcome.
pub fn unplug(
    node: &Node,
    pod: Option<&Namespace>,
    eni: &Eni,
    slot: PodSlot,
    traces: Traces,
) -> Result<Unplugged, Error> {
    if let Some(pod) = pod {
        return inside(node, pod, eni, slot, |session| {
            unplug_inside(node, session, traces)
        });
    }
    let (mut left, mut netlink) = (Vec::new(), node.host.inside(open)??);
    let index = tidy(node, &mut netlink, eni, &mut left)?;
    Ok(Unplugged {
        found: index.is_some(),
        left,
        deferred: Deferred::default(),
    })
}

/// Takes what is ours off a borrowed device and out of its pod, and leaves the device there as it was found, for the plugin that moved
/// it in. What cannot be taken off is in the outcome.
pub fn restore(
    node: &Node,
    pod: &Namespace,
    eni: &Eni,
    slot: PodSlot,
    loan: &Loan,
) -> Result<Unplugged, Error> {
    inside(node, pod, eni, slot, |session| {
        let mut left = Vec::new();
        let (inspector, mac) = (session.inspector, session.mac);
        let inspection =
            inspector.inspect(&mut session.pod_netlink, mac, slot, &BTreeMap::new(), None)?;
        session.link = inspection.device.map(|device| (device.index, device.name));
        let seen = Picture {
            egress_drop: inspector.features.egress_hook,
            ..inspection.picture
        };
        left.extend(session.run_each(&loan.give_back(&seen)));
        remove_shared(session, &seen, &mut left);
        Ok(Unplugged {
            found: false,
            left,
            deferred: Deferred::of(session),
        })
    })
}

/// What is left to do with a borrowed device that is on the host again: nothing. One that still has the alias of host-device came by
/// the end of its namespace, and nobody else will clean it.
pub fn forget(node: &Node, eni: &Eni) -> Result<Unplugged, Error> {
    let (mut left, mut netlink) = (Vec::new(), node.host.inside(open)??);
    let device = node.device(&mut netlink, eni.mac)?;
    if device.is_some_and(|device| device.alias) {
        tidy(node, &mut netlink, eni, &mut left)?;
    }
    Ok(Unplugged {
        found: true,
        left,
        deferred: Deferred::default(),
    })
}

/// The device first, traces after: whatever a pod does to its rules and routes, the device leaves.
pub(super) fn unplug_inside(
    node: &Node,
    session: &mut Session<'_>,
    traces: Traces,
) -> Result<Unplugged, Error> {
    let mut left = Vec::new();
    if let Some(index) = session.move_out(&mut left)? {
        node.expect(session.mac, index);
    }
    let eni = Eni {
        mac: session.mac,
        id: session.id.to_owned(),
    };
    let index = tidy(node, &mut session.host_netlink, &eni, &mut left)?;
    match traces {
        Traces::Leave => {}
        Traces::Remove => remove_traces(session, index, &mut left),
    }
    Ok(Unplugged {
        found: index.is_some(),
        left,
        deferred: Deferred::of(session),
    })
}

fn remove_traces(session: &mut Session<'_>, device: Option<u32>, left: &mut Vec<Error>) {
    // What the pod made on the device while it left would go on sending by it.
    if let Some(index) = device {
        let host = session.host.as_fd();
        left.extend(session.pod_netlink.delete_uppers_elsewhere(index, host));
    }
    let seen = session
        .inspector
        .traces(&mut session.pod_netlink, session.slot);
    let seen = seen.unwrap_or_else(|error| {
        left.push(error);
        Picture::default()
    });
    let seen = Picture {
        egress_drop: session.inspector.features.egress_hook,
        ..seen
    };
    left.extend(session.run_each(&clear(&seen)));
    remove_shared(session, &seen, left);
}

/// What the ENIs of a pod share goes with the last of them.
fn remove_shared(session: &mut Session<'_>, seen: &Picture, left: &mut Vec<Error>) {
    // Asked after its own are gone: of two ENIs that leave together the one that is later sees no other.
    let others = session
        .inspector
        .has_other_slots(&mut session.pod_netlink, session.slot);
    match others {
        Ok(true) => {}
        Ok(false) => left.extend(session.run_each(&clear_shared(seen))),
        Err(error) => left.push(error),
    }
}

/// On the host: down, under its own name, reset, with nothing on it that a pod or a tool left there. Its index, if it is
/// there at all.
fn tidy(
    node: &Node,
    netlink: &mut Netlink,
    eni: &Eni,
    left: &mut Vec<Error>,
) -> Result<Option<u32>, Error> {
    let Some(device) = node.device(netlink, eni.mac)? else {
        return Ok(None);
    };
    // A pod may have put links on it from outside, into the host's namespace (IFLA_TARGET_NETNSID with IFLA_LINK_NETNSID).
    left.extend(netlink.delete_uppers(device.index));
    left.extend(netlink.strip(&device, &eni.id));
    let down = device.is_up().then(|| set_up(device.index, false));
    // An MTU that the device cannot have is none that it booted with.
    let mtu = BOOT_MTU.min(device.most_mtu).max(device.least_mtu);
    for request in down.into_iter().chain(device.reset(mtu)) {
        let outcome = netlink.request(request);
        left.extend(outcome.map_err(Error::netlink("reset the device")).err());
    }
    name(netlink, &device, eni.mac, left);
    // Second names came with Linux 5.5, and this one is only for people.
    let named = |name: &Vec<u8>| name.as_slice() == eni.id.as_bytes();
    if !device.alternative_names.iter().any(named)
        && let Err(error) = netlink.add_alternative_name(device.index, &eni.id)
    {
        tracing::debug!(eni = eni.id, %error, "the device gets no second name");
    }
    Ok(Some(device.index))
}

/// Gives the device its name on the host, or another one that tells whose it is if that is taken.
fn name(netlink: &mut Netlink, device: &Device, mac: Mac, left: &mut Vec<Error>) {
    let names = mac.home_names();
    if names.first() == Some(&device.name) {
        return;
    }
    let prefixes = names.iter().map(|name| name.trim_end_matches("%d"));
    let spare = prefixes.into_iter().any(|p| device.name.starts_with(p));
    // A device that has another name of ours is only renamed if the first is free.
    let candidates = if spare { 1 } else { names.len() };
    let mut outcome = Ok(());
    for name in names.iter().take(candidates) {
        outcome = netlink.request(rename(device.index, name));
        if outcome.is_ok() {
            return;
        }
    }
    if !spare {
        left.extend(outcome.map_err(Error::netlink("rename the device")).err());
    }
}

//! Plugging a device into a pod: inspect, take the difference, do it, inspect again.

use node_agent_core::{
    claim::{Address, Interface},
    diff::diff,
    difference::differences,
    layout::{layout, needs_surroundings, steer},
    picture::{Picture, PodSlot, Sysctl},
    plan::Traces,
};

use crate::{
    error::Error,
    kernel::{
        link::Device,
        namespace::Namespace,
        step::{Session, is_taken},
        view::Inspection,
    },
    plug::{Deferred, Eni, Node, inside, unplugging::unplug_inside},
};

/// Rounds of steps and inspection until the pod's namespace must be as wanted. One is the rule; what an earlier attempt left,
/// or the kernel took along, needs a second.
const ROUNDS: usize = 3;

/// A device that is in a pod, as wanted.
#[derive(Debug)]
pub struct Plugged {
    /// The device.
    pub device: Device,
    /// The addresses that it has: those of the interface, without IPv6 where the pod or the kernel has none.
    pub addresses: Vec<Address>,
    /// Whether IPv6 was left out.
    pub without_ipv6: bool,
    /// What to drop after the reply.
    pub deferred: Deferred,
}

/// A plug that did not work.
#[derive(Debug)]
pub struct Failed {
    /// The first thing that went wrong.
    pub error: Error,
    /// What went wrong when it was undone; `None`: the device is on the host and the pod as before.
    pub undo: Option<Error>,
}

/// Makes the pod's namespace look as the interface wants it. Whole or nothing: after a failure the device is on the host.
pub fn plug(
    node: &Node,
    pod: &Namespace,
    eni: &Eni,
    interface: &Interface,
    slot: PodSlot,
) -> Result<Plugged, Failed> {
    inside(node, pod, eni, slot, |session| {
        let (device, wanted) = converge(node, session, interface)?;
        let has = |address: &&Address| wanted.addresses.contains(&address.ip.into());
        Ok(Plugged {
            device,
            addresses: interface.addresses.iter().filter(has).copied().collect(),
            // The settings of IPv6 are in a picture with IPv6 alone.
            without_ipv6: interface.has_ipv6() && !wanted.sysctls.contains_key(&Sysctl::AcceptRa),
            deferred: Deferred::of(session),
        })
    })
    .map_err(|error| Failed {
        error,
        undo: undo(node, pod, eni, slot).err(),
    })
}

fn undo(node: &Node, pod: &Namespace, eni: &Eni, slot: PodSlot) -> Result<(), Error> {
    let mut unplugged = inside(node, pod, eni, slot, |session| {
        unplug_inside(node, session, Traces::Remove)
    })?;
    unplugged.left.drain(..).next().map_or(Ok(()), Err)
}

/// Turns what is into what is wanted, and makes sure that it is.
fn converge(
    node: &Node,
    session: &mut Session<'_>,
    interface: &Interface,
) -> Result<(Device, Picture), Error> {
    let (mut seen, wanted) = start(node, session, interface)?;
    let mut found = Vec::new();
    for round in 1..=ROUNDS {
        seen.egress_drop = session.drops_egress;
        match session.run(&diff(&seen, &wanted)) {
            Err(error) if is_taken(&error) && round < ROUNDS => {}
            outcome => outcome?,
        }
        let last = session.link.as_ref().map(|(index, _)| *index);
        let inspection = inspect(session, interface, last)?;
        seen = inspection.picture;
        seen.egress_drop = session.drops_egress;
        let steps = diff(&seen, &wanted);
        match inspection.device {
            Some(device) if steps.is_empty() => return Ok((device, wanted)),
            Some(_) | None => found = differences(&seen, &wanted),
        }
    }
    Err(Error::NotAsWanted { differences: found })
}

/// What is seen, and what is wanted.
///
/// A device that is on the host comes into a namespace that has nothing of it, in all likelihood: nothing is listed, and what
/// is there after all is refused as existing.
fn start(
    node: &Node,
    session: &mut Session<'_>,
    interface: &Interface,
) -> Result<(Picture, Picture), Error> {
    session.device = node.device(&mut session.host_netlink, session.mac)?;
    if let Some(device) = session.device.clone() {
        let wanted = wanted(session, &device, false, interface)?;
        return Ok((Picture::default(), wanted));
    }
    let inspection = inspect(session, interface, None)?;
    let device = inspection
        .device
        .ok_or(Error::NoDevice { mac: session.mac })?;
    session.drops_egress = session.inspector.drops_egress(session.slot, &device.name)?;
    let wanted = wanted(session, &device, true, interface)?;
    Ok((inspection.picture, wanted))
}

fn wanted(
    session: &mut Session<'_>,
    device: &Device,
    here: bool,
    interface: &Interface,
) -> Result<Picture, Error> {
    let inspector = session.inspector;
    let limits = inspector.limits(device, here.then_some(device.name.as_str()));
    let mut wanted = layout(interface, session.slot, inspector.features, limits);
    if needs_surroundings(interface) {
        let (pod, host) = (&mut session.pod_netlink, &mut session.host_netlink);
        let itself = here.then_some(device.index);
        let surroundings = inspector.surroundings(pod, host, session.slot, itself)?;
        steer(&mut wanted, interface, session.slot, &surroundings);
    }
    if wanted.addresses.is_empty() && !interface.addresses.is_empty() {
        return Err(if inspector.features.ipv6 {
            Error::NoIpv6
        } else {
            Error::NoIpv6InKernel
        });
    }
    Ok(wanted)
}

fn inspect(
    session: &mut Session<'_>,
    interface: &Interface,
    last: Option<u32>,
) -> Result<Inspection, Error> {
    let (mac, slot) = (session.mac, session.slot);
    let inspection =
        session
            .inspector
            .inspect(&mut session.pod_netlink, mac, slot, interface, last)?;
    let device = inspection.device.as_ref();
    session.link = device.map(|device| (device.index, device.name.clone()));
    Ok(inspection)
}

/// What differs between the pod's namespace and what the interface wants.
pub fn check(
    node: &Node,
    pod: &Namespace,
    eni: &Eni,
    interface: &Interface,
    slot: PodSlot,
) -> Result<(), Error> {
    inside(node, pod, eni, slot, |session| {
        let seen = inspect(session, interface, None)?;
        let Some(device) = &seen.device else {
            let missing = format!("the device with the MAC address {} is missing", eni.mac);
            return Err(Error::NotAsWanted {
                differences: vec![missing],
            });
        };
        let picture = Picture {
            egress_drop: session.inspector.drops_egress(slot, &device.name)?,
            ..seen.picture
        };
        let wanted = wanted(session, device, true, interface)?;
        let mut differences = differences(&picture, &wanted);
        if device.address != Some(eni.mac) {
            let is = device
                .address
                .map_or("none".to_owned(), |mac| mac.to_string());
            differences.push(format!("the MAC address is {is}, not {}", eni.mac));
        }
        differences.extend(
            seen.unready
                .iter()
                .map(|a| format!("duplicate address detection has not let {a} through")),
        );
        if differences.is_empty() {
            Ok(())
        } else {
            Err(Error::NotAsWanted { differences })
        }
    })
}

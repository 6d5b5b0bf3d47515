//! Plugging a device into a pod: inspect, take the difference, do it, inspect again.

use std::net::IpAddr;

use ipnet::IpNet;
use node_agent_core::{
    claim::{Address, Interface},
    custody::{Custody, Loan},
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
    plug::{
        Deferred, Eni, Node, inside,
        unplugging::{restore, unplug_inside},
    },
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
    /// Who moved it in.
    pub custody: Custody,
    /// Where table main leads by it, and by which router.
    pub routes: Vec<(IpNet, IpAddr)>,
    /// What to drop after the reply.
    pub deferred: Deferred,
}

/// A plug that did not work.
#[derive(Debug)]
pub struct Failed {
    /// The first thing that went wrong.
    pub error: Error,
    /// What went wrong when it was undone; `None`: device and pod are as before.
    pub undo: Option<Error>,
    /// Who moved the device in, as far as that was found out.
    pub custody: Box<Custody>,
}

/// Makes the pod's namespace look as the interface wants it. Whole or nothing: after a failure the device is on the host.
pub fn plug(
    node: &Node,
    pod: &Namespace,
    eni: &Eni,
    interface: &Interface,
    slot: PodSlot,
) -> Result<Plugged, Failed> {
    let nothing = |_: &Custody| Ok(());
    plug_as(
        node,
        pod,
        eni,
        interface,
        slot,
        Some(&Custody::Ours),
        nothing,
    )
}

/// As [`plug`]. `before` is who moved the device in, where an attempt before this one found that out; a device that is in the pod
/// already is borrowed otherwise, and stays there after a failure. `intend` writes down who it is before anything is changed.
pub fn plug_as(
    node: &Node,
    pod: &Namespace,
    eni: &Eni,
    interface: &Interface,
    slot: PodSlot,
    before: Option<&Custody>,
    intend: impl FnOnce(&Custody) -> Result<(), Error>,
) -> Result<Plugged, Failed> {
    let mut begun = None;
    let outcome = inside(node, pod, eni, slot, |session| {
        let start = start(node, session, interface, before)?;
        intend(&start.custody)?;
        begun = Some(start.custody.clone());
        let device = converge(session, &start)?;
        let has = |address: &&Address| start.wanted.addresses.contains(&address.ip.into());
        Ok(Plugged {
            device,
            addresses: interface.addresses.iter().filter(has).copied().collect(),
            // The settings of IPv6 are in a picture with IPv6 alone.
            without_ipv6: interface.has_ipv6()
                && !start.wanted.sysctls.contains_key(&Sysctl::ACCEPT_RA),
            routes: start.wanted.main_routes(),
            custody: start.custody,
            deferred: Deferred::of(session),
        })
    });
    outcome.map_err(|error| {
        let undone = begun
            .as_ref()
            .map_or(Ok(()), |custody| undo(node, pod, eni, slot, custody));
        Failed {
            error,
            undo: undone.err(),
            custody: begun.unwrap_or_default().into(),
        }
    })
}

/// Makes the device that is in the pod look as the interface wants it. After a failure it stays where it is. `intend` as in [`plug_as`].
pub fn configure(
    node: &Node,
    pod: &Namespace,
    eni: &Eni,
    interface: &Interface,
    slot: PodSlot,
    before: &Custody,
    intend: impl FnOnce(&Custody) -> Result<(), Error>,
) -> Result<Deferred, Error> {
    inside(node, pod, eni, slot, |session| {
        let start = start_in_pod(session, interface, Some(before))?;
        intend(&start.custody)?;
        converge(session, &start)?;
        Ok(Deferred::of(session))
    })
}

fn undo(
    node: &Node,
    pod: &Namespace,
    eni: &Eni,
    slot: PodSlot,
    custody: &Custody,
) -> Result<(), Error> {
    let mut unplugged = match custody {
        Custody::Ours => inside(node, pod, eni, slot, |session| {
            unplug_inside(node, session, Traces::Remove)
        }),
        Custody::Borrowed(loan) => restore(node, pod, eni, slot, loan),
    }?;
    unplugged.left.drain(..).next().map_or(Ok(()), Err)
}

/// Turns what is into what is wanted, and makes sure that it is.
fn converge(session: &mut Session<'_>, start: &Start) -> Result<Device, Error> {
    let Start {
        interface,
        seen,
        wanted,
        custody,
    } = start;
    let (mut seen, mut found) = (seen.clone(), Vec::new());
    for round in 1..=ROUNDS {
        seen.egress_drop = session.drops_egress;
        match session.run(&diff(&seen, wanted)) {
            Err(error) if is_taken(&error) && round < ROUNDS => {}
            outcome => outcome?,
        }
        let last = session.link.as_ref().map(|(index, _)| *index);
        let inspection = inspect(session, interface, last)?;
        seen = custody.ours(inspection.picture);
        seen.egress_drop = session.drops_egress;
        let steps = diff(&seen, wanted);
        match inspection.device {
            Some(device) if steps.is_empty() => return Ok(device),
            Some(_) | None => found = differences(&seen, wanted),
        }
    }
    Err(Error::NotAsWanted { differences: found })
}

/// What is seen, what is wanted, and who moved the device in.
struct Start {
    /// As it is to be, under the name that it has.
    interface: Interface,
    seen: Picture,
    wanted: Picture,
    custody: Custody,
}

/// A device that is on the host comes into a namespace that has nothing of it, in all likelihood: nothing is listed, and what
/// is there after all is refused as existing.
fn start(
    node: &Node,
    session: &mut Session<'_>,
    interface: &Interface,
    before: Option<&Custody>,
) -> Result<Start, Error> {
    session.device = node.device(&mut session.host_netlink, session.mac)?;
    if let Some(device) = session.device.clone() {
        let wanted = wanted(session, &device, false, interface)?;
        return Ok(Start {
            interface: interface.clone(),
            seen: Picture::default(),
            wanted,
            custody: Custody::Ours,
        });
    }
    start_in_pod(session, interface, before)
}

fn start_in_pod(
    session: &mut Session<'_>,
    interface: &Interface,
    before: Option<&Custody>,
) -> Result<Start, Error> {
    let inspection = inspect(session, interface, None)?;
    let device = inspection
        .device
        .ok_or(Error::NoDevice { mac: session.mac })?;
    session.drops_egress = session.inspector.drops_egress(session.slot, &device.name)?;
    let found = || Custody::Borrowed(Loan::new(&device.name, device.mtu));
    let mut custody = before.cloned().unwrap_or_else(found);
    let interface = custody.interface(interface.clone());
    let mut wanted = wanted(session, &device, true, &interface)?;
    custody.claim(&inspection.picture, &mut wanted);
    Ok(Start {
        interface,
        seen: custody.ours(inspection.picture),
        wanted,
        custody,
    })
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
    let inspection = session.inspector.inspect(
        &mut session.pod_netlink,
        mac,
        slot,
        &interface.sysctls,
        last,
    )?;
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
    check_as(node, pod, eni, interface, slot, &Custody::Ours)
}

/// As [`check`]; of a borrowed device only what is ours is compared.
pub fn check_as(
    node: &Node,
    pod: &Namespace,
    eni: &Eni,
    interface: &Interface,
    slot: PodSlot,
    custody: &Custody,
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
        let mut wanted = wanted(session, device, true, &custody.interface(interface.clone()))?;
        let mut custody = custody.clone();
        custody.claim(&picture, &mut wanted);
        let mut differences = differences(&custody.ours(picture), &wanted);
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

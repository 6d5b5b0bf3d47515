//! Plugging a device into a pod and taking it home: look, take the difference, do it, look again.

use node_agent_core::{claim::Interface, diff::diff, layout::layout, mac::Mac, picture::Picture};

use crate::{
    error::Error,
    kernel::{
        link::Device,
        namespace::Namespace,
        netlink::Netlink,
        step::{Bench, scrub},
        view::Eyes,
    },
};

/// The node, as the kernel knows it.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its own namespace.
    pub host: Namespace,
    /// What every look needs.
    pub eyes: Eyes,
}

/// An ENI, as the kernel knows it.
#[derive(Debug, Clone)]
pub struct Eni {
    /// Its MAC address.
    pub mac: Mac,
    /// Its id, which becomes the device's second name on the host.
    pub id: String,
}

/// A plug that did not work.
#[derive(Debug)]
pub struct Failed {
    /// The first thing that went wrong.
    pub error: Error,
    /// What went wrong when it was undone; `None`: the device is home and the pod as before.
    pub undo: Option<Error>,
}

/// Makes the pod's namespace look as the interface wants it. Whole or nothing: after a failure the device is home.
pub fn plug(
    node: &Node,
    pod: &Namespace,
    eni: &Eni,
    interface: &Interface,
) -> Result<Device, Failed> {
    inside(node, pod, eni.mac, |bench| {
        become_as(bench, &layout(interface, node.eyes.features))
    })
    .and_then(|device| device.ok_or(Error::NoDevice { mac: eni.mac }))
    .map_err(|error| Failed {
        error,
        undo: home(node, Some(pod), eni).err(),
    })
}

/// Takes the device home from wherever it is, and our traces out of the pod if it still lives. A device that is nowhere
/// is in a namespace that nobody can enter, or unplugged: it is `false` then, and no failure.
pub fn home(node: &Node, pod: Option<&Namespace>, eni: &Eni) -> Result<bool, Error> {
    if let Some(pod) = pod {
        inside(node, pod, eni.mac, |bench| {
            become_as(bench, &Picture::default())
        })?;
    }
    node.host.inside(|| tidy(node, eni))?
}

/// On the host: down, under its home name, with nothing on it that a pod left there.
fn tidy(node: &Node, eni: &Eni) -> Result<bool, Error> {
    let mut netlink = Netlink::route().map_err(Error::netlink("open a netlink socket"))?;
    let Some(mut device) = netlink.device(eni.mac, &node.eyes.drivers)? else {
        return Ok(false);
    };
    let index = device.index;
    if device.up {
        netlink
            .set_up(index, false)
            .map_err(Error::netlink("set the device down"))?;
    }
    let named = device.alternative_names.contains(&eni.id);
    device.alternative_names.retain(|name| *name != eni.id);
    scrub(&mut netlink, &device)?;
    if device.name != eni.mac.home_name() {
        netlink
            .rename_link(index, &eni.mac.home_name())
            .map_err(Error::netlink("rename the device"))?;
    }
    // Second names came with Linux 5.5, and this one is only for people.
    if !named && let Err(error) = netlink.add_alternative_name(index, &eni.id) {
        tracing::debug!(eni = eni.id, %error, "the device gets no second name");
    }
    Ok(true)
}

/// Runs `work` on a thread in the pod's namespace; every socket is closed when this returns.
fn inside<T: Send>(
    node: &Node,
    pod: &Namespace,
    mac: Mac,
    work: impl FnOnce(&mut Bench<'_>) -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let open = || Netlink::route().map_err(Error::netlink("open a netlink socket"));
    let host_netlink = node.host.inside(open)??;
    pod.inside(|| {
        let (host, eyes) = (&node.host, &node.eyes);
        let mut bench = Bench {
            eyes,
            mac,
            host,
            pod,
            host_netlink,
            pod_netlink: open()?,
            link: None,
        };
        work(&mut bench)
    })?
}

/// Turns what is into what is wanted, and makes sure that it is.
fn become_as(bench: &mut Bench<'_>, wanted: &Picture) -> Result<Option<Device>, Error> {
    let look = |bench: &mut Bench<'_>| {
        let (mut seen, device) = bench.eyes.look(&mut bench.pod_netlink, bench.mac)?;
        seen.sysctls
            .retain(|sysctl, _| wanted.sysctls.contains_key(sysctl));
        Ok::<_, Error>((seen, device))
    };
    let (seen, device) = look(bench)?;
    bench.link = device.map(|device| (device.index, device.name));
    let steps = diff(&seen, wanted);
    for step in &steps {
        bench.run(step)?;
    }
    let (seen, device) = look(bench)?;
    match diff(&seen, wanted) {
        left if left.is_empty() => Ok(device),
        left => Err(Error::NotAsWanted { left }),
    }
}

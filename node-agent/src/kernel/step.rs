//! One step, one request.

use std::{fs, io};

use node_agent_core::{diff::Step, mac::Mac};

use crate::{
    error::Error,
    kernel::{namespace::Namespace, netlink::Netlink, nft, view::Eyes},
};

/// The two namespaces that steps are between; the calling thread is in the pod's.
pub struct Bench<'a> {
    /// What every look needs.
    pub eyes: &'a Eyes,
    /// The device.
    pub mac: Mac,
    /// The host's namespace.
    pub host: &'a Namespace,
    /// The pod's namespace.
    pub pod: &'a Namespace,
    /// A socket in the host's namespace.
    pub host_netlink: Netlink,
    /// A socket in the pod's namespace.
    pub pod_netlink: Netlink,
    /// Index and name of the device in the pod, while it is there.
    pub link: Option<(u32, String)>,
}

impl Bench<'_> {
    /// Does `step`.
    pub fn run(&mut self, step: &Step) -> Result<(), Error> {
        let refused = |source| Error::Step {
            step: Box::new(step.clone()),
            source,
        };
        match step {
            Step::MoveIn { name } => return self.move_in(step, name),
            Step::MoveOut => return self.move_out(),
            Step::AddRule(rule) => self.pod_netlink.add_rule(rule),
            Step::DelRule(rule) => gone_is_fine(self.pod_netlink.delete_rule(rule)),
            Step::AddRoute(route) => {
                let index = self
                    .link
                    .as_ref()
                    .map(|(index, _)| *index)
                    .filter(|_| route.needs_link());
                self.pod_netlink.add_route(route, index)
            }
            Step::DelRoute(route) => gone_is_fine(self.pod_netlink.delete_route(route, None)),
            Step::AllowEgress => nft::allow_egress(),
            Step::Rename { name } => {
                self.on_link(|netlink, index, _| netlink.rename_link(index, name))
            }
            Step::Up => self.on_link(|netlink, index, _| netlink.set_up(index, true)),
            Step::AddAddress(address) => {
                self.on_link(|netlink, index, _| netlink.add_address(index, *address))
            }
            Step::DelAddress(address) => self
                .on_link(|netlink, index, _| gone_is_fine(netlink.delete_address(index, *address))),
            Step::DropEgress => self.on_link(|_, _, name| nft::drop_egress(name)),
            Step::Set(sysctl, value) => {
                let eyes = self.eyes;
                self.on_link(|_, _, name| fs::write(eyes.sysctl(*sysctl, name), value))
            }
        }
        .map_err(refused)?;
        if let (Step::Rename { name }, Some((_, known))) = (step, &mut self.link) {
            known.clone_from(name);
        }
        Ok(())
    }

    /// The one request that costs time: it waits for RCU with the kernel's networking lock held.
    fn move_in(&mut self, step: &Step, name: &str) -> Result<(), Error> {
        if self
            .pod_netlink
            .has_link(name)
            .map_err(Error::netlink("list the pod's links"))?
        {
            return Err(Error::NameTaken {
                name: name.to_owned(),
            });
        }
        let device = self
            .host_netlink
            .device(self.mac, &self.eyes.drivers)?
            .ok_or(Error::NoDevice { mac: self.mac })?;
        let moved = self
            .host_netlink
            .move_link(device.index, self.pod.as_fd(), name);
        // Looked up anew: the index may differ, and after an error the device may be in the pod all the same.
        self.link = self
            .pod_netlink
            .device(self.mac, &self.eyes.drivers)?
            .map(|device| (device.index, device.name));
        moved.map_err(|source| Error::Step {
            step: Box::new(step.clone()),
            source,
        })
    }

    /// The pod may have put anything on the device that would follow it, or keep it from going.
    fn move_out(&mut self) -> Result<(), Error> {
        if let Some(device) = self.pod_netlink.device(self.mac, &self.eyes.drivers)? {
            scrub(&mut self.pod_netlink, &device)?;
            self.pod_netlink
                .move_link(device.index, self.host.as_fd(), &self.mac.home_name())
                .map_err(|source| Error::Step {
                    step: Box::new(Step::MoveOut),
                    source,
                })?;
        }
        self.link = None;
        Ok(())
    }

    fn on_link(
        &mut self,
        work: impl FnOnce(&mut Netlink, u32, &str) -> io::Result<()>,
    ) -> io::Result<()> {
        match &self.link {
            Some((index, name)) => work(&mut self.pod_netlink, *index, name),
            None => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the device is not in the pod",
            )),
        }
    }
}

/// Takes off what somebody put on the device.
pub fn scrub(netlink: &mut Netlink, device: &crate::kernel::link::Device) -> Result<(), Error> {
    for name in &device.alternative_names {
        netlink
            .remove_alternative_name(device.index, name)
            .map_err(Error::netlink("remove a second name"))?;
    }
    if device.alias.is_some() {
        netlink
            .clear_alias(device.index)
            .map_err(Error::netlink("remove the alias"))?;
    }
    if device.xdp {
        netlink
            .detach_xdp(device.index)
            .map_err(Error::netlink("detach the XDP program"))?;
    }
    Ok(())
}

/// What the kernel took along by itself needs no deleting.
fn gone_is_fine(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if is_gone(&error) => Ok(()),
        outcome => outcome,
    }
}

fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::NOENT, Errno::SRCH, Errno::ADDRNOTAVAIL]
        .iter()
        .any(|gone| error.raw_os_error() == Some(gone.raw_os_error()))
}

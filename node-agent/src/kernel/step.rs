//! Steps done: requests to the kernel, as many at once as their order allows.

use std::{
    fs, io,
    sync::{Mutex, PoisonError},
};

use node_agent_core::{
    diff::Step,
    mac::Mac,
    picture::{PodSlot, Sysctl},
};
use rustix::io::Errno;

use crate::{
    error::Error,
    kernel::{
        link::{Device, rename, set_mtu, set_up},
        namespace::Namespace,
        netlink::{Netlink, Request, errno},
        nft::{self, Commit},
        routing::{add_address, add_route, add_rule, delete_address, delete_route, delete_rule},
        view::Inspector,
    },
};

/// A pod's namespace and the host's, with the device that goes between them; the calling thread is in the pod's.
pub struct Session<'a> {
    /// How to inspect.
    pub inspector: &'a Inspector,
    /// Held for the move alone: the kernel does one at a time, and all of its networking waits for it.
    pub lane: &'a Mutex<()>,
    /// The host's namespace.
    pub host: &'a Namespace,
    /// The pod's namespace.
    pub pod: &'a Namespace,
    /// A socket in the host's namespace.
    pub host_netlink: Netlink,
    /// A socket in the pod's namespace.
    pub pod_netlink: Netlink,
    /// The MAC address of the device.
    pub mac: Mac,
    /// The ENI's id, which the device has as a further name.
    pub id: &'a str,
    /// Position of the ENI in the pod.
    pub slot: PodSlot,
    /// Its device on the host, before it is moved in.
    pub device: Option<Device>,
    /// Index and name of the device in the pod, while it is there.
    pub link: Option<(u32, String)>,
    /// Whether our packet filter is on the device.
    pub drops_egress: bool,
    /// What is to be closed when nobody waits any more.
    pub commits: Vec<Commit>,
}

impl Session<'_> {
    /// Does steps in their order; requests that follow each other are sent at once. The first refusal is the outcome.
    pub fn run(&mut self, steps: &[Step]) -> Result<(), Error> {
        let mut requests = Vec::new();
        for step in steps {
            let request = self.request(step).map_err(refused(step))?;
            if let Some(request) = request {
                requests.push((step, request));
                continue;
            }
            self.send(std::mem::take(&mut requests))?;
            self.alone(step)?;
        }
        self.send(requests)
    }

    /// Does steps each for itself; what is refused is returned.
    pub fn run_each(&mut self, steps: &[Step]) -> Vec<Error> {
        let outcomes = steps
            .iter()
            .map(|step| self.run(std::slice::from_ref(step)));
        outcomes.filter_map(Result::err).collect()
    }

    /// The request that is the step, if it is one.
    fn request(&self, step: &Step) -> io::Result<Option<Request>> {
        let index = || {
            let here = self.link.as_ref().map(|(index, _)| *index);
            here.ok_or_else(not_here)
        };
        Ok(Some(match step {
            Step::AddRule(rule) => add_rule(rule),
            Step::DelRule(rule) => delete_rule(rule),
            Step::AddRoute(route) if route.needs_link() => add_route(route, Some(index()?)),
            Step::AddRoute(route) => add_route(route, None),
            Step::DelRoute(route) => delete_route(route),
            Step::Down => set_up(index()?, false),
            Step::Rename { name } => rename(index()?, name),
            Step::Mtu(mtu) => set_mtu(index()?, *mtu),
            Step::Up => set_up(index()?, true),
            Step::AddAddress(address) => add_address(index()?, *address),
            Step::DelAddress(address) => delete_address(index()?, *address),
            Step::MoveIn { .. } | Step::Set(..) | Step::DropEgress | Step::AllowEgress => {
                return Ok(None);
            }
        }))
    }

    fn send(&mut self, requests: Vec<(&Step, Request)>) -> Result<(), Error> {
        let (steps, requests): (Vec<_>, Vec<_>) = requests.into_iter().unzip();
        let outcomes = self
            .pod_netlink
            .request_all(requests)
            .map_err(Error::netlink("talk to the pod's network"))?;
        for (step, outcome) in steps.into_iter().zip(outcomes) {
            let deletes = matches!(
                step,
                Step::DelRule(_) | Step::DelRoute(_) | Step::DelAddress(_)
            );
            match outcome {
                // What the kernel took along by itself needs no deleting.
                Err(error) if deletes && is_gone(&error) => {}
                outcome => outcome.map_err(refused(step))?,
            }
            if let (Step::Rename { name }, Some((_, known))) = (step, &mut self.link) {
                known.clone_from(name);
            }
        }
        Ok(())
    }

    /// A step that is more than a request, or none to the route socket.
    fn alone(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::MoveIn { name, mtu } => return self.move_in(step, name, *mtu),
            Step::Set(sysctl, value) => return self.set(step, *sysctl, value),
            Step::DropEgress => self
                .name()
                .and_then(|name| nft::block(self.slot, name))
                .map(|commit| {
                    self.commits.push(commit);
                    self.drops_egress = true;
                }),
            Step::AllowEgress => nft::unblock(self.slot).map(|commit| {
                self.commits.push(commit);
                self.drops_egress = false;
            }),
            _ => Ok(()),
        }
        .map_err(refused(step))
    }

    fn set(&self, step: &Step, sysctl: Sysctl, value: &str) -> Result<(), Error> {
        let name = self.name().map_err(refused(step))?;
        let path = self.inspector.sysctl(sysctl, name);
        fs::write(&path, value).map_err(|source| {
            let mount = &self.inspector.proc_sys_net;
            let read_only = [Errno::ROFS, Errno::ACCESS, Errno::PERM];
            let refuses = errno(&source).is_some_and(|errno| read_only.contains(&errno));
            Error::Setting {
                step: Box::new(step.clone()),
                path: path.into(),
                source,
                unmounted: (refuses || !mount.exists()).then(|| mount.as_path().into()),
            }
        })
    }

    fn name(&self) -> io::Result<&str> {
        let link = self.link.as_ref();
        link.map(|(_, name)| name.as_str()).ok_or_else(not_here)
    }

    /// The one request that costs time: it waits for RCU with the kernel's networking lock held.
    fn move_in(&mut self, step: &Step, name: &str, mtu: u32) -> Result<(), Error> {
        let taken = self.pod_netlink.has_link(name);
        if taken.map_err(Error::netlink("look for a link of the pod"))? {
            let name = name.to_owned();
            return Err(Error::NameTaken { name });
        }
        let device = match self.device.take() {
            Some(device) => Some(device),
            None => self
                .host_netlink
                .device(self.mac, &self.inspector.drivers, None)?,
        }
        .ok_or(Error::NoDevice { mac: self.mac })?;
        // All of it must come off: what stays would act on this pod.
        let left = self.host_netlink.strip(&device, self.id);
        left.into_iter().next().map_or(Ok(()), Err)?;
        let down = device.is_up().then(|| set_up(device.index, false));
        let requests = down.into_iter().chain(device.reset(mtu)).collect();
        let outcomes = self.host_netlink.request_all(requests);
        outcomes
            .and_then(|outcomes| outcomes.into_iter().collect::<io::Result<Vec<_>>>())
            .map_err(Error::netlink("reset the device"))?;
        let lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = self
            .host_netlink
            .move_link(device.index, self.pod.as_fd(), name);
        drop(lane);
        // Looked up anew: the index may differ, and after an error the device may be in the pod all the same.
        let found = self
            .pod_netlink
            .device_named(name, self.mac, &self.inspector.drivers)
            .map_err(Error::netlink("look at the device in the pod"))?;
        self.link = found.map(|device| (device.index, device.name));
        moved.map_err(refused(step))
    }

    /// The device from the pod to the host, with nothing done or asked before but what can keep it from going. Its index in the
    /// pod, if it was there: on the host it has the same, unless another link has it.
    pub fn move_out(&mut self, left: &mut Vec<Error>) -> Result<Option<u32>, Error> {
        let (mut outcome, mut last) = (Ok(()), None);
        for (attempt, name) in self.mac.home_names().iter().enumerate() {
            let found = self
                .pod_netlink
                .device(self.mac, &self.inspector.drivers, None)?;
            let Some(device) = found else {
                // After a refusal of the name alone, the device is on the host all the same.
                return Ok(last);
            };
            last = Some(device.index);
            // A link on the host may have the ENI's id for a name, too.
            let keep = if attempt == 0 { self.id } else { "" };
            left.clear();
            left.extend(self.pod_netlink.delete_uppers(device.index));
            left.extend(self.pod_netlink.strip(&device, keep));
            let lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
            let moved = self
                .pod_netlink
                .move_link(device.index, self.host.as_fd(), name);
            drop(lane);
            match moved {
                Ok(()) => return Ok(last),
                Err(error) => outcome = Err(error),
            }
        }
        outcome
            .map(|()| last)
            .map_err(Error::netlink("move the device back to the host"))
    }
}

/// Whether a step failed because what it makes is there already.
pub fn is_taken(error: &Error) -> bool {
    matches!(error, Error::Step { source, .. } if errno(source) == Some(Errno::EXIST))
}

fn refused(step: &Step) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Step {
        step: Box::new(step.clone()),
        source,
    }
}

fn not_here() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the device is not in the pod")
}

fn is_gone(error: &io::Error) -> bool {
    let gone = [Errno::NOENT, Errno::SRCH, Errno::ADDRNOTAVAIL, Errno::NODEV];
    errno(error).is_some_and(|errno| gone.contains(&errno))
}

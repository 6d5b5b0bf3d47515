//! Who moved a device into its pod, and what of a borrowed device is ours to take back.

use std::collections::BTreeSet;

use ipnet::IpNet;

use crate::{
    claim::Interface,
    diff::{Step, clear},
    layout::MAIN,
    picture::Picture,
};

/// Who moved a device into its pod, and moves it back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Custody {
    /// We did, and do.
    #[default]
    Ours,
    /// Another plugin did, for example host-device. It is configured where it is: its name, its alias and whatever else was there
    /// before belong to that plugin, which cannot take it back without them.
    Borrowed(Loan),
}

impl Custody {
    /// The interface as it is to be: a borrowed device keeps its name.
    #[must_use]
    pub fn interface(&self, mut interface: Interface) -> Interface {
        if let Self::Borrowed(loan) = self {
            interface.name.clone_from(&loan.name);
        }
        interface
    }

    /// Takes in what is there, and leaves out of `wanted` what is not ours to make.
    pub fn claim(&mut self, seen: &Picture, wanted: &mut Picture) {
        if let Self::Borrowed(loan) = self {
            loan.claim(seen, wanted);
        }
    }

    /// What of the picture is ours.
    #[must_use]
    pub fn ours(&self, seen: Picture) -> Picture {
        match self {
            Self::Ours => seen,
            Self::Borrowed(loan) => loan.ours(seen),
        }
    }
}

/// A device that another plugin moved into the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loan {
    /// Its name in the pod.
    pub name: String,
    /// The MTU that it had, in bytes.
    pub mtu: u32,
    /// The addresses that are ours: those that it did not have before.
    pub addresses: BTreeSet<IpNet>,
}

impl Loan {
    /// A device that was found in a pod under this name with this MTU.
    pub fn new(name: &str, mtu: u32) -> Self {
        Self {
            name: name.to_owned(),
            mtu,
            addresses: BTreeSet::new(),
        }
    }

    /// Takes in what is there, and leaves out of `wanted` the addresses that are there already, whatever their prefix: they are the
    /// other plugin's. Those that were ours and are wanted no more are still ours.
    fn claim(&mut self, seen: &Picture, wanted: &mut Picture) {
        let theirs = seen.addresses.difference(&self.addresses);
        let theirs: BTreeSet<_> = theirs.map(IpNet::addr).collect();
        let all = wanted.addresses.len();
        wanted
            .addresses
            .retain(|address| !theirs.contains(&address.addr()));
        // Whoever gave the device its addresses made its routes for packets of every source, too.
        if wanted.addresses.len() < all {
            wanted.routes.retain(|route| route.table != MAIN);
        }
        self.addresses.extend(&wanted.addresses);
    }

    /// The picture without the addresses that are not ours.
    fn ours(&self, mut seen: Picture) -> Picture {
        seen.addresses
            .retain(|address| self.addresses.contains(address));
        seen
    }

    /// The steps that leave the device as it was found. `seen` has the link only if it is still there.
    pub fn give_back(&self, seen: &Picture) -> Vec<Step> {
        let mut steps = clear(seen);
        let Some(link) = &seen.link else {
            return steps;
        };
        let ours = seen.addresses.intersection(&self.addresses);
        steps.extend(ours.copied().map(Step::DelAddress));
        if link.mtu != self.mtu {
            steps.push(Step::Mtu(self.mtu));
        }
        steps
    }
}

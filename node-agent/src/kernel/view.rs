//! What is: the picture of the namespace that the calling thread is in.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use node_agent_core::{
    layout::{Features, Limits},
    mac::Mac,
    picture::{Link, Picture, PodSlot, Sysctl},
};

use crate::{
    error::Error,
    kernel::{
        link::{Device, Drivers},
        netlink::Netlink,
        nft,
    },
};

/// What is needed to inspect a namespace.
#[derive(Debug, Clone)]
pub struct Inspector {
    /// Which links can be the device of an ENI.
    pub drivers: Drivers,
    /// Where `/proc/sys/net` is writable.
    pub proc_sys_net: PathBuf,
    /// What this kernel can do.
    pub features: Features,
}

/// What was seen of an ENI in a namespace.
#[derive(Debug)]
pub struct Inspection {
    /// The picture. Its packet filter is not looked at: see [`Inspector::drops_egress`].
    pub picture: Picture,
    /// The device, if it is here.
    pub device: Option<Device>,
    /// Addresses that duplicate address detection has not let through.
    pub unready: Vec<IpNet>,
}

impl Inspector {
    /// What this kernel can do, asked on a thread that is in the host's namespace.
    pub fn features(proc_sys_net: &Path) -> Result<Features, Error> {
        let egress_hook = nft::is_supported()
            .map_err(Error::netlink("ask whether nftables has the egress hook"))?;
        // Absent if the kernel was started with ipv6.disable=1 or built without it.
        Ok(Features {
            egress_hook,
            ipv6: proc_sys_net.join("ipv6").exists(),
        })
    }

    /// Path of a setting of the interface `link`. The kernel shows each thread the settings of its own namespace.
    pub fn sysctl(&self, sysctl: Sysctl, link: &str) -> PathBuf {
        self.proc_sys_net.join(sysctl.path(link))
    }

    /// What the device can do in this namespace, where it is under `name`, or is about to come if `None`.
    pub fn limits(&self, device: &Device, name: Option<&str>) -> Limits {
        let disabled = |link: &str| {
            let path = format!("ipv6/conf/{link}/disable_ipv6");
            let value = fs::read_to_string(self.proc_sys_net.join(path)).ok()?;
            Some(value.trim() != "0")
        };
        // With an MTU below 1280 a link has no settings of IPv6; when it gets them, they are those of `default`.
        let disabled = name
            .and_then(disabled)
            .or_else(|| disabled("default"))
            .unwrap_or(false);
        Limits {
            least_mtu: device.least_mtu,
            most_mtu: device.most_mtu,
            mtu: device.mtu,
            ipv6: self.features.ipv6 && !disabled,
        }
    }

    /// The picture, and the device if it is here.
    ///
    /// Of the settings of its interface those are read that every interface gets, and those that `named` has.
    pub fn inspect(
        &self,
        netlink: &mut Netlink,
        mac: Mac,
        slot: PodSlot,
        named: &BTreeMap<Sysctl, String>,
        last: Option<u32>,
    ) -> Result<Inspection, Error> {
        let device = netlink.device(mac, &self.drivers, last)?;
        let mut picture = self.traces(netlink, slot)?;
        let mut unready = Vec::new();
        if let Some(device) = &device {
            picture.link = Some(Link {
                name: device.name.clone(),
                up: device.is_up(),
                mtu: device.mtu,
            });
            let addresses = netlink
                .addresses(device.index)
                .map_err(Error::netlink("list the addresses"))?;
            (picture.addresses, unready) = (addresses.all, addresses.unready);
            for sysctl in Sysctl::ALWAYS.iter().chain(named.keys()) {
                if let Ok(value) = fs::read_to_string(self.sysctl(*sysctl, &device.name)) {
                    picture.sysctls.insert(*sysctl, value.trim().to_owned());
                }
            }
            for family in self.features.families() {
                picture.routes.extend(
                    netlink
                        .main_routes(*family, device.index)
                        .map_err(Error::netlink("list the routes"))?,
                );
            }
        }
        Ok(Inspection {
            picture,
            device,
            unready,
        })
    }

    /// Rules and routes of its own table alone: what stays in a pod when the device has left.
    pub fn traces(&self, netlink: &mut Netlink, slot: PodSlot) -> Result<Picture, Error> {
        let mut picture = Picture::default();
        for family in self.features.families() {
            picture.rules.extend(
                netlink
                    .rules(*family, slot)
                    .map_err(Error::netlink("list the rules"))?,
            );
            picture.routes.extend(
                netlink
                    .routes(*family, slot)
                    .map_err(Error::netlink("list the routes"))?,
            );
        }
        Ok(picture)
    }

    /// Whether our packet filter is on the interface `link`.
    pub fn drops_egress(&self, slot: PodSlot, link: &str) -> Result<bool, Error> {
        let blocked = || nft::blocks(slot, link).map_err(Error::netlink("read the nftables chain"));
        Ok(self.features.egress_hook && blocked()?)
    }

    /// Whether another ENI of the pod needs the rules that they share.
    pub fn has_other_slots(&self, netlink: &mut Netlink, slot: PodSlot) -> Result<bool, Error> {
        for family in self.features.families() {
            let others = netlink.rules_that(*family, |rule| !rule.is_of(slot));
            if !others.map_err(Error::netlink("list the rules"))?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

//! What is: the picture of the namespace that the calling thread is in.

use std::{
    fs,
    path::{Path, PathBuf},
};

use node_agent_core::{
    layout::Features,
    mac::Mac,
    picture::{Family, Link, Picture, Sysctl},
};

use crate::{
    error::Error,
    kernel::{
        link::{Device, Drivers},
        netlink::Netlink,
        nft,
    },
};

/// What every look at the kernel needs to know.
#[derive(Debug, Clone)]
pub struct Eyes {
    /// Which links can be the device of an ENI.
    pub drivers: Drivers,
    /// Where `/proc/sys/net` is writable.
    pub proc_sys_net: PathBuf,
    /// What this kernel can do.
    pub features: Features,
}

impl Eyes {
    /// Path of a setting of the interface `link`. The kernel shows each thread the settings of its own namespace.
    pub fn sysctl(&self, sysctl: Sysctl, link: &str) -> PathBuf {
        self.proc_sys_net.join(sysctl.path(link))
    }

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

    /// The picture, and the device if it is here.
    pub fn look(
        &self,
        netlink: &mut Netlink,
        mac: Mac,
    ) -> Result<(Picture, Option<Device>), Error> {
        let device = netlink.device(mac, &self.drivers)?;
        let mut picture = Picture::default();
        let families: &[Family] = if self.features.ipv6 {
            &[Family::V4, Family::V6]
        } else {
            &[Family::V4]
        };
        for family in families {
            picture.rules.extend(
                netlink
                    .rules(*family)
                    .map_err(Error::netlink("list the rules"))?,
            );
            picture.routes.extend(
                netlink
                    .routes(*family)
                    .map_err(Error::netlink("list the routes"))?,
            );
        }
        if let Some(device) = &device {
            picture.link = Some(Link {
                name: device.name.clone(),
                up: device.up,
            });
            picture.addresses.extend(
                netlink
                    .addresses(device.index)
                    .map_err(Error::netlink("list the addresses"))?,
            );
            for sysctl in Sysctl::ALL {
                if let Ok(value) = fs::read_to_string(self.sysctl(sysctl, &device.name)) {
                    picture.sysctls.insert(sysctl, value.trim().to_owned());
                }
            }
        }
        if self.features.egress_hook {
            let name = device.as_ref().map_or("", |device| device.name.as_str());
            picture.egress_drop =
                nft::drops_egress(name).map_err(Error::netlink("read our nftables table"))?;
        }
        Ok((picture, device))
    }
}

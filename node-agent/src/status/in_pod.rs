//! What the kernel has of a device in its pod.

use std::{collections::BTreeMap, mem, net::IpAddr};

use ipnet::IpNet;
use node_agent_core::{
    facts::{Netns, Plug},
    layout::{Features, refuses_metadata},
    mac::Mac,
    picture::{Picture, PodSlot},
};

use super::{Block, Device};
use crate::{
    error::Error,
    kernel::{namespace::Namespace, netlink::Netlink, view::Inspector},
};

/// A device that is in a pod, or on its way there or back.
pub(super) struct InPod {
    mac: Mac,
    slot: PodSlot,
    netns: Netns,
}

impl InPod {
    pub(super) fn of(mac: Mac, plug: &Plug) -> Self {
        Self {
            mac,
            slot: plug.slot,
            netns: plug.netns.clone(),
        }
    }

    /// Puts what the kernel has in place of what the claim says.
    pub(super) fn show(&self, device: &mut Device, inspector: &Inspector) -> Result<(), Error> {
        let picture = self.picture(inspector)?;
        let addresses = picture.addresses.iter().map(IpNet::addr).collect();
        let claimed = mem::replace(&mut device.addresses, addresses);
        let place = |ip: &IpAddr| claimed.iter().position(|one| one == ip);
        device
            .addresses
            .sort_by_key(|ip| place(ip).unwrap_or(claimed.len()));
        let table = self.slot.table();
        let has_table = picture.routes.iter().any(|route| route.table == table);
        device.table = has_table.then_some(table);
        device.rules = picture.rules.iter().map(ToString::to_string).collect();
        device.metadata = Some(Block::of(&picture, inspector.features));
        device.interface = picture.link.map(|link| link.name);
        Ok(())
    }

    /// Of a namespace that died there is nothing.
    fn picture(&self, inspector: &Inspector) -> Result<Picture, Error> {
        let Some(pod) = Namespace::find(&self.netns)? else {
            return Ok(Picture::default());
        };
        pod.inside(|| {
            let mut netlink = Netlink::route().map_err(Error::netlink("open a netlink socket"))?;
            let none = BTreeMap::new();
            let seen = inspector.inspect(&mut netlink, self.mac, self.slot, &none, None)?;
            let mut picture = seen.picture;
            if let Some(link) = &picture.link {
                picture.egress_drop = inspector.drops_egress(self.slot, &link.name)?;
            }
            Ok(picture)
        })?
    }
}

impl Block {
    fn of(picture: &Picture, features: Features) -> Self {
        match (
            refuses_metadata(&picture.rules, features),
            picture.egress_drop,
        ) {
            (true, true) => Self::Blocked,
            (true, false) => Self::RulesOnly,
            (false, true) => Self::FilterOnly,
            (false, false) => Self::NotBlocked,
        }
    }
}

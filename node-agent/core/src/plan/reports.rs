//! What the API server is told about a device, and what is found out before.

use ipnet::IpNet;

use super::{
    Claim, HIDDEN_AFTER, HIDDEN_AFTER_DEATH, Liveness, Mac, Order, Place, Plug, PlugState,
    REPORT_ON_HOST_AFTER, Report, Round,
};
use crate::{claim::Attachment, dhcp::Leases, facts::Origin};

impl Round<'_> {
    pub(super) fn report(&mut self, claim: &Claim) {
        let (Some(eni), Some(attachment)) = (&claim.eni, &claim.attachment) else {
            return;
        };
        // A machine that took the name of another one says nothing about devices that it never had.
        if self.facts.instance.as_ref() != Some(&attachment.instance)
            || self.taken.contains(&eni.mac)
        {
            return;
        }
        let before = self.facts.reported(claim);
        let place_before = before.map(|report| &report.place);
        let Some(place) = self.place(eni.mac, attachment, place_before) else {
            return;
        };
        let report = Report {
            attachment: attachment.id.clone(),
            leases: self.leases(eni.mac, &place, before),
            node_access: self.node_access(claim, eni.mac, &place),
            place,
        };
        if before != Some(&report) || self.facts.is_outdated(claim) {
            self.order(Order::Report(claim.key.clone(), report));
        }
    }

    /// What is to be said of a device now; `None`: nothing yet.
    fn place(
        &mut self,
        mac: Mac,
        attachment: &Attachment,
        before: Option<&Place>,
    ) -> Option<Place> {
        if let Some((key, plug)) = self.facts.holder(mac) {
            let Origin::Claim {
                attachment: of,
                pod_uid,
                claim: _,
            } = &plug.origin
            else {
                // An explicit plug has the device: the claim has nothing to say of it.
                return None;
            };
            if *of != attachment.id {
                return None;
            }
            let (pod_uid, container_id) = (pod_uid.clone(), key.sandbox.container_id.clone());
            return match plug.state {
                PlugState::Plugged => Some(Place::Plugged {
                    pod_uid,
                    container_id,
                }),
                PlugState::Unplugging if self.is_hidden(plug) => Some(Place::Hidden {
                    pod_uid,
                    container_id,
                }),
                PlugState::Plugging | PlugState::Unplugging | PlugState::Restored => None,
            };
        }
        let since = self.facts.devices.get(&mac).copied();
        if before == Some(&Place::Released) {
            return None;
        }
        if attachment.release {
            // A journal without an entry proves nothing: it may have been lost.
            if since.is_none() && !self.facts.absent.contains(&mac) {
                self.search(mac);
                return None;
            }
            return Some(Place::Released);
        }
        let place = match before {
            None => Place::Seen,
            Some(Place::Plugged { .. } | Place::Hidden { .. }) => Place::Home,
            Some(Place::Seen | Place::Home | Place::Released) => return None,
        };
        self.is_time(since? + REPORT_ON_HOST_AFTER).then_some(place)
    }

    /// How a device stands with DHCP. An agent that has just started says what one before it said.
    fn leases(&self, mac: Mac, place: &Place, before: Option<&Report>) -> Leases {
        let Place::Plugged { .. } = place else {
            return Leases::default();
        };
        let said = before.filter(|report| report.place == *place);
        let known = self.facts.lease_news.get(&mac);
        known
            .or(said.map(|report| &report.leases))
            .cloned()
            .unwrap_or_default()
    }

    /// The addresses by which the pod of a device reaches its node over a bridge.
    fn node_access(&self, claim: &Claim, mac: Mac, place: &Place) -> Vec<IpNet> {
        let (Some(_), Place::Plugged { .. }) = (&claim.interface.node_access, place) else {
            return Vec::new();
        };
        let holder = self.facts.holder(mac);
        let port = holder.and_then(|(key, _)| self.facts.ports.of_pod(&key.sandbox));
        let addresses = port.into_iter().flat_map(|(_, port)| &port.addresses);
        addresses.map(|one| one.address).collect()
    }

    /// Whether the device of a plug has been found nowhere for so long that a person has to look.
    fn is_hidden(&mut self, plug: &Plug) -> bool {
        let patience = match plug.observed.liveness {
            Liveness::Alive | Liveness::Unknown => HIDDEN_AFTER,
            Liveness::Dead => HIDDEN_AFTER_DEATH,
        };
        plug.observed
            .hidden
            .is_some_and(|since| self.is_time(since + patience))
    }

    fn search(&mut self, mac: Mac) {
        let retry = self.facts.searches.get(&mac).copied().unwrap_or_default();
        if self.is_due(retry) && self.taken.insert(mac) {
            self.order(Order::Search(mac));
        }
    }
}

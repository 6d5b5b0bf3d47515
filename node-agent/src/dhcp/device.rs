//! The leases of one device, and what the engine knows of them.

use std::sync::mpsc::Sender;

use node_agent_core::{
    dhcp::{BootTime, Leases, Standing, v4, v6},
    mac::Mac,
    plan::{LeasePlace, Wanted},
};

use super::{
    client::{Client, Family},
    files::Files,
    handle::Kept,
    news::News,
    tended::Tended,
};

/// The leases of one device.
#[derive(Default)]
pub(super) struct Device {
    v4: Option<Tended<v4::Client>>,
    v6: Option<Tended<v6::Client>>,
    stands: Leases,
    said: Leases,
    news: News,
}

/// A family's place among the leases of a device.
pub(super) trait Place: Client {
    fn of(device: &mut Device) -> &mut Option<Tended<Self>>;
}

impl Place for v4::Client {
    fn of(device: &mut Device) -> &mut Option<Tended<Self>> {
        &mut device.v4
    }
}

impl Place for v6::Client {
    fn of(device: &mut Device) -> &mut Option<Tended<Self>> {
        &mut device.v6
    }
}

/// A turn that is to come.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub at: BootTime,
    pub mac: Mac,
    pub family: Family,
    /// Whether it gives the lease back.
    pub is_released: bool,
}

/// What is to be reported.
pub(super) enum Report {
    Nothing,
    Now(Leases),
    /// Not before then.
    Later(BootTime),
}

impl Device {
    /// Makes the leases those that are wanted. What is being given back is left to that.
    pub fn settle(&mut self, wanted: &Wanted) {
        settle(&mut self.v4, wanted.ipv4.as_ref(), &wanted.place);
        settle(&mut self.v6, wanted.ipv6.as_ref(), &wanted.place);
    }

    /// The device is in no pod any more.
    pub fn forget(&mut self, mac: Mac, files: &Files) {
        forget(&mut self.v4, mac, files);
        forget(&mut self.v6, mac, files);
    }

    /// Gives the leases back. `waiting` is dropped once that is done.
    pub fn release(&mut self, waiting: Sender<()>) {
        if let Some(tended) = &mut self.v4 {
            tended.release(Some(waiting.clone()));
        }
        if let Some(tended) = &mut self.v6 {
            tended.release(Some(waiting));
        }
    }

    /// Whether there is a lease, or one that is asked for.
    pub fn is_empty(&self) -> bool {
        self.v4.is_none() && self.v6.is_none()
    }

    /// How many turns are under way.
    pub fn running(&self) -> usize {
        usize::from(self.v4.as_ref().is_some_and(Tended::is_running))
            + usize::from(self.v6.as_ref().is_some_and(Tended::is_running))
    }

    /// The next turns.
    pub fn due(&self, mac: Mac) -> impl Iterator<Item = Due> {
        let ipv4 = due(mac, self.v4.as_ref());
        ipv4.into_iter().chain(due(mac, self.v6.as_ref()))
    }

    /// How the leases stand, if it is another way than before.
    pub fn change(&mut self) -> Option<Leases> {
        let standing = (standing(self.v4.as_ref()), standing(self.v6.as_ref()));
        if standing == (self.stands.ipv4.as_ref(), self.stands.ipv6.as_ref()) {
            return None;
        }
        let (ipv4, ipv6) = (standing.0.cloned(), standing.1.cloned());
        self.stands = Leases { ipv4, ipv6 };
        Some(self.stands.clone())
    }

    /// What of that is to be reported.
    pub fn report(&mut self, now: BootTime) -> Report {
        if self.stands == self.said {
            return Report::Nothing;
        }
        let at = self.news.next_at();
        if at > now {
            return Report::Later(at);
        }
        self.news.tell(now);
        self.said.clone_from(&self.stands);
        Report::Now(self.said.clone())
    }

    /// Of each lease its family, its state, and when it was obtained or prolonged last.
    pub fn states(&self) -> impl Iterator<Item = (Family, &'static str, Option<BootTime>)> {
        let ipv4 = self.v4.iter().map(state);
        ipv4.chain(self.v6.iter().map(state))
    }

    /// What is shown to people.
    pub fn kept(&self, mac: Mac, now: BootTime) -> impl Iterator<Item = Kept> {
        let ipv4 = self.v4.iter().map(move |tended| kept(mac, tended, now));
        ipv4.chain(self.v6.iter().map(move |tended| kept(mac, tended, now)))
    }
}

fn settle<C: Client>(kept: &mut Option<Tended<C>>, wanted: Option<&C>, place: &LeasePlace) {
    match (kept.as_mut(), wanted) {
        (Some(tended), Some(client)) => tended.want(client, place),
        (None, Some(client)) => *kept = Some(Tended::begin(client.clone(), place.clone())),
        // Nobody wants it any more in a pod that lives on.
        (Some(tended), None) => tended.release(None),
        (None, None) => {}
    }
}

fn forget<C: Client>(kept: &mut Option<Tended<C>>, mac: Mac, files: &Files) {
    if kept.as_ref().is_some_and(|tended| !tended.is_released()) {
        *kept = None;
        files.remove(mac, C::FAMILY);
    }
}

fn due<C: Client>(mac: Mac, tended: Option<&Tended<C>>) -> Option<Due> {
    let tended = tended?;
    Some(Due {
        at: tended.due()?,
        mac,
        family: C::FAMILY,
        is_released: tended.is_released(),
    })
}

fn standing<C: Client>(tended: Option<&Tended<C>>) -> Option<&Standing> {
    tended.and_then(|tended| tended.standing.as_ref())
}

fn state<C: Client>(tended: &Tended<C>) -> (Family, &'static str, Option<BootTime>) {
    (C::FAMILY, tended.state(), tended.fresh)
}

fn kept<C: Client>(mac: Mac, tended: &Tended<C>, now: BootTime) -> Kept {
    Kept {
        mac,
        family: C::FAMILY,
        state: tended.state(),
        times: tended.times(),
        now,
    }
}

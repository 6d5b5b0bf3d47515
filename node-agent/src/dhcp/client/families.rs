//! The clients of both families.

use std::{net::IpAddr, ops::ControlFlow};

use node_agent_core::dhcp::{BootTime, Loss, Moment, Standing, Times, v4, v6};

use super::{Client, Event, Family, Outcome};
use crate::{
    dhcp::{
        exchange::{Exchange, Summary},
        probe::Found,
    },
    error::Error,
};

impl Client for v4::Client {
    const FAMILY: Family = Family::V4;
    type Lease = v4::Lease;
    type Packet = v4::Packet;
    type Send = (Box<v4::Packet>, v4::To);

    fn begin(&self, at: Moment) -> v4::Lease {
        Self::begin(self, at)
    }

    fn step(
        &self,
        lease: v4::Lease,
        event: Event,
        at: Moment,
    ) -> (v4::Lease, Vec<Outcome<Self::Send>>) {
        let input = match event {
            Event::Resumed(boot) => v4::Input::Resumed(boot),
            Event::Timer => v4::Input::Timer,
            Event::Moved => v4::Input::LinkRestarted,
            Event::Release => v4::Input::Release,
        };
        let (lease, outputs) = Self::step(self, lease, input, at);
        (lease, of_v4(outputs))
    }

    fn hear(
        &self,
        lease: v4::Lease,
        packet: v4::Packet,
        at: Moment,
    ) -> (v4::Lease, Vec<Outcome<Self::Send>>) {
        let (lease, outputs) = Self::step(self, lease, v4::Input::Received(Box::new(packet)), at);
        (lease, of_v4(outputs))
    }

    fn lacks_address(&self, lease: &v4::Lease, now: BootTime) -> bool {
        self.mode == v4::Mode::Configure && lease.held(now).is_none()
    }

    fn probed(
        &self,
        lease: v4::Lease,
        address: IpAddr,
        found: Found,
        at: Moment,
    ) -> (v4::Lease, Vec<Outcome<Self::Send>>) {
        let input = match (address, found) {
            (IpAddr::V4(address), Found::Nobody) => v4::Input::Free(address),
            (IpAddr::V4(address), Found::Somebody) => v4::Input::Conflict(address),
            (IpAddr::V6(_), _) => return (lease, Vec::new()),
        };
        let (lease, outputs) = Self::step(self, lease, input, at);
        (lease, of_v4(outputs))
    }

    fn exchange(
        &self,
        exchange: &Exchange<'_>,
        (packet, to): &Self::Send,
        hear: impl FnMut(v4::Packet) -> ControlFlow<()>,
    ) -> Result<Summary, Error> {
        exchange.v4(packet, *to, hear)
    }

    fn wake_at(lease: &v4::Lease) -> Option<BootTime> {
        lease.wake_at()
    }

    fn standing(lease: &v4::Lease, now: BootTime, lost: Option<Loss>) -> Option<Standing> {
        lease.standing(now, lost)
    }

    fn times(lease: &v4::Lease) -> Option<Times> {
        lease.times()
    }

    fn state(lease: &v4::Lease) -> &'static str {
        lease.state.name()
    }

    fn message((packet, _): &Self::Send) -> &'static str {
        packet.message_type.name()
    }
}

impl Client for v6::Client {
    const FAMILY: Family = Family::V6;
    type Lease = v6::Lease;
    type Packet = v6::Packet;
    type Send = Box<v6::Packet>;

    fn begin(&self, at: Moment) -> v6::Lease {
        Self::begin(self, of_24_bits(at))
    }

    fn step(
        &self,
        lease: v6::Lease,
        event: Event,
        at: Moment,
    ) -> (v6::Lease, Vec<Outcome<Self::Send>>) {
        let input = match event {
            Event::Resumed(boot) => v6::Input::Resumed(boot),
            Event::Timer => v6::Input::Timer,
            Event::Moved => v6::Input::LinkRestarted,
            Event::Release => v6::Input::Release,
        };
        let (lease, outputs) = Self::step(self, lease, input, of_24_bits(at));
        (lease, of_v6(outputs))
    }

    fn hear(
        &self,
        lease: v6::Lease,
        packet: v6::Packet,
        at: Moment,
    ) -> (v6::Lease, Vec<Outcome<Self::Send>>) {
        let (lease, outputs) = Self::step(
            self,
            lease,
            v6::Input::Received(Box::new(packet)),
            of_24_bits(at),
        );
        (lease, of_v6(outputs))
    }

    fn lacks_address(&self, _: &v6::Lease, _: BootTime) -> bool {
        false
    }

    fn probed(
        &self,
        lease: v6::Lease,
        address: IpAddr,
        found: Found,
        at: Moment,
    ) -> (v6::Lease, Vec<Outcome<Self::Send>>) {
        let input = match (address, found) {
            (IpAddr::V6(address), Found::Nobody) => v6::Input::Free(address),
            (IpAddr::V6(address), Found::Somebody) => v6::Input::Conflict(address),
            (IpAddr::V4(_), _) => return (lease, Vec::new()),
        };
        let (lease, outputs) = Self::step(self, lease, input, of_24_bits(at));
        (lease, of_v6(outputs))
    }

    fn exchange(
        &self,
        exchange: &Exchange<'_>,
        packet: &Self::Send,
        hear: impl FnMut(v6::Packet) -> ControlFlow<()>,
    ) -> Result<Summary, Error> {
        exchange.v6(packet, self.iaid(), hear)
    }

    fn wake_at(lease: &v6::Lease) -> Option<BootTime> {
        lease.wake_at()
    }

    fn standing(lease: &v6::Lease, now: BootTime, lost: Option<Loss>) -> Option<Standing> {
        lease.standing(now, lost)
    }

    fn times(lease: &v6::Lease) -> Option<Times> {
        lease.times()
    }

    fn state(lease: &v6::Lease) -> &'static str {
        lease.state.name()
    }

    fn message(packet: &Self::Send) -> &'static str {
        packet.message_type.name()
    }
}

/// A transaction of DHCPv6 has an id of 24 bits (RFC 8415 section 8).
fn of_24_bits(at: Moment) -> Moment {
    Moment {
        xid: at.xid & 0x00ff_ffff,
        ..at
    }
}

fn of_v4(outputs: Vec<v4::Output>) -> Vec<Outcome<(Box<v4::Packet>, v4::To)>> {
    let outcomes = outputs.into_iter().map(|output| match output {
        v4::Output::Send(packet, to) => Outcome::Send((packet, to)),
        v4::Output::Changed(change) => Outcome::Changed(change),
        v4::Output::Ignored(why) => Outcome::Ignored(why),
        v4::Output::Probe(address) => Outcome::Probe(address.into()),
    });
    outcomes.collect()
}

fn of_v6(outputs: Vec<v6::Output>) -> Vec<Outcome<Box<v6::Packet>>> {
    let outcomes = outputs.into_iter().map(|output| match output {
        v6::Output::Send(packet) => Outcome::Send(packet),
        v6::Output::Changed(change) => Outcome::Changed(change),
        v6::Output::Ignored(why) => Outcome::Ignored(why),
        v6::Output::Probe(address) => Outcome::Probe(address.into()),
    });
    outcomes.collect()
}

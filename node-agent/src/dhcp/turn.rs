//! A turn of one lease: what is due is done on a thread that may block, and the lease comes back as it is then.

use std::{
    collections::{BTreeMap, VecDeque},
    io::PipeReader,
    net::IpAddr,
    ops::ControlFlow,
    time::Duration,
};

use node_agent_core::{
    dhcp::{BootTime, Change, Ignored, Loss, Moment},
    mac::Mac,
};
use rustix::{
    rand::{GetRandomFlags, getrandom},
    time::{ClockId, clock_gettime},
};

use super::{
    client::{Client, Event, Outcome},
    codec::Dropped,
    exchange::Exchange,
    files::{Files, Record},
    probe::{Found, probe},
};
use crate::{error::Error, kernel::namespace::Namespace};

/// An answer takes milliseconds, or a second of a server that looks first whether an address is free (ping-check of ISC dhcpd).
const PATIENCE: Duration = Duration::from_secs(4);

/// What is to be done.
pub(super) struct Turn<C: Client> {
    pub mac: Mac,
    pub record: Record<C>,
    pub event: Event,
    pub files: Files,
    /// Ends the turn when its other end is dropped.
    pub stop: PipeReader,
}

/// What came of it.
pub(super) struct Ended<C: Client> {
    pub record: Record<C>,
    /// The messages that were sent.
    pub sent: Vec<&'static str>,
    /// Packets that were dropped, and why.
    pub dropped: BTreeMap<&'static str, usize>,
    /// Whether the lease was obtained or prolonged.
    pub is_fresh: bool,
    pub outcome: Result<(), Error>,
}

impl<C: Client> Turn<C> {
    pub fn take(self) -> Ended<C> {
        let Self {
            mac,
            record,
            event,
            files,
            stop,
        } = self;
        let mut ended = Ended {
            record,
            sent: Vec::new(),
            dropped: BTreeMap::new(),
            is_fresh: false,
            outcome: Ok(()),
        };
        let Record { client, lease, .. } = &ended.record;
        let (lease, outcomes) = client.step(lease.clone(), event, moment());
        ended.record.lease = lease;
        let mut queue = VecDeque::from(outcomes);
        while let Some(outcome) = queue.pop_front() {
            let following = match outcome {
                Outcome::Changed(change) => {
                    ended.note(change);
                    continue;
                }
                Outcome::Ignored(why) => {
                    ended.drop(ignored(why), 1);
                    continue;
                }
                // Written first: whoever reads it back waits as long as whoever sent.
                Outcome::Send(send) => files.write(mac, &ended.record).and_then(|()| {
                    ended.in_pod(|ended, namespace| ended.exchange(namespace, &send, &stop))
                }),
                Outcome::Probe(address) => {
                    ended.in_pod(|ended, namespace| ended.probe(namespace, address, &stop))
                }
            };
            match following {
                Ok(more) => queue.extend(more),
                Err(error) => ended.outcome = Err(error),
            }
        }
        let written = files.write(mac, &ended.record);
        ended.outcome = ended.outcome.and(written);
        ended
    }
}

impl<C: Client> Ended<C> {
    /// A turn that ended by an error of ours, and left the lease as it was.
    pub fn broken(record: Record<C>) -> Self {
        Self {
            record,
            sent: Vec::new(),
            dropped: BTreeMap::new(),
            is_fresh: false,
            outcome: Err(Error::Panicked),
        }
    }

    fn note(&mut self, change: Change) {
        match change {
            Change::Obtained | Change::Renewed | Change::Altered => {
                self.is_fresh = true;
                self.record.lost = None;
            }
            Change::Lost(loss @ (Loss::Expired | Loss::Refused | Loss::Conflict)) => {
                self.record.lost = Some(loss);
            }
            Change::Lost(Loss::Released | Loss::Unwanted) => self.record.lost = None,
            Change::Differs => {}
        }
    }

    fn drop(&mut self, why: &'static str, count: usize) {
        *self.dropped.entry(why).or_default() += count;
    }

    /// Does `work` in the pod's namespace. Where the pod is gone nothing follows: so is its interface.
    fn in_pod(
        &mut self,
        work: impl FnOnce(&mut Self, &Namespace) -> Result<Vec<Outcome<C::Send>>, Error>,
    ) -> Result<Vec<Outcome<C::Send>>, Error> {
        match Namespace::find(&self.record.place.netns)? {
            Some(namespace) => work(self, &namespace),
            None => Ok(Vec::new()),
        }
    }

    /// Looks who uses an address. A lease that is refused for that was never in use, and is worth a sentence all the same.
    fn probe(
        &mut self,
        namespace: &Namespace,
        address: IpAddr,
        stop: &PipeReader,
    ) -> Result<Vec<Outcome<C::Send>>, Error> {
        let Record {
            place,
            client,
            lease,
            lost,
        } = &mut self.record;
        let Some(found) = probe(namespace, &place.interface, address, stop)? else {
            return Ok(Vec::new());
        };
        if found == Found::Somebody {
            *lost = Some(Loss::Conflict);
        }
        let (next, outcomes) = client.probed(lease.clone(), address, found, moment());
        *lease = next;
        Ok(outcomes)
    }

    /// Sends a packet, and lets the client hear the answers. What follows from the one that it waited for.
    fn exchange(
        &mut self,
        namespace: &Namespace,
        send: &C::Send,
        stop: &PipeReader,
    ) -> Result<Vec<Outcome<C::Send>>, Error> {
        let Record {
            place,
            client,
            lease,
            ..
        } = &mut self.record;
        let due = C::wake_at(lease).map(|due| Duration::from_millis(due.since(boot_time())));
        let exchange = Exchange {
            namespace,
            interface: &place.interface,
            unspecified: client.lacks_address(lease, boot_time()),
            wait: due.map_or(PATIENCE, |due| due.min(PATIENCE)),
            stop,
        };
        let (mut following, mut unheard) = (Vec::new(), BTreeMap::<_, usize>::new());
        self.sent.push(C::message(send));
        let summary = client.exchange(&exchange, send, |packet| {
            let (next, outcomes) = client.hear(lease.clone(), packet, moment());
            *lease = next;
            let mut goes_on = true;
            for outcome in outcomes {
                if let Outcome::Ignored(why) = outcome {
                    *unheard.entry(ignored(why)).or_default() += 1;
                } else {
                    following.push(outcome);
                    goes_on = false;
                }
            }
            if goes_on {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        for (why, count) in summary.dropped {
            self.drop(dropped(why), count);
        }
        for (why, count) in unheard {
            self.drop(why, count);
        }
        Ok(following)
    }
}

/// Now, as leases count.
pub(super) fn boot_time() -> BootTime {
    let now = clock_gettime(ClockId::Boottime);
    let millis = now
        .tv_sec
        .saturating_mul(1_000)
        .saturating_add(now.tv_nsec / 1_000_000);
    BootTime(u64::try_from(millis).unwrap_or_default())
}

/// Now, and what nobody can guess.
pub(super) fn moment() -> Moment {
    Moment {
        now: boot_time(),
        xid: chance(),
        jitter: chance(),
    }
}

fn chance() -> u32 {
    let mut bytes = [0; 4];
    // The kernel has random numbers from before its first process on, and cuts none short that has so few bytes.
    let _ = getrandom(&mut bytes, GetRandomFlags::empty());
    u32::from_ne_bytes(bytes)
}

fn ignored(why: Ignored) -> &'static str {
    match why {
        Ignored::Unexpected => "unexpected",
        Ignored::NotOurs => "not ours",
        Ignored::OtherServer => "other server",
        Ignored::OtherAddress => "other address",
        Ignored::Incomplete => "incomplete",
        Ignored::Impossible => "impossible",
        Ignored::TooShort => "too short",
    }
}

fn dropped(why: Dropped) -> &'static str {
    match why {
        Dropped::Truncated => "truncated",
        Dropped::NotDhcp => "not DHCP",
        Dropped::NotAnAnswer => "no answer",
        Dropped::OtherHardware => "other hardware",
        Dropped::NoMessageType => "no type",
    }
}

//! Keeps the leases of the devices in pods: begins their turns when they are due, a few at once, and tells the engine how they stand.

use std::{collections::BTreeMap, time::Duration};

use node_agent_core::{
    dhcp::{BootTime, Leases, v4, v6},
    mac::Mac,
    plan::{Keep, LeasePlace},
};
use tokio::{sync::mpsc, time::sleep};

use super::{
    client::{Client, Family},
    files::Files,
    handle::{Command, Commands, Kept},
    news::News,
    tended::Tended,
    turn::{Ended, boot_time},
};
use crate::{engine::Input, error::Error, metrics::Metrics, threads::Threads};

/// Turns that are under way together: each has a thread and a socket.
const MOST_TURNS: usize = 16;
/// Sleep is counted in a clock that stands still while the machine is suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

enum Done {
    V4(Mac, u64, Box<Ended<v4::Client>>),
    V6(Mac, u64, Box<Ended<v6::Client>>),
}

/// The leases of one device.
#[derive(Default)]
struct Device {
    v4: Option<Tended<v4::Client>>,
    v6: Option<Tended<v6::Client>>,
    stands: Leases,
    said: Leases,
    news: News,
}

/// The one owner of all leases.
pub struct Keeper {
    files: Files,
    metrics: Metrics,
    threads: Threads,
    devices: BTreeMap<Mac, Device>,
    /// Nothing is done before it is known which devices are in pods.
    wanted: Option<BTreeMap<Mac, Keep>>,
    /// How many turns have begun.
    turns: u64,
    done: (mpsc::UnboundedSender<Done>, mpsc::UnboundedReceiver<Done>),
}

impl Keeper {
    /// One that goes on with what the files say.
    pub fn new(files: Files, metrics: Metrics) -> Result<Self, Error> {
        let mut devices: BTreeMap<Mac, Device> = BTreeMap::new();
        for (mac, record, boot) in files.read()? {
            devices.entry(mac).or_default().v4 = Some(Tended::resume(record, boot));
        }
        for (mac, record, boot) in files.read()? {
            devices.entry(mac).or_default().v6 = Some(Tended::resume(record, boot));
        }
        Ok(Self {
            files,
            metrics,
            threads: Threads::default(),
            devices,
            wanted: None,
            turns: 0,
            done: mpsc::unbounded_channel(),
        })
    }

    /// Runs until nobody commands it any more.
    pub async fn run(mut self, mut commands: Commands, engine: mpsc::Sender<Input>) {
        loop {
            let mut wake_at = self.start();
            wake_at = wake_at.min(self.tell(&engine).await);
            self.measure();
            let sleeps = Duration::from_millis(wake_at.since(boot_time())).min(LONGEST_SLEEP);
            tokio::select! {
                command = commands.0.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                Some(done) = self.done.1.recv() => self.finish(done),
                () = sleep(sleeps) => {}
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Keep(wanted) => {
                self.wanted = Some(wanted);
                self.settle();
            }
            Command::Release(mac, waiting) => {
                if let Some(device) = self.devices.get_mut(&mac) {
                    if let Some(tended) = &mut device.v4 {
                        tended.release(Some(waiting.clone()));
                    }
                    if let Some(tended) = &mut device.v6 {
                        tended.release(Some(waiting));
                    }
                }
            }
            // Who asked may be gone.
            Command::Show(answer) => drop(answer.send(self.kept())),
        }
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::V4(mac, number, ended) => {
                self.metrics
                    .dhcp_turn(Family::V4, &ended.sent, &ended.dropped);
                let device = self.devices.get_mut(&mac);
                let gone = finish(device.map(|device| &mut device.v4), number, *ended);
                if gone {
                    self.files.remove(mac, Family::V4);
                }
            }
            Done::V6(mac, number, ended) => {
                self.metrics
                    .dhcp_turn(Family::V6, &ended.sent, &ended.dropped);
                let device = self.devices.get_mut(&mac);
                let gone = finish(device.map(|device| &mut device.v6), number, *ended);
                if gone {
                    self.files.remove(mac, Family::V6);
                }
            }
        }
        self.settle();
    }

    /// Makes the leases those that are wanted. What is being given back is left to that.
    fn settle(&mut self) {
        let Some(wanted) = &self.wanted else {
            return;
        };
        for (mac, keep) in wanted {
            if let Keep::These(wanted) = keep {
                let device = self.devices.entry(*mac).or_default();
                settle(&mut device.v4, wanted.ipv4.as_ref(), &wanted.place);
                settle(&mut device.v6, wanted.ipv6.as_ref(), &wanted.place);
            }
        }
        let files = &self.files;
        self.devices.retain(|mac, device| {
            if !wanted.contains_key(mac) {
                forget(&mut device.v4, *mac, files);
                forget(&mut device.v6, *mac, files);
            }
            wanted.contains_key(mac) || device.v4.is_some() || device.v6.is_some()
        });
    }

    /// Begins the turns that are due, those first that are due for longest; when the next one is.
    fn start(&mut self) -> BootTime {
        if self.wanted.is_none() {
            return BootTime(u64::MAX);
        }
        let (now, mut running, mut due) = (boot_time(), 0, Vec::new());
        for (mac, device) in &self.devices {
            running += usize::from(is_running(device.v4.as_ref()));
            running += usize::from(is_running(device.v6.as_ref()));
            due.extend(due_of(*mac, device.v4.as_ref()));
            due.extend(due_of(*mac, device.v6.as_ref()));
        }
        due.sort_unstable();
        for (at, mac, family, is_released) in due {
            if at > now {
                return at;
            }
            // A device waits for its release, which waits for no answer.
            if running >= MOST_TURNS && !is_released {
                continue;
            }
            running += 1;
            self.turns += 1;
            let number = self.turns;
            let (files, threads, done) = (&self.files, &self.threads, self.done.0.clone());
            let Some(device) = self.devices.get_mut(&mac) else {
                continue;
            };
            // The keeper is gone when nobody listens.
            match family {
                Family::V4 => {
                    if let Some(tended) = &mut device.v4 {
                        let ended =
                            move |ended| drop(done.send(Done::V4(mac, number, Box::new(ended))));
                        tended.start(mac, number, files, threads, ended);
                    }
                }
                Family::V6 => {
                    if let Some(tended) = &mut device.v6 {
                        let ended =
                            move |ended| drop(done.send(Done::V6(mac, number, Box::new(ended))));
                        tended.start(mac, number, files, threads, ended);
                    }
                }
            }
        }
        // A turn that ends wakes.
        BootTime(u64::MAX)
    }

    /// Tells the engine what has changed, and what of that is to be reported; when more may be.
    async fn tell(&mut self, engine: &mpsc::Sender<Input>) -> BootTime {
        let (now, mut next) = (boot_time(), BootTime(u64::MAX));
        if self.wanted.is_none() {
            return next;
        }
        for (mac, device) in &mut self.devices {
            let ipv4 = device.v4.as_ref().and_then(|it| it.standing.as_ref());
            let ipv6 = device.v6.as_ref().and_then(|it| it.standing.as_ref());
            if (ipv4, ipv6) != (device.stands.ipv4.as_ref(), device.stands.ipv6.as_ref()) {
                let (ipv4, ipv6) = (ipv4.cloned(), ipv6.cloned());
                device.stands = Leases { ipv4, ipv6 };
                // The engine has ended: so will this.
                drop(
                    engine
                        .send(Input::Leases(*mac, device.stands.clone()))
                        .await,
                );
            }
            if device.stands == device.said {
                continue;
            }
            let at = device.news.next_at();
            if at > now {
                next = next.min(at);
                continue;
            }
            device.news.tell(now);
            device.said.clone_from(&device.stands);
            drop(
                engine
                    .send(Input::LeaseNews(*mac, device.said.clone()))
                    .await,
            );
        }
        next
    }

    fn kept(&self) -> Vec<Kept> {
        let now = boot_time();
        let devices = self.devices.iter();
        let kept = devices.flat_map(|(mac, device)| {
            [
                shown(*mac, device.v4.as_ref(), now),
                shown(*mac, device.v6.as_ref(), now),
            ]
        });
        kept.flatten().collect()
    }

    fn measure(&self) {
        let now = boot_time();
        let (mut states, mut oldest) = (BTreeMap::new(), BTreeMap::new());
        for device in self.devices.values() {
            for (family, (state, fresh)) in [
                (Family::V4, seen(device.v4.as_ref())),
                (Family::V6, seen(device.v6.as_ref())),
            ] {
                if let Some(state) = state {
                    *states.entry((family, state)).or_default() += 1;
                }
                if let Some(fresh) = fresh {
                    let age = Duration::from_millis(now.since(fresh));
                    let oldest = oldest.entry(family).or_insert(age);
                    *oldest = age.max(*oldest);
                }
            }
        }
        self.metrics.leases(states, oldest);
    }
}

/// Whether a turn was the last one of a lease, which is kept no longer.
fn finish<C: Client>(kept: Option<&mut Option<Tended<C>>>, number: u64, ended: Ended<C>) -> bool {
    let Some(kept) = kept else { return true };
    let Some(tended) = kept else { return true };
    let is_over = tended.finish(number, ended);
    if is_over {
        *kept = None;
    }
    is_over
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

/// The device is in no pod any more.
fn forget<C: Client>(kept: &mut Option<Tended<C>>, mac: Mac, files: &Files) {
    if kept.as_ref().is_some_and(|tended| !tended.is_released()) {
        *kept = None;
        files.remove(mac, C::FAMILY);
    }
}

/// When the next turn of a lease is due, and whether it gives the lease back.
fn due_of<C: Client>(
    mac: Mac,
    tended: Option<&Tended<C>>,
) -> Option<(BootTime, Mac, Family, bool)> {
    let tended = tended?;
    Some((tended.due()?, mac, C::FAMILY, tended.is_released()))
}

fn is_running<C: Client>(tended: Option<&Tended<C>>) -> bool {
    tended.is_some_and(Tended::is_running)
}

fn seen<C: Client>(tended: Option<&Tended<C>>) -> (Option<&'static str>, Option<BootTime>) {
    (
        tended.map(Tended::state),
        tended.and_then(|tended| tended.fresh),
    )
}

fn shown<C: Client>(mac: Mac, tended: Option<&Tended<C>>, now: BootTime) -> Option<Kept> {
    let tended = tended?;
    Some(Kept {
        mac,
        family: C::FAMILY,
        state: tended.state(),
        times: tended.times(),
        now,
    })
}

//! Keeps the leases of the devices in pods: begins their turns when they are due, a few at once, and tells the engine how they stand.
//!
//! What one turn brings costs the same however many leases there are, but for a look at when each is due.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use node_agent_core::{
    dhcp::{BootTime, v4, v6},
    mac::Mac,
    plan::Keep,
};
use tokio::{sync::mpsc, time::sleep};

use super::{
    client::Family,
    device::{Device, Due, Place, Report},
    files::Files,
    handle::{Command, Commands, Kept},
    tended::Tended,
    turn::{Ended, boot_time},
};
use crate::{engine::Input, error::Error, metrics::Metrics, threads::Threads};

/// Turns that are under way together: each has a thread and a socket.
const MOST_TURNS: usize = 16;
/// Sleep is counted in a clock that stands still while the machine is suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// What a turn brings back, for who begins the next.
type Done = Box<dyn FnOnce(&mut Keeper) + Send>;

/// The one owner of all leases.
pub struct Keeper {
    files: Files,
    metrics: Metrics,
    threads: Threads,
    devices: BTreeMap<Mac, Device>,
    /// Devices of which the engine may not know all.
    untold: BTreeSet<Mac>,
    /// Nothing is done before it is known which devices are in pods.
    wanted: Option<BTreeMap<Mac, Keep>>,
    /// How many turns have begun.
    turns: u64,
    done: (mpsc::UnboundedSender<Done>, mpsc::UnboundedReceiver<Done>),
}

impl Keeper {
    /// One that goes on with what the files say.
    pub fn new(files: Files, metrics: Metrics) -> Result<Self, Error> {
        let mut devices = BTreeMap::new();
        resume::<v4::Client>(&files, &mut devices)?;
        resume::<v6::Client>(&files, &mut devices)?;
        Ok(Self {
            files,
            metrics,
            threads: Threads::default(),
            untold: devices.keys().copied().collect(),
            devices,
            wanted: None,
            turns: 0,
            done: mpsc::unbounded_channel(),
        })
    }

    /// Runs until nobody commands it any more.
    pub async fn run(mut self, mut commands: Commands, engine: mpsc::Sender<Input>) {
        loop {
            let turns = self.turns;
            let mut wake_at = self.start();
            wake_at = wake_at.min(self.tell(&engine).await);
            // What has begun changes nothing before it ends.
            if self.turns == turns {
                self.measure();
            }
            let sleeps = Duration::from_millis(wake_at.since(boot_time())).min(LONGEST_SLEEP);
            tokio::select! {
                command = commands.0.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
                Some(done) = self.done.1.recv() => done(&mut self),
                () = sleep(sleeps) => {}
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Keep(wanted) => {
                let devices = self.devices.keys().chain(wanted.keys());
                let devices: BTreeSet<Mac> = devices.copied().collect();
                self.wanted = Some(wanted);
                for mac in devices {
                    self.settle(mac);
                }
            }
            Command::Release(mac, waiting) => {
                if let Some(device) = self.devices.get_mut(&mac) {
                    device.release(waiting);
                }
            }
            // Who asked may be gone.
            Command::Show(answer) => drop(answer.send(self.kept())),
        }
    }

    fn finish<C: Place>(&mut self, mac: Mac, number: u64, ended: Ended<C>) {
        self.metrics
            .dhcp_turn(C::FAMILY, &ended.sent, &ended.dropped);
        let mut place = self.devices.get_mut(&mac).map(C::of);
        let is_over = match &mut place {
            Some(Some(tended)) => tended.finish(number, ended),
            Some(None) | None => true,
        };
        if is_over {
            if let Some(place) = place {
                *place = None;
            }
            self.files.remove(mac, C::FAMILY);
        }
        self.settle(mac);
    }

    /// Makes the leases of a device those that are wanted.
    fn settle(&mut self, mac: Mac) {
        let Some(wanted) = &self.wanted else {
            return;
        };
        self.untold.insert(mac);
        match (wanted.get(&mac), self.devices.get_mut(&mac)) {
            (Some(Keep::These(wanted)), Some(device)) => device.settle(wanted),
            (Some(Keep::These(wanted)), None) => {
                self.devices.entry(mac).or_default().settle(wanted);
            }
            (None, Some(device)) => {
                device.forget(mac, &self.files);
                if device.is_empty() {
                    self.devices.remove(&mac);
                }
            }
            (Some(Keep::AsBefore), _) | (None, None) => {}
        }
    }

    /// Begins the turns that are due, those first that are due for longest; when the next one is.
    fn start(&mut self) -> BootTime {
        let (now, mut next) = (boot_time(), BootTime(u64::MAX));
        if self.wanted.is_none() {
            return next;
        }
        let (mut running, mut due) = (0, Vec::new());
        for (mac, device) in &self.devices {
            running += device.running();
            for turn in device.due(*mac) {
                if turn.at > now {
                    next = next.min(turn.at);
                } else {
                    due.push(turn);
                }
            }
        }
        due.sort_unstable();
        for Due {
            mac,
            family,
            is_released,
            ..
        } in due
        {
            // A device waits for its release, which waits for no answer. For the others a turn that ends wakes.
            if running >= MOST_TURNS && !is_released {
                continue;
            }
            running += 1;
            match family {
                Family::V4 => self.begin::<v4::Client>(mac),
                Family::V6 => self.begin::<v6::Client>(mac),
            }
        }
        next
    }

    fn begin<C: Place>(&mut self, mac: Mac) {
        let Some(tended) = (self.devices.get_mut(&mac)).and_then(|device| C::of(device).as_mut())
        else {
            return;
        };
        self.turns += 1;
        let (number, done) = (self.turns, self.done.0.clone());
        let ended = move |ended| {
            let done_with: Done = Box::new(move |keeper| keeper.finish::<C>(mac, number, ended));
            // The keeper is gone when nobody listens.
            drop(done.send(done_with));
        };
        tended.start(mac, number, &self.files, &self.threads, ended);
    }

    /// Tells the engine what has changed, and what of that is to be reported; when more may be.
    async fn tell(&mut self, engine: &mpsc::Sender<Input>) -> BootTime {
        let (now, mut next) = (boot_time(), BootTime(u64::MAX));
        if self.wanted.is_none() {
            return next;
        }
        for mac in mem::take(&mut self.untold) {
            let Some(device) = self.devices.get_mut(&mac) else {
                continue;
            };
            if let Some(leases) = device.change() {
                // The engine has ended: so will this.
                drop(engine.send(Input::Leases(mac, leases)).await);
            }
            match device.report(now) {
                Report::Nothing => {}
                Report::Now(leases) => drop(engine.send(Input::LeaseNews(mac, leases)).await),
                Report::Later(at) => {
                    next = next.min(at);
                    self.untold.insert(mac);
                }
            }
        }
        next
    }

    fn kept(&self) -> Vec<Kept> {
        let (now, devices) = (boot_time(), self.devices.iter());
        devices
            .flat_map(|(mac, device)| device.kept(*mac, now))
            .collect()
    }

    fn measure(&self) {
        let now = boot_time();
        let (mut states, mut oldest) = (BTreeMap::new(), BTreeMap::new());
        let leases = self.devices.values().flat_map(Device::states);
        for (family, state, fresh) in leases {
            *states.entry((family, state)).or_default() += 1;
            if let Some(fresh) = fresh {
                let age = Duration::from_millis(now.since(fresh));
                let oldest = oldest.entry(family).or_insert(age);
                *oldest = age.max(*oldest);
            }
        }
        self.metrics.leases(states, oldest);
    }
}

fn resume<C: Place>(files: &Files, devices: &mut BTreeMap<Mac, Device>) -> Result<(), Error> {
    for (mac, record, boot) in files.read::<C>()? {
        *C::of(devices.entry(mac).or_default()) = Some(Tended::resume(record, boot));
    }
    Ok(())
}

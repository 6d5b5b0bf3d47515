//! A lease that is kept: at rest here, or on a thread for a turn.

use std::{
    io::{PipeWriter, pipe},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::Sender,
};

use node_agent_core::{
    dhcp::{Boot, BootTime, Standing, Times},
    mac::Mac,
    plan::LeasePlace,
};
use tracing::field::display;

use super::{
    client::{Client, Event},
    files::{Files, Record},
    turn::{Ended, Turn, boot_time, moment},
};
use crate::{error::Error, threads::Threads, trouble::Trouble};

/// A thread that the kernel refuses is asked for again after so long.
const NO_THREAD: u64 = 1_000;
/// An error of ours in a turn would come again with the next one.
const AFTER_PANIC: u64 = 60_000;

/// A lease that is kept.
pub(super) struct Tended<C: Client> {
    /// As it was before the turn that is under way.
    record: Record<C>,
    /// What is to happen to it next, before its deadlines.
    next: Option<Event>,
    /// The number of the turn that is under way.
    running: Option<u64>,
    /// Ends the turn that is under way when it is dropped.
    stop: Option<PipeWriter>,
    is_released: bool,
    /// Who waits for its release: they go on when this is dropped.
    waiting: Vec<Sender<()>>,
    not_before: BootTime,
    /// What is said of it.
    pub standing: Option<Standing>,
    /// When it was obtained or prolonged last.
    pub fresh: Option<BootTime>,
    /// Whether its last turn failed.
    trouble: Trouble,
}

impl<C: Client> Tended<C> {
    /// One that is not there yet.
    pub fn begin(client: C, place: LeasePlace) -> Self {
        let lease = client.begin(moment());
        Self::of(
            Record {
                place,
                client,
                lease,
                lost: None,
            },
            None,
        )
    }

    /// One that was read from its file.
    pub fn resume(record: Record<C>, boot: Boot) -> Self {
        Self::of(record, Some(Event::Resumed(boot)))
    }

    fn of(record: Record<C>, next: Option<Event>) -> Self {
        let standing = C::standing(&record.lease, boot_time(), record.lost);
        Self {
            record,
            next,
            running: None,
            stop: None,
            is_released: false,
            waiting: Vec::new(),
            not_before: BootTime(0),
            standing,
            fresh: None,
            trouble: Trouble::default(),
        }
    }

    /// Takes in who asks, for what and where.
    pub fn want(&mut self, client: &C, place: &LeasePlace) {
        if self.is_released || (&self.record.client, &self.record.place) == (client, place) {
            return;
        }
        let before = &self.record.place;
        let event = if self.record.client != *client {
            Some(Event::Resumed(Boot::Same))
        } else if (&before.netns, &before.interface) == (&place.netns, &place.interface) {
            None
        } else {
            Some(Event::Moved)
        };
        self.record.client.clone_from(client);
        self.record.place.clone_from(place);
        if let Some(event) = event {
            // What was read from a file and did not go on yet goes on with both.
            self.next.get_or_insert(event);
            // The turn that is under way brings back how far it is, and goes on from there.
            self.stop = None;
        }
    }

    /// Gives the lease back.
    pub fn release(&mut self, waiting: Option<Sender<()>>) {
        self.waiting.extend(waiting);
        if !self.is_released {
            self.is_released = true;
            self.next = Some(Event::Release);
            self.stop = None;
        }
    }

    pub fn is_released(&self) -> bool {
        self.is_released
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// When its next turn is due; `None`: one is under way, or nothing is to be done.
    pub fn due(&self) -> Option<BootTime> {
        if self.is_running() {
            return None;
        }
        let due = match self.next {
            Some(_) => Some(BootTime(0)),
            None => C::wake_at(&self.record.lease),
        };
        due.map(|due| due.max(self.not_before))
    }

    /// Begins the turn of this number; what came of it goes to `ended`.
    pub fn start(
        &mut self,
        mac: Mac,
        number: u64,
        files: &Files,
        threads: &Threads,
        ended: impl FnOnce(Ended<C>) + Send + 'static,
    ) {
        let event = self.next.unwrap_or(Event::Timer);
        let started = pipe().and_then(|(stop, stops)| {
            let turn = Turn {
                mac,
                record: self.record.clone(),
                event,
                files: files.clone(),
                stop,
            };
            let before = self.record.clone();
            threads.run(Box::new(move || {
                let taken = catch_unwind(AssertUnwindSafe(|| turn.take()));
                ended(taken.unwrap_or_else(|_| Ended::broken(before)));
            }))?;
            Ok(stops)
        });
        match started {
            Ok(stops) => {
                (self.next, self.running, self.stop) = (None, Some(number), Some(stops));
            }
            Err(error) => {
                self.not_before = boot_time().after(NO_THREAD);
                self.complain(Err(Error::Thread(error)));
            }
        }
    }

    /// Takes in what came of a turn. Who asks and where may have changed meanwhile. Returns whether it was the last one.
    pub fn finish(&mut self, number: u64, ended: Ended<C>) -> bool {
        // It was that of a lease which was forgotten before.
        if self.running != Some(number) {
            return false;
        }
        let Record { lease, lost, .. } = ended.record;
        (self.record.lease, self.record.lost) = (lease, lost);
        (self.running, self.stop) = (None, None);
        let now = boot_time();
        if let Err(Error::Panicked) = ended.outcome {
            self.not_before = now.after(AFTER_PANIC);
        }
        if ended.is_fresh {
            self.fresh = Some(now);
        }
        let standing = C::standing(&self.record.lease, now, lost);
        self.standing = Standing::after(self.standing.take(), standing);
        self.complain(ended.outcome);
        self.is_released && self.next.is_none()
    }

    fn complain(&mut self, outcome: Result<(), Error>) {
        let news = self.trouble.is_news(outcome.is_ok());
        let LeasePlace {
            claim, pod, eni, ..
        } = &self.record.place;
        let (claim, family) = (claim.as_ref().map(display), C::FAMILY.as_str());
        match outcome {
            Err(error) if news => {
                tracing::warn!(claim, pod, eni, family, %error, "the DHCP lease cannot be kept; it is tried again");
            }
            Ok(()) if news => {
                tracing::info!(claim, pod, eni, family, "the DHCP lease can be kept again");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// The name of its state.
    pub fn state(&self) -> &'static str {
        C::state(&self.record.lease)
    }

    pub fn times(&self) -> Option<Times> {
        C::times(&self.record.lease)
    }
}

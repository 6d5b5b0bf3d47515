//! Leadership: for how long this process may act, decided from what it has seen of the Lease.

use api::{Time, time::SECOND};

use crate::cluster::Version;

/// Whether this process leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// It does not: it watches, and keeps its caches warm.
    Standby,
    /// It does.
    Leader {
        /// By this process's clock: from here on no order may begin.
        until: Time,
    },
}

impl Term {
    /// Whether an order may begin at `now`.
    pub fn leads(self, now: Time) -> bool {
        match self {
            Self::Standby => false,
            Self::Leader { until } => now < until,
        }
    }
}

/// The times of an election, in milliseconds; all follow from the lease's duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Others take the Lease once they have seen it unchanged for so long.
    pub duration: i64,
    /// From the sending of one renewal to that of the next.
    pub renew: i64,
    /// From one attempt to the next while it fails, and from one look of a standby to the next.
    pub retry: i64,
    /// A call without an answer is given up after so long.
    pub call: i64,
    /// So much earlier than for others the term ends for its holder: for clocks that run at different speeds, and for
    /// an order that is on its way.
    pub margin: i64,
}

impl Timing {
    /// As client-go proportions them: 15 s are renewed every 5 s. Two renewals in a row may fail without loss.
    pub fn of(duration: i64) -> Self {
        Self {
            duration,
            renew: duration / 3,
            retry: (2 * SECOND).min(duration / 5),
            call: duration / 5,
            margin: duration / 5,
        }
    }
}

/// A Lease object as it was read, or as the API server stored it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its `resourceVersion`.
    pub version: Version,
    /// `holderIdentity`; none: released.
    pub holder: Option<String>,
    /// `leaseDurationSeconds`, in milliseconds: what this holder promised.
    pub duration: i64,
    /// `leaseTransitions`.
    pub transitions: i32,
}

/// The Lease as it shall be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The version that it replaces; the API server refuses it at any other. None: it is created.
    pub replaces: Option<Version>,
    /// `holderIdentity`.
    pub holder: Option<String>,
    /// `leaseTransitions`.
    pub transitions: i32,
}

/// What to do with the Lease now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Read it.
    Read,
    /// Take it.
    Acquire(Write),
    /// Keep it.
    Renew(Write),
    /// Give it back.
    Release(Write),
    /// Nothing before then.
    Wait(Time),
    /// Nothing any more: this process has left the election.
    Done,
}

/// One process's part in the election.
///
/// **The terms of two processes never overlap.** A holder counts its term from before it sent the write that was
/// accepted; another process counts the same duration from when it first saw the result of that write, which is later,
/// and its own write is refused if there was a renewal since. Each counts by its own monotonic clock: times of two
/// machines are never compared, and the times in the Lease are for people.
///
/// It does not hold where a person deletes the Lease while a process starts, nor while a machine is suspended, whose
/// monotonic clock stands still. Nothing may rely on it alone: intents in the status and ids are the fence.
#[derive(Debug, Clone)]
pub struct Election {
    me: String,
    timing: Timing,
    /// The Lease as last seen; none: it was not there, or never read.
    record: Option<Record>,
    /// Whether `record` is the last word: false before the first read, and after a call whose outcome is unknown.
    current: bool,
    /// From here on no other process that we saw holding the Lease can believe that it leads.
    free_at: Time,
    /// Where our term ends.
    until: Option<Time>,
    /// No call before this.
    next: Time,
    leaving: bool,
}

impl Election {
    /// `me` is unique to this process: not even its next start may have the same.
    pub fn new(me: String, timing: Timing) -> Self {
        Self {
            me,
            timing,
            record: None,
            current: false,
            free_at: Time(i64::MIN),
            until: None,
            next: Time(i64::MIN),
            leaving: false,
        }
    }

    /// The holder as last seen.
    pub fn holder(&self) -> Option<&str> {
        self.record.as_ref()?.holder.as_deref()
    }

    /// Whether this process leads.
    pub fn term(&self, now: Time) -> Term {
        match self.until {
            Some(until) if now < until => Term::Leader { until },
            _ => Term::Standby,
        }
    }

    /// What to do now; one call at a time, its outcome goes into [`Self::read`], [`Self::written`] or [`Self::failed`].
    pub fn decide(&self, now: Time) -> Decision {
        if now < self.next {
            return Decision::Wait(self.next);
        }
        if !self.current {
            return Decision::Read;
        }
        match &self.record {
            Some(record) if self.is_mine(record) && self.leaving => Decision::Release(Write {
                holder: None,
                ..self.write(record)
            }),
            _ if self.leaving => Decision::Done,
            Some(record) if self.is_mine(record) => Decision::Renew(self.write(record)),
            _ if now < self.free_at => Decision::Read,
            Some(record) => Decision::Acquire(Write {
                transitions: record.transitions.saturating_add(1),
                ..self.write(record)
            }),
            None => Decision::Acquire(Write {
                replaces: None,
                holder: Some(self.me.clone()),
                transitions: 0,
            }),
        }
    }

    /// A read was answered at `now`; none: there is no Lease.
    pub fn read(&mut self, record: Option<Record>, now: Time) {
        if let Some(record) = &record {
            let seen_before =
                self.record.as_ref().map(|known| &known.version) == Some(&record.version);
            let other = record.holder.is_some() && !self.is_mine(record);
            if !seen_before {
                self.free_at = now.after(if other { record.duration } else { 0 });
            }
            if other {
                self.until = None;
            }
        }
        // A Lease that was deleted proves nothing about its holder: `free_at` stays.
        self.record = record;
        self.current = true;
        self.next = match self.decide_at(now) {
            Decision::Read => self.free_at.min(now.after(self.timing.retry)),
            _ => now,
        };
    }

    /// A write that was sent at `sent` is stored, as `record`.
    pub fn written(&mut self, record: Record, sent: Time) {
        let term = self.timing.duration.saturating_sub(self.timing.margin);
        self.until = (self.is_mine(&record) && !self.leaving).then(|| sent.after(term));
        self.record = Some(record);
        self.current = true;
        self.next = if self.leaving {
            sent
        } else {
            sent.after(self.timing.renew)
        };
    }

    /// A call that was sent at `sent` was refused, or its outcome is unknown: a term in force stays, nothing else does.
    pub fn failed(&mut self, sent: Time) {
        self.current = false;
        self.next = sent.after(self.timing.retry);
    }

    /// The term ends now, and the Lease is given back. To be called when no order is in flight any more.
    pub fn leave(&mut self, now: Time) {
        if !self.leaving {
            self.leaving = true;
            self.until = None;
            self.next = now;
        }
    }

    fn decide_at(&mut self, now: Time) -> Decision {
        self.next = now;
        self.decide(now)
    }

    fn is_mine(&self, record: &Record) -> bool {
        record.holder.as_deref() == Some(self.me.as_str())
    }

    /// Ours, over `record`.
    fn write(&self, record: &Record) -> Write {
        Write {
            replaces: Some(record.version.clone()),
            holder: Some(self.me.clone()),
            transitions: record.transitions,
        }
    }
}

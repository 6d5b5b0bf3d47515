//! The operators: how they begin, crash, pause, and lead one after the other.

use std::collections::VecDeque;

use operator_core::{Fact, Fleet, Settings, Target, Term, Time};

use super::world::{Event, World};

/// How long a term lasts without a renewal.
const TERM: i64 = 10_000;

/// One operator.
pub struct Process {
    pub fleet: Fleet,
    pub settings: Settings,
    pub alive: bool,
    pub paused: bool,
    /// What was meant for an earlier life of the process is dropped.
    pub life: u64,
    /// Streams keep their order: nothing overtakes what was shown before.
    pub shown: Time,
    pub wake: Option<Time>,
    pub busy: Vec<Target>,
    pub held: VecDeque<Event>,
}

impl World {
    /// A process begins and lists everything.
    pub fn start(&mut self, settings: Settings) -> usize {
        self.ops.push(Process {
            fleet: Fleet::new(settings.clone()),
            settings,
            alive: true,
            paused: false,
            life: 0,
            shown: self.now,
            wake: None,
            busy: Vec::new(),
            held: VecDeque::new(),
        });
        let op = self.ops.len() - 1;
        self.list(op);
        op
    }

    /// The process forgets everything and begins anew.
    pub fn crash(&mut self, op: usize) {
        let now = self.now;
        let process = &mut self.ops[op];
        process.life += 1;
        process.fleet = Fleet::new(process.settings.clone());
        process.alive = true;
        process.paused = false;
        process.shown = now;
        process.wake = None;
        process.busy.clear();
        process.held.clear();
        self.list(op);
        if self.leader == Some(op) {
            self.renew();
        }
    }

    pub fn stop(&mut self, op: usize) {
        self.crash(op);
        self.ops[op].alive = false;
        self.ops[op].life += 1;
        if self.leader == Some(op) {
            self.leader = None;
        }
    }

    /// As SIGSTOP: what it has begun goes on outside.
    pub fn pause(&mut self, op: usize) {
        self.ops[op].paused = true;
        if self.leader == Some(op) {
            self.leader = None;
        }
    }

    pub fn resume(&mut self, op: usize) {
        self.ops[op].paused = false;
        let held: Vec<Event> = self.ops[op].held.drain(..).collect();
        for event in held {
            self.at(0, event);
        }
        self.think(op);
    }

    /// Makes a process the leader as soon as no other one can believe that it is.
    pub fn elect(&mut self, op: usize) {
        if self.leader == Some(op) {
            return;
        }
        self.leader = Some(op);
        self.leads_from = self.term_ends.max(self.now).after(1);
        self.at_time(self.leads_from, Event::Elected);
    }

    /// Somebody deletes the Lease while this process starts: it leads at once, and the former leader's term goes on.
    pub fn usurp(&mut self, op: usize) {
        self.leader = Some(op);
        self.leads_from = self.now;
        self.overlap = self.term_ends;
        self.renew();
    }

    pub fn renew(&mut self) {
        let Some(op) = self.leader else { return };
        if self.ops[op].paused || !self.ops[op].alive || self.now < self.leads_from {
            return;
        }
        let until = self.now.after(TERM);
        self.term_ends = until;
        let life = self.ops[op].life;
        let term = Fact::Term(Term::Leader { until });
        self.at(0, Event::Fact(op, life, Box::new(term)));
    }

    /// Every list as it is now.
    pub fn list(&mut self, op: usize) {
        for fact in self.store.lists() {
            self.show_to(op, fact);
        }
    }
}

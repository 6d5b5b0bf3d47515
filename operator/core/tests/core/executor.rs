//! The executor: one order at a time to EC2 or the API server, with whatever goes wrong on the way.

use operator_core::{
    Fact, Order, Outcome, Read,
    order::{Action, Ec2Order},
};

use super::{
    ec2::{self, Answer, Verdict},
    world::{Event, World, target},
};

/// How long a call of EC2 takes, a write to Kubernetes, and until a call without an answer is given up.
const CALL: i64 = 150;
const WRITE: i64 = 10;
const TIMEOUT: i64 = 10_000;

impl World {
    /// The executor takes an order: not after its term has ended.
    pub fn begin(&mut self, op: usize, order: Order) {
        let life = self.ops[op].life;
        let until = match &order {
            Order::Ec2(order) => Some(order.not_after),
            Order::Write(write) => Some(write.not_after),
            Order::Read(_) | Order::Publish(_) => None,
        };
        if until.is_some_and(|until| self.now >= until) {
            return self.done(op, life, target(&order), Outcome::Withheld, 0);
        }
        let (takes, verdict) = match &order {
            Order::Ec2(order) => (CALL, self.verdict(order.effect.action())),
            Order::Read(Read::Pod(_)) | Order::Write(_) | Order::Publish(_) => {
                (WRITE, self.write_verdict())
            }
            Order::Read(read) => (CALL, self.read_verdict(read)),
        };
        let takes = match verdict {
            Verdict::Late(late) => late,
            _ => takes,
        };
        self.at(takes, Event::Land(op, life, Box::new(order), verdict));
    }

    fn verdict(&mut self, action: Action) -> Verdict {
        if let Some(planned) = self.script.planned(action) {
            return planned;
        }
        let script = self.script.clone();
        if self.percent(script.lose_reply) {
            return Verdict::LoseReply;
        }
        if self.percent(script.lose_call) {
            return Verdict::LoseCall;
        }
        if self.percent(script.late) {
            let late = i64::try_from(self.dice(9_000)).unwrap();
            return Verdict::Late(late + 500);
        }
        if self.percent(script.throttle) {
            return Verdict::Refuse("RequestLimitExceeded", "Request limit exceeded.", 503);
        }
        if self.percent(script.deny) {
            return Verdict::Refuse("UnauthorizedOperation", "not authorized", 403);
        }
        if self.percent(script.unknown) {
            return match self.dice(3) {
                0 => Verdict::Refuse("SomethingNew", "never heard of", 400),
                1 => Verdict::Refuse("InternalError", "an internal error", 500),
                _ => Verdict::Refuse("InvalidParameter", "two networks", 400),
            };
        }
        Verdict::Fine
    }

    fn read_verdict(&mut self, read: &Read) -> Verdict {
        let planned = read.action().and_then(|action| self.script.planned(action));
        if let Some(planned) = planned {
            return planned;
        }
        let (lose, slow) = (self.script.lose_read, self.script.slow_read);
        if self.percent(lose) {
            return Verdict::LoseReply;
        }
        if self.percent(slow) {
            return Verdict::SlowReply(i64::try_from(self.dice(5_000)).unwrap());
        }
        Verdict::Fine
    }

    fn write_verdict(&mut self) -> Verdict {
        let (lose, lose_reply) = (self.script.lose_write, self.script.lose_written);
        if self.percent(lose) {
            return Verdict::LoseCall;
        }
        if self.percent(lose_reply) {
            return Verdict::LoseReply;
        }
        Verdict::Fine
    }

    /// What was begun takes effect, whether or not anybody still waits for the answer.
    pub fn land(&mut self, op: usize, life: u64, order: Order, verdict: &Verdict) {
        let target = target(&order);
        if matches!(order, Order::Ec2(_) | Order::Write(_)) {
            *self.log.by.entry(op).or_default() += 1;
        }
        match order {
            Order::Ec2(order) => self.land_call(op, life, &order, verdict),
            Order::Write(write) => {
                if *verdict == Verdict::LoseCall {
                    return self.done(op, life, target, Outcome::NotWritten, TIMEOUT);
                }
                let outcome = self.write(write.object);
                if *verdict == Verdict::LoseReply {
                    return self.done(op, life, target, Outcome::NotWritten, TIMEOUT);
                }
                self.done(op, life, target, outcome, 2);
            }
            Order::Read(Read::Pod(key)) => {
                let outcome = if *verdict == Verdict::Fine {
                    Outcome::Pod(self.store.pods.get(&key).cloned().map(Box::new))
                } else {
                    Outcome::NotWritten
                };
                self.done(op, life, target, outcome, 2);
            }
            Order::Read(read) => self.land_read(op, life, &read, verdict),
            Order::Publish(_) => {}
        }
    }

    fn land_call(&mut self, op: usize, life: u64, order: &Ec2Order, verdict: &Verdict) {
        let target = order.target.clone();
        match verdict {
            Verdict::Refuse(code, message, status) => {
                let outcome = ec2::failed(code, message, *status);
                self.note_call(order, "refused");
                self.done(op, life, target, outcome, 20);
            }
            Verdict::LoseCall => self.done(op, life, target, ec2::lost(), TIMEOUT),
            Verdict::LoseReply | Verdict::Late(_) => {
                self.change(order);
                self.done(op, life, target, ec2::lost(), TIMEOUT);
            }
            Verdict::SlowReply(by) => {
                let outcome = self.change(order);
                self.done(op, life, target, outcome, *by);
            }
            Verdict::Fine | Verdict::ShowsNone => {
                let outcome = self.change(order);
                self.done(op, life, target, outcome, 20);
            }
        }
    }

    fn note_call(&mut self, order: &Ec2Order, how: &str) {
        let action = order.effect.action();
        let about = format!("{:?} {how}", order.target);
        self.log.mutations.push((self.now, action, about));
    }

    /// A change of EC2, judged before and after.
    fn change(&mut self, order: &Ec2Order) -> Outcome {
        self.judge(order);
        let request = ec2::request(&order.effect);
        let now = self.millis();
        let outcome = ec2::call(&mut self.vpc, request, now);
        let how = if let Outcome::Failed(error) = &outcome {
            error.code.clone()
        } else {
            "done".to_owned()
        };
        self.note_call(order, &how);
        self.judge_after();
        self.stir();
        outcome
    }

    fn land_read(&mut self, op: usize, life: u64, read: &Read, verdict: &Verdict) {
        let target = read.target();
        if let Some(action) = read.action() {
            self.log.reads.push((self.now, action));
        }
        let delay = match verdict {
            Verdict::Refuse(code, message, status) => {
                let outcome = ec2::failed(code, message, *status);
                return self.done(op, life, target, outcome, 20);
            }
            Verdict::LoseCall | Verdict::LoseReply | Verdict::Late(_) => {
                return self.done(op, life, target, ec2::lost(), TIMEOUT);
            }
            Verdict::ShowsNone => {
                return self.done(op, life, target, Outcome::Instances(Vec::new()), 20);
            }
            Verdict::SlowReply(by) => *by,
            Verdict::Fine => 20,
        };
        let now = self.millis();
        match ec2::read(&mut self.vpc, read, now) {
            Err(outcome) | Ok(Answer::One(outcome)) => self.done(op, life, target, outcome, delay),
            Ok(Answer::Pages(pages)) => {
                for page in pages {
                    let page = Fact::Page(page);
                    self.at(delay, Event::Fact(op, life, Box::new(page)));
                }
                self.done(op, life, target, Outcome::Listed, delay);
            }
        }
    }
}

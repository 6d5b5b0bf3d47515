//! What EC2 refused, or did not answer.

use api::{Time, time::MINUTE};

use super::{Fleet, work::Busy};
use crate::{
    backoff,
    error::{Ec2Error, ErrorClass},
    order::{Action, Effect, Target},
    seen::{Backoff, Sends},
    step::incarnation,
    subnet::Block,
};

/// An instance that EC2 says is full is left alone for this long, unless one of our ENIs leaves it.
const FULL: i64 = MINUTE;
/// A slot where an Attach got stuck is left alone for this long.
pub(super) const AVOIDED: i64 = 10 * MINUTE;

impl Fleet {
    pub(super) fn learn_failure(
        &mut self,
        target: Target,
        busy: Option<Busy>,
        error: Ec2Error,
        now: Time,
    ) {
        let Some(effect) = busy.and_then(|b| b.effect) else {
            return self.work.rest(target, now);
        };
        let action = effect.action();
        if error.class == ErrorClass::Throttled {
            self.work.budget.throttled(action, now);
        }
        self.note_denial(action, &error, now);
        self.note_send(&target, &effect, &error, now);
        self.note_places(&effect, &error, now);
        match error.class {
            // The call may have been carried out, or rests on something that is not so.
            ErrorClass::Transient
            | ErrorClass::NotYet
            | ErrorClass::State
            | ErrorClass::TokenReused => {
                if let Some(eni) = effect.eni() {
                    self.cloud.invalidate(eni);
                }
            }
            ErrorClass::Throttled
            | ErrorClass::NodeFull
            | ErrorClass::SubnetFull
            | ErrorClass::QuotaFull
            | ErrorClass::Terminal
            | ErrorClass::Denied
            | ErrorClass::Credentials
            | ErrorClass::Unlisted => {}
        }
        if let Target::Claim(key) = &target
            && (action, error.class) == (Action::AttachNetworkInterface, ErrorClass::Transient)
        {
            self.work.given_up.insert(key.clone(), now);
        }
        let backoff = self.next_backoff(&target, action, error, now);
        self.work.agenda.at(target.clone(), backoff.until);
        self.work.backoffs.insert(target, backoff);
    }

    fn next_backoff(&self, target: &Target, action: Action, error: Ec2Error, now: Time) -> Backoff {
        let claim = match target {
            Target::Claim(key) => self.watched.claim(key),
            Target::Pod(_)
            | Target::Marks(_)
            | Target::Orphan(_)
            | Target::Report(_)
            | Target::Node(_)
            | Target::Class(_)
            | Target::PodRead(_)
            | Target::Read(_) => None,
        };
        let before = self.work.backoffs.get(target);
        let told = claim.and_then(|c| c.status.last_error.as_ref());
        let attempts = match (before, told) {
            (Some(before), _) if before.action == action => before.attempts,
            // After a restart, or in a new incarnation, the status says how often it was.
            (None, Some(told)) if told.code == error.code => told.attempts,
            _ => 0,
        }
        .saturating_add(1);
        let salt = format!("{target:?}");
        Backoff {
            action,
            incarnation: claim.map_or(0, incarnation),
            until: now.after(backoff::delay(error.class, attempts, &salt)),
            error,
            attempts,
            at: now,
        }
    }

    /// An action that AWS denies is tried by one claim at a time.
    fn note_denial(&mut self, action: Action, error: &Ec2Error, now: Time) {
        match error.class {
            ErrorClass::Denied => {}
            // AWS authorises before it looks at anything else.
            ErrorClass::NotYet
            | ErrorClass::State
            | ErrorClass::TokenReused
            | ErrorClass::NodeFull
            | ErrorClass::SubnetFull
            | ErrorClass::QuotaFull
            | ErrorClass::Terminal => {
                self.work.paused.remove(&action);
                return;
            }
            ErrorClass::Throttled
            | ErrorClass::Transient
            | ErrorClass::Credentials
            | ErrorClass::Unlisted => return,
        }
        let times = self.work.paused.get(&action).map_or(0, |(times, _)| *times) + 1;
        let until = now.after(backoff::delay(ErrorClass::Denied, times, action.as_str()));
        self.work.paused.insert(action, (times, until));
    }

    /// Whether the request may have made an ENI all the same.
    fn note_send(&mut self, target: &Target, effect: &Effect, error: &Ec2Error, now: Time) {
        let (Target::Claim(key), Effect::Create(creation)) = (target, effect) else {
            return;
        };
        if let Some(sent) = self.work.sends.get_mut(key)
            && sent.incarnation == creation.incarnation
        {
            sent.at = now;
            if !error.class.is_definite() {
                sent.sends = Sends::Inconclusive;
            }
        }
    }

    fn note_places(&mut self, effect: &Effect, error: &Ec2Error, now: Time) {
        match (effect, error.class) {
            (Effect::Create(creation), ErrorClass::SubnetFull) => {
                if let Some(record) = self.cloud.subnets.get_mut(&creation.request.subnet_id) {
                    let block = record.block_of(creation.request.counts);
                    let attempts = block.as_ref().map_or(0, |b| b.attempts).saturating_add(1);
                    let salt = creation.request.subnet_id.as_str();
                    *block = Some(Block {
                        until: now.after(backoff::delay(ErrorClass::SubnetFull, attempts, salt)),
                        attempts,
                    });
                }
            }
            // What it names may be gone since it was looked up.
            (Effect::Create(creation), ErrorClass::Terminal | ErrorClass::Unlisted) => {
                self.look_up_again(&creation.request);
            }
            (Effect::Attach { instance, slot, .. }, ErrorClass::NodeFull) => {
                self.cloud.fill(instance, slot.card, now.after(FULL));
                self.read_soon(&instance.clone());
                if let Some(node) = self.index.node_of.get(instance).cloned() {
                    self.mark_node(&node);
                }
            }
            // Somebody else uses the instance too: its slots are read again.
            (Effect::Attach { instance, .. }, ErrorClass::State) => {
                self.read_soon(&instance.clone());
            }
            (
                Effect::Create(_)
                | Effect::Attach { .. }
                | Effect::SetSourceDestCheck { .. }
                | Effect::SetDeleteOnTermination { .. }
                | Effect::SetSecurityGroups { .. }
                | Effect::Detach { .. }
                | Effect::Delete { .. },
                _,
            ) => {}
        }
    }
}

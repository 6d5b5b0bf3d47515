//! The operator: it decides with the core, on what it knows, and does what was decided.

use std::sync::Arc;

use api::id::EniId;
use operator_core::{
    Outcome,
    claim::{Claim, ClaimStatus, CreateAnswer, Phase},
    decision::{Act, Decision, Poll, decide},
    ec2::{AttachmentState, EniView},
    error::{Ec2Error, ErrorClass},
    order::{Action, Effect},
    seen::{Backoff, EniSeen, LateAttach, Search, Sends, Steady},
    step::incarnation,
};

use super::{
    Mutant, Story,
    shared::{Shared, key},
    state::{Known, NOW, PAST, State},
};

/// What the core says of a claim, as far as it differs from what is.
#[derive(Clone)]
pub struct Decided {
    /// What the operator knows then.
    known: Option<Shared<Known>>,
    turn: Turn,
    poll: Option<Poll>,
}

#[derive(Clone)]
enum Turn {
    Rest,
    /// The claim as it is written.
    Write(Shared<Claim>),
    Call(Shared<Effect>),
    LetGo,
    Delete,
}

impl Story {
    /// What the core says of a claim that no call is on its way for. It is decided once about all states that the core takes for one.
    pub fn decided(&self, state: &State, k: usize) -> Option<Arc<Decided>> {
        let claim = state.claims[k].as_ref()?;
        if state.flights[k].is_some() {
            return None;
        }
        let make = || Arc::new(self.decide(state, k, claim));
        Some(self.decided.get(self.grounds(state, k, claim), make))
    }

    /// Everything that a decision rests on.
    pub fn grounds(&self, state: &State, k: usize, claim: &Shared<Claim>) -> u64 {
        let cloud = &state.cloud;
        let ids = cloud.tagged(k).map(|view| &view.id);
        let ids: u64 = ids.fold(0, |sum, id| key(&(sum, id)));
        // The core looks at nobody else's ENIs; some mutants do.
        let rest = self.mutant.map(|_| cloud.key());
        let pods = self.cast.pods.iter().zip(&state.pods);
        let pods = pods.fold(0, |sum, (plan, pod)| {
            key(&(sum, (plan.claim == k).then_some(pod)))
        });
        let around = (pods, state.nodes, cloud.hosts, ids, rest);
        key(&(k, claim, &state.known[k], around))
    }

    fn decide(&self, state: &State, k: usize, claim: &Claim) -> Decided {
        let Decision {
            status, act, poll, ..
        } = self.decision(state, k, claim);
        let status = without_prose(status);
        let known = &state.known[k];
        let (known, turn) = if status == claim.status {
            turn(&state.known[k], claim, act)
        } else {
            let froze = status.creation.as_ref().map(|c| c.incarnation);
            let is_new = froze.is_some_and(|n| n > incarnation(claim));
            let known = is_new.then(|| Known {
                sends: Sends::None,
                backoff: None,
                ..Known::clone(known)
            });
            let mut claim = claim.clone();
            claim.status = status;
            (known, Turn::Write(Shared::new(claim)))
        };
        Decided {
            known: known.map(Shared::new),
            turn,
            poll,
        }
    }

    /// What the core says of a claim, with all that people read of it.
    pub fn decision(&self, state: &State, k: usize, claim: &Claim) -> Decision {
        let goal = self.goal(state, k, claim);
        let seen = self.seen(state, k, claim, &goal);
        let mut decision = decide(claim, &seen, &goal, NOW);
        if self.mutant == Some(Mutant::WritesWithoutEnd) {
            // Between two phases, for ever.
            let is_pending = claim.status.phase == Some(Phase::Pending);
            decision.status.phase = (!is_pending).then_some(Phase::Pending);
        }
        decision
    }

    /// Does what was decided: writes the status first, then acts. Nothing where that changes nothing.
    pub fn step(&self, state: &State, k: usize) -> Option<State> {
        let decided = self.decided(state, k)?;
        let mut next = state.clone();
        match &decided.turn {
            Turn::Rest => return None,
            Turn::Write(claim) => next.claims[k] = Some(claim.clone()),
            Turn::Call(effect) => next.flights[k] = Some(effect.clone()),
            Turn::Delete => {
                if self.cast.is_kept(k) {
                    next.break_off("kept: the claim is deleted by the operator");
                }
                next.delete(k);
            }
            Turn::LetGo => {
                if state.cloud.tagged(k).next().is_some() {
                    next.break_off("no-leak: the claim goes, and its ENI does not");
                }
                next.claims[k] = None;
            }
        }
        if let Some(known) = &decided.known {
            next.known[k] = known.clone();
        }
        Some(next)
    }

    /// Whether the operator has anything to do for a claim.
    pub fn is_busy(&self, state: &State, k: usize) -> bool {
        let decided = self.decided(state, k);
        decided.is_some_and(|decided| !matches!(decided.turn, Turn::Rest))
            || self.read(state, k, false).is_some()
    }

    /// A read of the claim's ENI, or a search for it: what is known then, if that is news.
    pub fn read(&self, state: &State, k: usize, is_stale: bool) -> Option<Shared<Known>> {
        if self.mutant == Some(Mutant::NeverReads) {
            return None;
        }
        let claim = state.claims[k].as_ref()?;
        let poll = self.decided(state, k)?.poll.clone();
        let present = if is_stale {
            state.before[k].as_ref()
        } else {
            state.present(k)
        };
        // Two complete searches half a minute apart: what is on its way has arrived.
        let is_quiet = !state.orphans.iter().any(|(of, _)| *of == k);
        let named = claim.status.eni.as_ref().map(|eni| &eni.id);
        let poll_key = poll.as_ref().map(|poll| match poll {
            Poll::Tagged => 0u8,
            Poll::ById(_) => 1,
            Poll::Fast(_) | Poll::Slow(_) => 2,
        });
        let known = &state.known[k];
        let grounds = key(&(known, named, poll_key, present, is_stale, is_quiet));
        self.reads.get(grounds, || {
            let eni = seen_by_a_read(&known.eni, named, present, poll.as_ref(), is_stale)?;
            let mut next = Known::clone(known);
            let on = eni.view().and_then(|view| view.attachment.as_ref());
            next.detaching = match on {
                Some(on) if on.state == AttachmentState::Detaching => next.detaching.or(Some(NOW)),
                _ => None,
            };
            let is_search = poll == Some(Poll::Tagged) && eni == EniSeen::Unknown;
            if is_search && is_quiet && !is_stale {
                next.search = Search::Nothing;
            }
            next.eni = eni;
            (next != **known).then(|| Shared::new(next))
        })
    }

    /// What becomes of a call that was answered.
    pub fn learn(
        &self,
        state: &State,
        k: usize,
        effect: &Shared<Effect>,
        outcome: &Shared<Outcome>,
    ) -> Shared<Known> {
        let present = state.present(k);
        let incarnation = state.claims[k]
            .as_ref()
            .map_or(0, |claim| incarnation(claim));
        let known = &state.known[k];
        let grounds = key(&(known, effect, outcome, present, incarnation));
        self.answers.get(grounds, || {
            let mut known = Known::clone(known);
            known.learn(effect, outcome, present, incarnation);
            Shared::new(known)
        })
    }
}

/// What is done once the status stands, and what the operator knows then.
fn turn(known: &Known, claim: &Claim, act: Option<Act>) -> (Option<Known>, Turn) {
    let turn = match act {
        None | Some(Act::ReadPod) => Turn::Rest,
        Some(Act::AddFinalizer) => Turn::Write(Shared::new(Claim {
            finalizer: true,
            ..claim.clone()
        })),
        Some(Act::RemoveFinalizer) => Turn::LetGo,
        Some(Act::DeleteClaim) => Turn::Delete,
        Some(Act::Effect(effect)) => {
            let mut known = known.clone();
            if let Effect::Create(_) = &effect {
                known.search = Search::Running;
                if known.sends == Sends::None {
                    known.sends = Sends::Refused;
                }
            }
            return (Some(known), Turn::Call(Shared::new(effect)));
        }
    };
    (None, turn)
}

/// What a read shows of an ENI; none where it is taken for nothing.
fn seen_by_a_read(
    known: &EniSeen,
    named: Option<&EniId>,
    present: Option<&Shared<EniView>>,
    poll: Option<&Poll>,
    is_stale: bool,
) -> Option<EniSeen> {
    let shown = |view: &EniView, steady| EniSeen::Shown(Arc::new(view.clone()), steady);
    Some(match (named, present, known) {
        (Some(id), Some(view), _) if view.id != *id => return None,
        // Reads go on showing for a while what EC2 said that it deleted.
        (_, Some(_), EniSeen::Deleted) => return None,
        (_, Some(view), EniSeen::Shown(old, _)) if **old == **view => {
            if poll.is_none() || is_stale {
                return None;
            }
            shown(view, Steady::Yes)
        }
        (_, Some(view), _) => shown(view, Steady::Once),
        (None, None, _) => EniSeen::Unknown,
        (Some(_), None, EniSeen::Deleted) => EniSeen::Deleted,
        (Some(_), None, EniSeen::Missing(_)) => match poll? {
            Poll::ById(_) => EniSeen::NotFound,
            Poll::Fast(_) | Poll::Slow(_) | Poll::Tagged => EniSeen::Missing(Steady::Yes),
        },
        (Some(_), None, EniSeen::NotFound) => EniSeen::NotFound,
        (Some(_), None, EniSeen::Unknown | EniSeen::Shown(..)) => EniSeen::Missing(Steady::Once),
    })
}

impl Known {
    fn learn(
        &mut self,
        effect: &Effect,
        outcome: &Outcome,
        present: Option<&Shared<EniView>>,
        incarnation: u32,
    ) {
        if let Outcome::Failed(error) = outcome {
            return self.fail(effect.action(), incarnation, error);
        }
        self.backoff = None;
        let shown = |view: &EniView| EniSeen::Shown(Arc::new(view.clone()), Steady::Once);
        let present = present.map_or(EniSeen::Unknown, |view| shown(view));
        match (effect, outcome) {
            (Effect::Delete { .. }, _) => self.eni = EniSeen::Deleted,
            (Effect::Detach { .. }, _) => {
                self.detached = Some(NOW);
                self.eni = present;
            }
            (_, Outcome::Created(view)) => {
                // Whatever is refused later, this request has made an ENI.
                self.sends = Sends::Inconclusive;
                self.eni = shown(view);
            }
            _ => self.eni = present,
        }
    }

    fn fail(&mut self, action: Action, incarnation: u32, error: &Ec2Error) {
        if self.eni != EniSeen::Deleted {
            self.eni = EniSeen::Unknown;
        }
        if !error.class.is_definite() && action == Action::CreateNetworkInterface {
            self.sends = Sends::Inconclusive;
        }
        if error.class == ErrorClass::Transient && action == Action::AttachNetworkInterface {
            self.late_attach = LateAttach::Possible;
        }
        if error.class == ErrorClass::NotYet && action == Action::DetachNetworkInterface {
            self.detached = None;
        }
        self.backoff = Some(Backoff {
            action,
            incarnation,
            error: error.clone(),
            attempts: 1,
            at: NOW,
            until: NOW,
        });
    }
}

/// The last refusal; after a restart the status says which it was.
pub fn backoff(claim: &Claim, known: &Known) -> Option<Backoff> {
    let known = known.backoff.clone();
    known.or_else(|| Backoff::remembered(&claim.status, NOW))
}

/// The status without what only people read, of which nothing is decided: states that differ in that alone are one, and what is
/// written because of it alone is not written here. That it comes to rest, too, is seen where a story ends.
fn without_prose(mut status: ClaimStatus) -> ClaimStatus {
    let is_open = status.creation.as_ref().is_some_and(|creation| {
        status.eni.is_none() && creation.answer == Some(CreateAnswer::Inconclusive)
    });
    // A new operator takes it for the last refusal, as long as a request is open.
    status.last_error = status.last_error.filter(|_| is_open);
    if let Some(error) = &mut status.last_error {
        error.next_retry = None;
    }
    status.conditions.clear();
    status.phase = None;
    status.timeline.requested = None;
    status.timeline.attached = None;
    if let Some(binding) = &mut status.binding {
        binding.since = PAST;
    }
    if let Some(attachment) = &mut status.attachment {
        // Whether it was attached counts, and not since when.
        attachment.attached_at = attachment.attached_at.map(|_| PAST);
    }
    status
}

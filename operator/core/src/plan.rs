//! What shall happen to one claim, given what is seen: its status first, then at most one effect.

mod down;
mod up;

use crate::{
    bind::Site,
    claim::{Attachment, Claim, ConditionKind, Eni, LastError, Phase, Slot, Status},
    cloud::{AttachmentView, EniSeen, EniView, InstanceState, Refusal, Subnet},
    id::ClusterId,
    kind::{Kind, classify},
    order::{Action, Effect},
    reason::{Note, Reason},
    status,
    subnet::primary_address,
    time::{MINUTE, SECOND, Time},
};

/// A `NotFound` within this time of our own Create means not yet: EC2's eventual consistency.
pub const NOT_YET: i64 = 5 * MINUTE;
/// A device that the agent has not plugged or given back in this time is told to people.
const PATIENCE: i64 = 30 * SECOND;
/// An ENI that is not in the state we thought is read and tried again so often before people are told.
const USUAL: u32 = 2;

/// What one claim's plan may look at besides the claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seen {
    /// This cluster.
    pub cluster: ClusterId,
    /// Whether the very pod that owns the claim exists and has not ended.
    pub pod: bool,
    /// Where its ENI can be made, or what stands in the way.
    pub site: Result<Site, Note>,
    /// The slot that is free for it, its own if it still is, or what stands in the way.
    pub slot: Result<Slot, Note>,
    /// The instance that it is bound to.
    pub instance: InstanceState,
    /// Its ENI.
    pub eni: EniSeen,
    /// The subnet of that ENI.
    pub subnet: Option<Subnet>,
    /// The last refusal of its effects, until another effect succeeds.
    pub setback: Option<Setback>,
}

/// A refusal, and how long it is respected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Setback {
    /// What was refused.
    pub action: Action,
    /// The incarnation of the Create request at that time.
    pub incarnation: u32,
    /// What was answered.
    pub refusal: Refusal,
    /// How often in a row.
    pub attempts: u32,
    /// When it was answered.
    pub at: Time,
    /// When it may be tried again.
    pub until: Time,
}

/// How urgently a claim waits to see its ENI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Poll {
    /// A Create or Delete waits for it.
    Fast,
    /// An attachment is on its way; the agent will most likely tell first.
    Slow,
}

/// What shall be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decision {
    /// The operator's part of the status; written first where it differs.
    pub status: Status,
    /// What to do once that status stands.
    pub effect: Option<Effect>,
    /// Whether the ENI has to be looked at.
    pub poll: Option<Poll>,
    /// When to look again although nothing changed.
    pub wake: Option<Time>,
}

impl Decision {
    /// Whether that is what it waits for.
    pub fn waits_for(&self, reason: Reason) -> bool {
        let ready = self.status.condition(ConditionKind::Ready);
        ready.is_some_and(|c| !c.holds && c.reason == reason)
    }
}

/// What shall happen to this claim. Total and without memory; what it decided once it decides again.
pub fn plan(claim: &Claim, seen: &Seen, now: Time) -> Decision {
    let mut draft = Draft {
        claim,
        seen,
        now,
        status: claim.status.clone(),
        effect: None,
        poll: None,
        wake: None,
    };
    if claim.deleting {
        if claim.finalizer {
            down::tear_down(&mut draft);
        }
    } else if !seen.pod {
        draft.effect = Some(Effect::DeleteClaim);
    } else if claim.finalizer {
        up::bring_up(&mut draft);
    } else {
        draft.effect = Some(Effect::AddFinalizer);
    }
    draft.decide()
}

struct Draft<'a> {
    claim: &'a Claim,
    seen: &'a Seen,
    now: Time,
    status: Status,
    effect: Option<Effect>,
    poll: Option<Poll>,
    wake: Option<Time>,
}

impl Draft<'_> {
    fn decide(self) -> Decision {
        let Self {
            claim,
            seen: _,
            now: _,
            status,
            effect,
            poll,
            wake,
        } = self;
        // The intent stands before the effect: a status that differs is all that happens in this round.
        let effect = effect.filter(|_| status == claim.status);
        Decision {
            status,
            effect,
            poll,
            wake,
        }
    }

    /// The phase, and the condition Ready with its reason; with it, the conditions that follow from the status.
    fn say(&mut self, phase: Phase, note: Note) {
        self.status.phase = Some(phase);
        status::state_stages(&mut self.status, self.now);
        status::state(
            &mut self.status,
            ConditionKind::Ready,
            phase == Phase::Ready,
            note,
            self.now,
        );
    }

    fn look_again(&mut self, at: Time) {
        if at > self.now {
            self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
        }
    }

    /// The refusal of this very action, if that was the last thing that happened.
    fn setback(&self, action: Action) -> Option<&Setback> {
        let incarnation = self.status.creation.as_ref().map_or(0, |c| c.incarnation);
        self.seen
            .setback
            .as_ref()
            .filter(|s| s.action == action && s.incarnation == incarnation)
    }

    /// Takes the effect now, or waits out the setback that it met and says so.
    fn attempt(&mut self, effect: Effect, phase: Phase, progress: Note) {
        let Some(setback) = self.setback(effect.action()).cloned() else {
            self.status.last_error = None;
            self.say(phase, progress);
            self.effect = Some(effect);
            return;
        };
        if self.is_usual(&setback) {
            self.say(phase, progress);
        } else {
            self.status.last_error = Some(setback.told());
            let note = setback.note(self.claim);
            self.say(phase, note);
        }
        if setback.until > self.now {
            self.look_again(setback.until);
        } else {
            self.effect = Some(effect);
        }
    }

    /// What is in the normal course of things is no error, and not written down: that EC2 does not know a young ENI yet, or
    /// that it was in another state than we thought, until reading it again did not help.
    fn is_usual(&self, setback: &Setback) -> bool {
        match setback.refusal.kind {
            Kind::NotYet => self.young(setback.at),
            Kind::State => setback.attempts <= USUAL,
            Kind::Throttled
            | Kind::Transient
            | Kind::NodeFull
            | Kind::SubnetFull
            | Kind::QuotaFull
            | Kind::Terminal
            | Kind::Config
            | Kind::Credentials => false,
        }
    }

    /// Whether at that time EC2 might still not have known the ENI everywhere.
    fn young(&self, at: Time) -> bool {
        self.status
            .timeline
            .created
            .is_some_and(|created| at.since(created) < NOT_YET)
    }

    /// Takes over what EC2 says of the ENI that carries this claim's tag.
    fn adopt(&mut self, view: &EniView) {
        let EniView {
            id,
            mac,
            subnet,
            vpc,
            zone,
            groups,
            address,
            available: _,
            attachment: _,
            claim: _,
        } = view.clone();
        self.status.eni = Some(Eni {
            id,
            mac,
            subnet,
            vpc,
            zone,
            groups,
        });
        self.status.timeline.created = Some(self.now);
        self.status.last_error = None;
        self.status.addresses = self
            .seen
            .subnet
            .iter()
            .map(|s| primary_address(address, s))
            .collect();
    }

    /// Takes over what EC2 says of the attachment.
    fn adopt_attachment(&mut self, view: &AttachmentView, release: bool) {
        let AttachmentView {
            id,
            instance,
            slot,
            state: _,
            delete_on_termination: _,
        } = view.clone();
        self.status.attachment = Some(Attachment {
            instance,
            slot,
            id: Some(id),
            attached_at: None,
            release,
        });
        self.status.last_error = None;
    }

    /// Whether the present Create request has certainly made nothing.
    fn refused(&self) -> bool {
        if let Some(setback) = self.setback(Action::Create) {
            return setback.refusal.kind.definite();
        }
        // After a restart the status is all there is: an error that waits for its retry was an answer to this request.
        self.claim
            .status
            .last_error
            .as_ref()
            .is_some_and(|e| e.next_retry.is_some() && classify(&e.code, &e.message).definite())
    }
}

impl Setback {
    /// As the status tells it.
    fn told(&self) -> LastError {
        let Refusal {
            kind: _,
            code,
            message,
            request_id,
        } = self.refusal.clone();
        LastError {
            code,
            message,
            request_id,
            attempts: self.attempts,
            next_retry: Some(self.until.whole_second()),
        }
    }

    /// As the condition Ready and the Events tell it.
    fn note(&self, claim: &Claim) -> Note {
        let class = &claim.class;
        let (reason, way_out) = match self.refusal.kind {
            Kind::Throttled => (
                Reason::Throttled,
                "AWS wants fewer calls; it is tried again by itself".to_owned(),
            ),
            Kind::Transient => (
                Reason::AwsUnavailable,
                "it is tried again by itself".to_owned(),
            ),
            Kind::NotYet => (
                Reason::EniLost,
                "EC2 does not know the ENI any more; delete the pod to get a new one".to_owned(),
            ),
            Kind::State => (
                Reason::Unexpected,
                "EC2 is read and it is tried again by itself".to_owned(),
            ),
            Kind::NodeFull => (
                Reason::NodeFull,
                "detach an ENI that is not eniclaim's from the instance, or move the pod"
                    .to_owned(),
            ),
            Kind::SubnetFull => (
                Reason::SubnetFull,
                format!("free addresses, or add a subnet of the zone to class {class}"),
            ),
            Kind::QuotaFull => (
                Reason::QuotaFull,
                "delete ENIs, or ask AWS for a higher quota of network interfaces per Region"
                    .to_owned(),
            ),
            Kind::Terminal => (Reason::Refused, format!("correct class {class}")),
            Kind::Config => (
                Reason::Denied,
                format!("allow {} in the operator's IAM policy", self.action),
            ),
            Kind::Credentials => (
                Reason::NoCredentials,
                "give the operator a region and credentials that AWS takes".to_owned(),
            ),
        };
        let Refusal {
            kind: _,
            code,
            message,
            request_id: _,
        } = &self.refusal;
        Note::new(
            reason,
            format!(
                "{} answered {code}: {}; {way_out}",
                self.action,
                message.trim_end_matches('.')
            ),
        )
    }
}

/// What keeps a decision from being taken before EC2 has been read.
fn reading() -> Note {
    Note::new(Reason::Reading, "the ENI is being read from EC2")
}

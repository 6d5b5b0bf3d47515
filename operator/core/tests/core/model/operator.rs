//! The operator: it decides with the core, on what it knows.

use std::sync::Arc;

use api::{
    DriftPolicy, Interface, IpFamily, SourceDestCheck,
    claim::RequestedCounts,
    id::{EniId, Slot},
};
use operator_core::{
    Note, Outcome, Reason,
    claim::Claim,
    decision::{Act, Decision, Poll, decide},
    ec2::{AttachmentState, EniView, Subnet},
    error::{Ec2Error, ErrorClass},
    goal::{Goal, PodSeen, goal},
    groups::{Answer, GroupsSeen, Turn},
    order::{Action, Effect},
    request::Shape,
    seen::{Backoff, EniSeen, Host, LateAttach, Search, Seen, Sends, Steady, SubnetSeen},
    step::incarnation,
};
use vpc::{InstanceState, world as aws};

use super::{
    Mutant, Story,
    state::{NOW, PodState, State, cluster},
};

impl Story {
    /// What the core says of a claim that no call is on its way for.
    pub fn decision(&self, state: &State, k: usize) -> Option<Decision> {
        let claim = state.claims[k].as_ref()?;
        if state.flights[k].is_some() {
            return None;
        }
        let goal = self.goal(state, k, claim);
        let seen = self.seen(state, k, claim, &goal);
        Some(decide(claim, &seen, &goal, NOW))
    }

    fn goal(&self, state: &State, k: usize, claim: &Claim) -> Goal {
        let user = self.user(state, k, claim);
        let pod = user.map(|p| self.cast.pod(p, state.pods[p]));
        let seen = match &pod {
            Some(pod) => PodSeen::Alive(pod),
            None if claim.user().is_some() => PodSeen::Ended,
            None => PodSeen::NoUser,
        };
        let node = user.and_then(|p| state.node(self.cast.pods[p].node));
        match goal(claim, seen, node.as_ref()) {
            Goal::Kept if self.mutant == Some(Mutant::DeletesWhatIsKept) => Goal::Gone,
            goal => goal,
        }
    }

    /// The pod that the ENI is for: the one that has it, or once its ENI has left that one, the next.
    fn user(&self, state: &State, k: usize, claim: &Claim) -> Option<usize> {
        let alive = |p: &usize| matches!(state.pods[*p], PodState::Alive | PodState::Deleting);
        let mut pods = (0..state.pods.len()).filter(|p| self.cast.pods[*p].claim == k);
        if let Some(user) = claim.user() {
            let uid = |p: &usize| self.cast.pod(*p, PodState::Alive).uid == user.uid;
            let current = pods.clone().find(uid).filter(alive);
            let next = claim.is_kept() && claim.status.attachment.is_none() && !claim.deleting;
            if current.is_some() || !next {
                return current;
            }
        }
        pods.find(|p| state.pods[*p] == PodState::Alive && !claim.deleting)
    }

    fn seen(&self, state: &State, k: usize, claim: &Claim, goal: &Goal) -> Seen {
        let known = &state.known[k];
        let not_asked = || Note::new(Reason::Reading, "not asked for");
        let (is_placed, lives) = match goal {
            Goal::On(site) => {
                let node = state.node_of(&site.instance);
                (true, node.is_some_and(|node| state.runs(node)))
            }
            Goal::Kept => (false, true),
            Goal::Gone | Goal::Held(_) | Goal::Unclear | Goal::Unserved(_) => (false, false),
        };
        let eni = self.eni(state, k, claim);
        let attached_to = eni.view().and_then(|view| {
            let node = state.node_of(&view.attachment.as_ref()?.instance)?;
            Some(state.node(node)?.name)
        });
        let named = claim.status.eni.as_ref().map(|eni| &eni.id);
        let tagged = state.tagged(k);
        let other = tagged.iter().find(|view| Some(&view.id) != named);
        let forgets = self.mutant == Some(Mutant::ForgetsWhatItSent);
        Seen {
            cluster: cluster(),
            interface: Some(Interface::default()),
            preferred: IpFamily::IPv4,
            groups: GroupsSeen {
                wanted: Some(vec![aws::GROUP_APP.parse().unwrap()]),
                policy: DriftPolicy::Report,
                turn: Turn::Later,
                answer: Answer::None,
            },
            source_dest_check: Some(SourceDestCheck::Enabled),
            net_admin: None,
            shape: if lives { Ok(shape()) } else { Err(not_asked()) },
            zone: is_placed.then(|| "us-east-1a".into()),
            slot: if is_placed && lives {
                Ok(slot(k))
            } else {
                Err(not_asked())
            },
            other: other
                .filter(|_| named.is_some())
                .map(|view| view.id.clone()),
            subnet: SubnetSeen::Known(subnet()),
            attached_to,
            host: self.host(state, claim),
            sends: if forgets { Sends::Refused } else { known.sends },
            late_attach: match self.mutant {
                Some(Mutant::TakesNoAttachForLate) => LateAttach::Excluded,
                _ => known.late_attach,
            },
            search: match self.mutant {
                Some(Mutant::SearchesInVain) => Search::Nothing,
                _ => known.search,
            },
            backoff: known.backoff.clone(),
            detached: known.detached,
            detaching: known.detaching,
            eni,
        }
    }

    fn eni(&self, state: &State, k: usize, claim: &Claim) -> EniSeen {
        let mine = state.known[k].eni.clone();
        let takes_any = match self.mutant {
            Some(Mutant::TakesTheOtherClaims) => state.tagged(1 - k).into_iter().next(),
            Some(Mutant::TakesStrangers) => state.view(&stranger(state)),
            _ => None,
        };
        match takes_any {
            Some(view) if claim.status.creation.is_some() => {
                let named = claim.status.eni.as_ref().map(|eni| &eni.id);
                if named.is_some_and(|id| *id != view.id) {
                    return mine;
                }
                let mut view = EniView::clone(&view);
                view.tags.claim = Some(claim.uid.clone());
                view.tags.cluster = Some(cluster().id);
                EniSeen::Shown(Arc::new(view), Steady::Yes)
            }
            _ => mine,
        }
    }

    fn host(&self, state: &State, claim: &Claim) -> Host {
        let name = claim.status.node_name.clone().unwrap_or_default();
        if self.mutant == Some(Mutant::TakesHostsForDead) {
            return Host::Dead;
        }
        let Some(attachment) = &claim.status.attachment else {
            return Host::Alive(name);
        };
        let instance = state.vpc.instance(&attachment.instance_id.as_str().into());
        match instance.map(|instance| instance.state) {
            Some(InstanceState::ShuttingDown { .. }) => Host::ShuttingDown,
            Some(InstanceState::Terminated { .. }) | None => Host::Dead,
            Some(_) => Host::Alive(name),
        }
    }

    /// Does what was decided: writes the status first, then acts. Nothing where that changes nothing.
    pub fn step(&self, state: &mut State, k: usize) -> bool {
        let Some(decision) = self.decision(state, k) else {
            return false;
        };
        let Some(claim) = &mut state.claims[k] else {
            return false;
        };
        let mut status = decision.status;
        if self.mutant == Some(Mutant::WritesWithoutEnd) {
            // Between two phases, for ever.
            let phases = [Some(api::claim::Phase::Pending), None];
            status.phase = phases[usize::from(claim.status.phase.is_some())];
        }
        if status != claim.status {
            let froze = status.creation.as_ref().map(|c| c.incarnation);
            if froze.is_some_and(|n| n > incarnation(claim)) {
                state.known[k].sends = Sends::None;
                state.known[k].backoff = None;
            }
            claim.status = status;
            return true;
        }
        match decision.act {
            None => false,
            Some(Act::AddFinalizer) => {
                claim.finalizer = true;
                true
            }
            Some(Act::RemoveFinalizer) => {
                self.let_go(state, k);
                true
            }
            Some(Act::DeleteClaim) => {
                if claim.is_kept() {
                    state.broken = Some("kept: the claim is deleted by the operator".into());
                }
                state.delete(k);
                true
            }
            Some(Act::ReadPod) => false,
            Some(Act::Effect(effect)) => {
                let known = &mut state.known[k];
                if let Effect::Create(_) = &effect {
                    known.search = Search::Running;
                    if known.sends == Sends::None {
                        known.sends = Sends::Refused;
                    }
                }
                state.flights[k] = Some(effect);
                true
            }
        }
    }

    fn let_go(&self, state: &mut State, k: usize) {
        let is_on_its_way = state
            .orphans
            .iter()
            .any(|(of, effect)| *of == k && matches!(effect, Effect::Create(_)));
        if !state.tagged(k).is_empty() {
            state.broken = Some("no-leak: the claim goes, and its ENI does not".into());
        }
        // Calls arrive long before two searches are complete.
        if is_on_its_way && self.mutant.is_none() {
            let claim = state.claims[k].as_ref();
            let searched = claim.is_some_and(|claim| claim.status.eni.is_none());
            assert!(!searched || state.known[k].search == Search::Running);
        }
        state.claims[k] = None;
    }

    /// A read of the claim's ENI, or a search for it.
    pub fn read(&self, state: &mut State, k: usize, stale: bool) -> bool {
        if self.mutant == Some(Mutant::NeverReads) {
            return false;
        }
        let Some(claim) = state.claims[k]
            .as_ref()
            .filter(|_| state.flights[k].is_none())
        else {
            return false;
        };
        let named = claim.status.eni.as_ref().map(|eni| eni.id.clone());
        let poll = self.decision(state, k).and_then(|decision| decision.poll);
        let present = if stale {
            state.before[k].clone()
        } else {
            state.present(k)
        };
        let known = &mut state.known[k];
        let before = known.clone();
        let is_wanted = poll.is_some();
        let eni = match (&named, present, &known.eni) {
            (Some(id), Some(view), _) if view.id != *id => return false,
            (_, Some(view), EniSeen::Shown(old, _)) if *old == view => {
                if !is_wanted || stale {
                    return false;
                }
                EniSeen::Shown(view, Steady::Yes)
            }
            (_, Some(view), _) => EniSeen::Shown(view, Steady::Once),
            (None, None, _) => EniSeen::Unknown,
            (Some(_), None, EniSeen::Deleted) => EniSeen::Deleted,
            (Some(_), None, EniSeen::Missing(_)) => match poll {
                Some(Poll::ById(_)) => EniSeen::NotFound,
                _ if is_wanted => EniSeen::Missing(Steady::Yes),
                _ => return false,
            },
            (Some(_), None, EniSeen::NotFound) => EniSeen::NotFound,
            (Some(_), None, EniSeen::Unknown | EniSeen::Shown(..)) => {
                EniSeen::Missing(Steady::Once)
            }
        };
        known.detaching = match eni.view().and_then(|view| view.attachment.as_ref()) {
            Some(on) if on.state == AttachmentState::Detaching => known.detaching.or(Some(NOW)),
            _ => None,
        };
        // Two complete searches half a minute apart: what is on its way has arrived.
        let is_quiet = !state.orphans.iter().any(|(of, _)| *of == k);
        if poll == Some(Poll::Tagged) && eni == EniSeen::Unknown && is_quiet && !stale {
            known.search = Search::Nothing;
        }
        known.eni = eni;
        *known != before
    }

    /// What becomes of a call that was answered.
    pub fn learn(state: &mut State, k: usize, effect: &Effect, outcome: &Outcome) {
        let present = state.present(k);
        let created = match outcome {
            Outcome::Created(view) => Some(Arc::new(EniView::clone(view))),
            _ => None,
        };
        let incarnation = state.claims[k].as_ref().map_or(0, incarnation);
        let known = &mut state.known[k];
        if let Outcome::Failed(error) = outcome {
            return known.fail(effect.action(), incarnation, error);
        }
        known.backoff = None;
        match effect {
            Effect::Delete { .. } => known.eni = EniSeen::Deleted,
            Effect::Detach { .. } => {
                known.detached = Some(NOW);
                known.eni = present.map_or(EniSeen::Unknown, |v| EniSeen::Shown(v, Steady::Once));
            }
            _ => {
                let view = created.or(present);
                known.eni = view.map_or(EniSeen::Unknown, |v| EniSeen::Shown(v, Steady::Once));
            }
        }
    }
}

impl super::state::Known {
    pub fn fail(&mut self, action: Action, incarnation: u32, error: &Ec2Error) {
        self.eni = match self.eni.clone() {
            EniSeen::Deleted => EniSeen::Deleted,
            _ => EniSeen::Unknown,
        };
        if !error.class.is_definite() {
            match action {
                Action::CreateNetworkInterface => self.sends = Sends::Inconclusive,
                Action::AttachNetworkInterface => self.late_attach = LateAttach::Possible,
                _ => {}
            }
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

/// An ENI of somebody else: the primary one of the first node.
fn stranger(state: &State) -> EniId {
    let id = state
        .vpc
        .enis()
        .next()
        .map(|eni| eni.id.as_str().to_owned());
    id.unwrap().parse().unwrap()
}

fn slot(k: usize) -> Slot {
    Slot {
        card: 0,
        index: 1 + u32::try_from(k).unwrap(),
    }
}

fn shape() -> Shape {
    Shape {
        subnet: aws::SUBNET_NODES.parse().unwrap(),
        counts: RequestedCounts::default(),
        groups: vec![aws::GROUP_APP.parse().unwrap()],
        connection_tracking: api::ConnectionTracking::default(),
        tags: std::collections::BTreeMap::new(),
    }
}

fn subnet() -> Subnet {
    Subnet {
        id: aws::SUBNET_NODES.parse().unwrap(),
        zone: "us-east-1a".into(),
        vpc: aws::VPC.parse().unwrap(),
        ipv4: Some("10.0.1.0/24".parse().unwrap()),
        ipv6: None,
        assigns_ipv6: false,
        free: 200,
    }
}

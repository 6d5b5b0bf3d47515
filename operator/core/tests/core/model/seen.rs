//! What the operator looks at when it decides: as `operator_core::fleet` puts it together.

use std::sync::Arc;

use api::{
    DriftPolicy, Interface, IpFamily, SourceDestCheck,
    claim::RequestedCounts,
    id::{EniId, Slot},
};
use operator_core::{
    Note, Reason,
    claim::Claim,
    ec2::{EniView, Subnet},
    goal::{Goal, PodSeen, goal},
    groups::{Answer, GroupsSeen, Turn},
    request::Shape,
    seen::{EniSeen, Host, LateAttach, Search, Seen, Sends, Steady, SubnetSeen},
};
use vpc::{InstanceState, world as aws};

use super::{
    Mutant, Story,
    operator::backoff,
    state::{PodState, State, cluster, pod_uid},
};

impl Story {
    pub fn goal(&self, state: &State, k: usize, claim: &Claim) -> Goal {
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
        let mut pods = (0..self.cast.pods.len()).filter(|p| self.cast.pods[*p].claim == k);
        if let Some(user) = claim.user() {
            let uid = |p: &usize| pod_uid(*p) == user.uid.as_str();
            let current = pods.clone().find(uid).filter(alive);
            let next = claim.is_kept() && claim.status.attachment.is_none() && !claim.deleting;
            if current.is_some() || !next {
                return current;
            }
        }
        pods.find(|p| state.pods[*p] == PodState::Alive && !claim.deleting)
    }

    pub fn seen(&self, state: &State, k: usize, claim: &Claim, goal: &Goal) -> Seen {
        let known = &state.known[k];
        let not_asked = || Note::new(Reason::Reading, "not asked for");
        let (is_placed, lives) = match goal {
            Goal::On(site) => {
                let node = state.cloud.node_of(&site.instance);
                (true, node.is_some_and(|node| state.runs(node)))
            }
            Goal::Kept => (false, true),
            Goal::Gone | Goal::Held(_) | Goal::Unclear | Goal::Unserved(_) => (false, false),
        };
        let eni = self.eni(state, k, claim);
        let attached_to = eni.view().and_then(|view| {
            let node = state.cloud.node_of(&view.attachment.as_ref()?.instance)?;
            Some(state.node(node)?.name)
        });
        let named = claim.status.eni.as_ref().map(|eni| &eni.id);
        let mut tagged = state.cloud.tagged(k);
        let other = tagged.find(|view| Some(&view.id) != named);
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
            shape: if lives {
                Ok(shape(k))
            } else {
                Err(not_asked())
            },
            zone: is_placed.then(|| "us-east-1a".into()),
            slot: if is_placed && lives {
                Ok(slot(k))
            } else {
                Err(not_asked())
            },
            other: other
                .filter(|_| named.is_some())
                .map(|view| view.id.clone()),
            subnet: SubnetSeen::Known(subnet(k)),
            attached_to,
            host: self.host(state, claim),
            sends: match self.mutant {
                Some(Mutant::ForgetsWhatItSent) => Sends::Refused,
                _ => known.sends,
            },
            late_attach: match self.mutant {
                Some(Mutant::TakesNoAttachForLate) => LateAttach::Excluded,
                _ => known.late_attach,
            },
            search: match self.mutant {
                Some(Mutant::SearchesInVain) => Search::Nothing,
                _ => known.search,
            },
            backoff: backoff(claim, known),
            detached: known.detached,
            detaching: known.detaching,
            eni,
        }
    }

    fn eni(&self, state: &State, k: usize, claim: &Claim) -> EniSeen {
        let mine = state.known[k].eni.clone();
        let takes_any = match self.mutant {
            Some(Mutant::TakesTheOtherClaims) => state.cloud.tagged(1 - k).next(),
            Some(Mutant::TakesStrangers) => state.cloud.enis.iter().find(|view| is_strange(view)),
            _ => None,
        };
        match takes_any {
            Some(view) if claim.status.creation.is_some() => {
                let named = claim.status.eni.as_ref().map(|eni| &eni.id);
                if named.is_some_and(|id: &EniId| *id != view.id) {
                    return mine;
                }
                let mut view = EniView::clone(view);
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
        let attachment = claim.status.attachment.as_ref();
        let node = attachment.and_then(|on| state.cloud.node_of(&on.instance_id));
        match node.map(|node| state.cloud.hosts[node]) {
            Some(InstanceState::ShuttingDown { .. }) => Host::ShuttingDown,
            Some(InstanceState::Terminated { .. }) => Host::Dead,
            Some(_) | None => Host::Alive(name),
        }
    }
}

/// An ENI of somebody else: the primary one of a node.
fn is_strange(view: &EniView) -> bool {
    view.tags.cluster.is_none()
}

fn slot(k: usize) -> Slot {
    Slot {
        card: 0,
        index: 1 + u32::try_from(k).unwrap(),
    }
}

fn shape(k: usize) -> Shape {
    Shape {
        subnet: subnet(k).id,
        counts: RequestedCounts::default(),
        groups: vec![aws::GROUP_APP.parse().unwrap()],
        connection_tracking: api::ConnectionTracking::default(),
        tags: std::collections::BTreeMap::new(),
    }
}

/// Each claim's class has a subnet of its own.
fn subnet(k: usize) -> Subnet {
    let (id, block) = [
        (aws::SUBNET_NODES, "10.0.1.0/24"),
        (aws::SUBNET_CONTROL, "10.0.0.0/24"),
    ][k];
    Subnet {
        id: id.parse().unwrap(),
        zone: "us-east-1a".into(),
        vpc: aws::VPC.parse().unwrap(),
        ipv4: Some(block.parse().unwrap()),
        ipv6: None,
        assigns_ipv6: false,
        free: 200,
    }
}

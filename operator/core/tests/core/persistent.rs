//! Claims of a `StatefulSet`: each is named as its pod, made with it, and used by the next pod of that name.

use api::{SmolStr, claim::Phase, id::EniId, persistent::NotPersistent};
use operator_core::{
    Reason,
    cluster::{Pod, PodSource},
    order::Action,
    uses::{Persistent, StatefulSet, Uses},
};
use vpc::world as aws;

use super::{
    story::{LONG, pod_key},
    world::World,
};

const SET: &str = "set-uid";

fn with_set() -> Persistent {
    Persistent::Delete(Box::new(StatefulSet {
        api_version: "apps/v1".into(),
        name: "web".into(),
        uid: SET.into(),
    }))
}

impl World {
    /// As the controller of a `StatefulSet` makes a pod.
    pub fn add_member(&mut self, name: &str, node: &str, persistent: Persistent) {
        let pod = self.a_pod(name, node);
        self.put_pod(Pod {
            uses: Uses::Persistent(persistent),
            ..pod
        });
    }

    /// The pod has the ENI of the claim of its name.
    fn member(&mut self, name: &str, node: &str, persistent: Persistent) -> EniId {
        self.add_member(name, node, persistent);
        let pod = name.to_owned();
        self.until(60_000, "the pod has its claim's ENI", |w| {
            w.has_claim(&pod) && w.uses(&pod, &pod)
        });
        self.claim(name).status.eni.as_ref().unwrap().id.clone()
    }

    fn has_claim(&self, name: &str) -> bool {
        self.store.claims.contains_key(&pod_key(name))
    }

    fn waits(&mut self, claim: &str) {
        let claim = claim.to_owned();
        self.until(60_000, "the ENI waits", |w| {
            w.phase(&claim) == Some(Phase::Available)
        });
    }

    /// The `StatefulSet` is deleted: its pods end, and the garbage collector deletes what is tied to it.
    fn delete_set(&mut self, pods: &[&str]) {
        for pod in pods {
            self.remove_pod(pod);
        }
        let tied: Vec<_> = self.store.tied.clone().into_iter().collect();
        for (claim, uid) in tied {
            if uid == SET {
                self.delete_claim(&claim);
            }
        }
    }

    /// No pod is left; somebody deletes the claim.
    fn end(mut self, claim: &str) {
        self.delete_claim(&pod_key(claim));
        self.clear();
    }

    fn said(&self, reason: Reason) -> Vec<String> {
        let events = self.log.events.iter().map(|(_, event)| &event.note);
        let events = events.filter(|note| note.reason == reason);
        events.map(|note| note.message.clone()).collect()
    }
}

#[test]
fn claim_is_made_under_the_name_of_the_pod_and_outlives_it() {
    let mut world = World::new();
    world.member("web-0", "n1", Persistent::Retain);
    world.rest();
    let claim = world.claim("web-0");
    assert_eq!((&claim.owner, claim.class.as_str()), (&None, "app"));
    assert!(claim.finalizer);
    assert_eq!(world.store.claims.len(), 1);
    assert_eq!(world.store.tied.len(), 0, "it is tied to nobody");
    assert_eq!(
        world.calls(Action::ModifyNetworkInterfaceAttribute),
        0,
        "it is not marked to go with the instance"
    );
    world.remove_pod("web-0");
    world.waits("web-0");
    world.rest();
    assert_eq!(world.made().len(), 1);
    world.end("web-0");
}

#[test]
fn next_pod_of_the_name_has_the_same_eni_on_whichever_node() {
    let mut world = World::new();
    let eni = world.member("web-0", "n1", Persistent::Retain);
    for node in ["n1", "n2"] {
        world.remove_pod("web-0");
        assert_eq!(world.member("web-0", node, Persistent::Retain), eni);
        world.rest();
    }
    assert_eq!(world.calls(Action::CreateNetworkInterface), 1);
    assert_eq!(world.calls(Action::AttachNetworkInterface), 3);
    assert_eq!(world.calls(Action::DetachNetworkInterface), 2);
    assert_eq!(world.told(Reason::ClaimInUse), 0, "that is as it should be");
    world.remove_pod("web-0");
    world.end("web-0");
}

#[test]
fn each_pod_of_a_set_has_a_claim_of_its_own() {
    let mut world = World::new();
    let first = world.member("web-0", "n1", Persistent::Retain);
    let second = world.member("web-1", "n1", Persistent::Retain);
    assert_ne!(first, second);
    // They change places.
    world.remove_pod("web-0");
    world.remove_pod("web-1");
    assert_eq!(world.member("web-1", "n2", Persistent::Retain), second);
    assert_eq!(world.member("web-0", "n2", Persistent::Retain), first);
    for pod in ["web-0", "web-1"] {
        world.remove_pod(pod);
        world.delete_claim(&pod_key(pod));
    }
    world.clear();
}

#[test]
fn eni_lies_in_the_zone_of_the_first_pod() {
    let mut world = World::new();
    let mut pod = world.a_pod("web-0", "n1");
    (pod.node, pod.uses) = (None, Uses::Persistent(Persistent::Retain));
    world.put_pod(pod);
    world.run(LONG);
    assert_eq!(world.ready_reason("web-0"), "WaitingForPod");
    world.change_pod("web-0", |pod| pod.node = Some("n1".into()));
    world.until(60_000, "its ENI", |w| w.uses("web-0", "web-0"));
    world.remove_pod("web-0");
    world.waits("web-0");
    world.add_node_in("n3", "m5.large", aws::SUBNET_ZONE_B);
    world.add_member("web-0", "n3", Persistent::Retain);
    world.run(LONG);
    assert_eq!(world.ready_reason("web-0"), "OtherZone");
    world.remove_pod("web-0");
    world.end("web-0");
}

#[test]
fn set_that_is_made_again_has_the_same_enis() {
    let mut world = World::new();
    let eni = world.member("web-0", "n1", Persistent::Retain);
    world.delete_set(&["web-0"]);
    world.waits("web-0");
    world.run(LONG);
    assert_eq!(world.member("web-0", "n2", Persistent::Retain), eni);
    world.remove_pod("web-0");
    world.end("web-0");
}

#[test]
fn with_delete_the_claim_goes_with_its_set_and_not_before() {
    let mut world = World::new();
    let eni = world.member("web-0", "n1", with_set());
    let tied: Vec<&SmolStr> = world.store.tied.values().collect();
    assert_eq!(tied, [SET]);
    world.remove_pod("web-0");
    world.waits("web-0");
    assert_eq!(world.member("web-0", "n2", with_set()), eni);
    world.delete_set(&["web-0"]);
    world.clear();
}

#[test]
fn set_that_is_made_again_while_its_claims_go_has_new_ones() {
    let mut world = World::new();
    let eni = world.member("web-0", "n1", with_set());
    world.delete_set(&["web-0"]);
    assert_ne!(world.member("web-0", "n1", with_set()), eni);
    world.delete_set(&["web-0"]);
    world.clear();
}

#[test]
fn claim_that_somebody_made_before_is_used() {
    let mut world = World::new();
    world.in_one_zone();
    world.claim_by_hand("web-0");
    world.waits("web-0");
    let eni = world.claim("web-0").status.eni.clone().unwrap().id;
    assert_eq!(world.member("web-0", "n1", with_set()), eni);
    assert_eq!(world.store.tied.len(), 0, "it stays as it was made");
    world.remove_pod("web-0");
    world.end("web-0");
}

#[test]
fn pod_that_names_the_claim_and_one_of_its_name_use_it_one_after_the_other() {
    let mut world = World::new();
    let eni = world.member("web-0", "n1", Persistent::Retain);
    world.add_user("other", "web-0", "n2");
    world.run(LONG);
    assert!(world.uses("web-0", "web-0"));
    let said = world.said(Reason::ClaimInUse);
    assert!(said[0].contains("is used by pod web-0; this pod starts"));
    world.remove_pod("web-0");
    world.until(60_000, "the other one has it", |w| w.uses("other", "web-0"));
    assert_eq!(world.claim("web-0").status.eni.as_ref().unwrap().id, eni);
    world.remove_pod("other");
    world.end("web-0");
}

#[test]
fn claim_that_is_not_for_the_pod_is_told_and_left_alone() {
    let mut world = World::new();
    world.ready("owner", "n1");
    let owned = world.claim_of("owner").unwrap().key.name.to_string();
    world.add_member(&owned, "n1", Persistent::Retain);
    world.in_one_zone();
    world.claim_by_hand("web-0");
    world.change_claim(&pod_key("web-0"), |claim| claim.class = "other".into());
    world.add_member("web-0", "n1", Persistent::Retain);
    world.run(LONG);
    let said = world.said(Reason::ClaimUnusable);
    let says = |what: &str| said.iter().any(|text| text.contains(what));
    assert!(says("was made for pod owner and goes with it"), "{said:?}");
    assert!(says("is of class other, and the pod asks for app"));
    assert!(world.is_ready("owner"));
    assert_eq!(world.calls(Action::CreateNetworkInterface), 1);
    for pod in ["owner", &owned, "web-0"] {
        world.remove_pod(pod);
    }
    world.end("web-0");
}

/// What the annotation cannot mean is told in one Event, and nothing is made.
#[test]
fn annotation_that_cannot_be_served_is_told_and_nothing_is_made() {
    for why in [
        NotPersistent::NotOfStatefulSet("ReplicaSet web-7d4b9 of apps/v1".to_owned()),
        NotPersistent::LongName(64),
        NotPersistent::Value("Forever".to_owned()),
        NotPersistent::NamesClaim,
        NotPersistent::NamesInterfaces,
    ] {
        let mut world = World::new();
        let mut pod = world.a_pod("web-0", "n1");
        pod.malformed = Some(Box::new(why.clone().into()));
        world.put_pod(pod);
        world.run(60_000);
        let said = world.said(Reason::PersistentUnsupported);
        assert_eq!(said, [why.to_string()]);
        assert!(said[0].contains(api::name::PERSISTENT), "{said:?}");
        assert!(world.store.claims.is_empty());
        world.clear();
    }
}

#[test]
fn class_that_is_not_there_is_told_before_a_claim_is_made() {
    let mut world = World::new();
    let mut pod = world.a_pod("web-0", "n1");
    pod.uses = Uses::Persistent(Persistent::Retain);
    pod.asks[0].class = "none".into();
    world.put_pod(pod);
    world.run(60_000);
    assert_eq!(world.told(Reason::ClassNotFound), 1);
    assert!(!world.has_claim("web-0"));
    let mut mirror = world.a_pod("web-1", "n1");
    mirror.uses = Uses::Named("web-1".into());
    mirror.source = PodSource::Static;
    world.put_pod(mirror);
    world.run(60_000);
    assert!(
        !world.has_claim("web-1"),
        "nobody makes a claim that is named"
    );
    world.clear();
}

/// The API server refuses the claim, by a quota say.
#[test]
fn refused_claim_is_told_and_made_later() {
    let mut world = World::new();
    world.store.refuses_claims = true;
    world.add_member("web-0", "n1", Persistent::Retain);
    world.run(60_000);
    assert!(world.told(Reason::WriteRefused) > 0);
    world.store.refuses_claims = false;
    world.until(LONG, "its ENI", |w| {
        w.has_claim("web-0") && w.uses("web-0", "web-0")
    });
    world.remove_pod("web-0");
    world.end("web-0");
}

/// The agent is away that gives the device back: after a while the next pod is told what it waits for.
#[test]
fn eni_that_does_not_leave_the_pod_before_is_told_after_a_while() {
    let mut world = World::new();
    let eni = world.member("web-0", "n1", Persistent::Retain);
    world.rest();
    world.agents.away.insert("n1".into());
    world.remove_pod("web-0");
    world.add_member("web-0", "n2", Persistent::Retain);
    world.run(20_000);
    assert_eq!(world.told(Reason::ClaimInUse), 0);
    world.run(60_000);
    let said = world.said(Reason::ClaimInUse);
    assert!(said[0].contains("has not left the pod that had the name web-0 before"));
    world.agents.away.clear();
    world.stir();
    world.until(LONG, "its ENI", |w| w.uses("web-0", "web-0"));
    assert_eq!(world.claim("web-0").status.eni.as_ref().unwrap().id, eni);
    world.remove_pod("web-0");
    world.end("web-0");
}

/// Killed before and after every effect, first while the claim is made, then while its ENI moves.
#[test]
fn crash_at_any_moment_changes_nothing() {
    for wait in (0..9_000).step_by(450) {
        let mut world = World::new();
        world.add_member("web-0", "n1", with_set());
        world.run(wait);
        world.crash(0);
        world.until(120_000, "its ENI", |w| {
            w.has_claim("web-0") && w.uses("web-0", "web-0")
        });
        let eni = world.claim("web-0").status.eni.clone().unwrap().id;
        world.remove_pod("web-0");
        world.add_member("web-0", "n2", with_set());
        world.run(wait);
        world.crash(0);
        world.until(120_000, "the next one has it", |w| w.uses("web-0", "web-0"));
        assert_eq!(world.claim("web-0").status.eni.as_ref().unwrap().id, eni);
        assert_eq!(world.made(), [eni]);
        assert_eq!(world.store.claims.len(), 1);
        world.delete_set(&["web-0"]);
        world.clear();
    }
}

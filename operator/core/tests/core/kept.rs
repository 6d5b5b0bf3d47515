//! Claims that were made by hand: their ENI outlives the pods that use it, and follows them.

use api::{
    claim::{ClaimStatus, Phase},
    condition::kind,
    id::EniId,
};
use operator_core::{
    Reason,
    claim::Claim,
    cluster::{Key, NodeHealth, PodSource, Version},
    order::Action,
    uses::Uses,
};
use vpc::{Request, world as aws};

use super::{
    story::{LONG, pod_key},
    world::World,
};

impl World {
    /// As `kubectl create` of an EniClaim without an owner.
    pub fn claim_by_hand(&mut self, name: &str) {
        let uid = self.store.uid(name).into();
        self.put_claim(Claim {
            key: pod_key(name),
            uid,
            version: Version::default(),
            generation: 1,
            deleting: false,
            finalizer: false,
            class: "app".into(),
            interface: None,
            owner: None,
            force_detach: None,
            force_forget: None,
            status: ClaimStatus::default(),
            device: None,
            leased: None,
        });
    }

    /// A pod that names a claim.
    pub fn add_user(&mut self, pod: &str, claim: &str, node: &str) {
        let mut pod = self.a_pod(pod, node);
        pod.uses = Uses::Named(claim.into());
        self.put_pod(pod);
    }

    pub fn claim(&self, name: &str) -> &Claim {
        &self.store.claims[&pod_key(name)]
    }

    pub fn phase(&self, name: &str) -> Option<Phase> {
        self.store.claims.get(&pod_key(name))?.status.phase
    }

    pub fn ready_reason(&self, name: &str) -> String {
        let ready = self.claim(name).status.condition(kind::READY);
        ready.map_or_else(String::new, |ready| ready.reason.to_string())
    }

    /// Whether this pod has the device of the claim.
    pub fn uses(&self, pod: &str, claim: &str) -> bool {
        let pod = self.store.pods.get(&pod_key(pod));
        let eni = self.claim(claim).status.eni.as_ref();
        let held = eni.and_then(|eni| self.agents.plugged.get(&eni.id));
        let is_held = pod.is_some_and(|pod| held.is_some_and(|(_, holder)| *holder == pod.uid));
        is_held && self.phase(claim) == Some(Phase::Ready)
    }

    pub fn use_by(&mut self, pod: &str, claim: &str, node: &str) {
        self.add_user(pod, claim, node);
        let (pod, claim) = (pod.to_owned(), claim.to_owned());
        self.until(60_000, "the pod has the claim's ENI", |w| {
            w.uses(&pod, &claim)
        });
    }

    /// Its class leaves one zone.
    pub fn in_one_zone(&mut self) {
        self.set_class(|class| class.subnets.ids = vec![aws::SUBNET_NODES.parse().unwrap()]);
    }
}

pub fn with_claim() -> (World, EniId) {
    let mut world = World::new();
    world.in_one_zone();
    world.claim_by_hand("db");
    world.until(30_000, "the ENI is made", |w| {
        w.phase("db") == Some(Phase::Available)
    });
    let eni = world.claim("db").status.eni.clone().unwrap().id;
    (world, eni)
}

pub fn gone(world: &mut World, claim: &str) {
    let key = pod_key(claim);
    world.delete_claim(&key);
    world.until(60_000, "the claim goes", |w| {
        !w.store.claims.contains_key(&key)
    });
    assert_eq!(world.made(), []);
}

#[test]
fn eni_is_made_at_once_where_the_class_leaves_one_zone_and_waits_for_a_pod() {
    let (mut world, _) = with_claim();
    assert_eq!(world.ready_reason("db"), "Available");
    world.rest();
    assert_eq!(world.calls(Action::AttachNetworkInterface), 0);
    gone(&mut world, "db");
    world.clear();
}

#[test]
fn with_several_zones_the_first_pod_decides() {
    let mut world = World::new();
    world.claim_by_hand("db");
    world.run(LONG);
    assert_eq!(world.ready_reason("db"), "WaitingForPod");
    assert_eq!(world.made(), []);
    world.use_by("web", "db", "n1");
    gone_with_pod(&mut world);
}

pub fn gone_with_pod(world: &mut World) {
    let key = pod_key("db");
    world.delete_claim(&key);
    world.run(LONG);
    assert_eq!(world.ready_reason("db"), "InUse", "the pod uses it");
    world.remove_pod("web");
    world.until(60_000, "the claim goes", |w| {
        !w.store.claims.contains_key(&key)
    });
    world.clear();
}

#[test]
fn eni_follows_its_pods_from_node_to_node() {
    let (mut world, eni) = with_claim();
    world.use_by("web", "db", "n1");
    world.rest();
    assert_eq!(
        world.calls(Action::ModifyNetworkInterfaceAttribute),
        0,
        "it is not marked to go with the instance"
    );
    world.remove_pod("web");
    world.until(60_000, "it waits again", |w| {
        w.phase("db") == Some(Phase::Available)
    });
    let status = &world.claim("db").status;
    assert_eq!((&status.binding, &status.node_name), (&None, &None));
    world.use_by("web", "db", "n2");
    assert_eq!(world.claim("db").status.eni.as_ref().unwrap().id, eni);
    world.rest();
    assert_eq!(world.calls(Action::CreateNetworkInterface), 1);
    assert_eq!(world.calls(Action::AttachNetworkInterface), 2);
    assert_eq!(world.calls(Action::DetachNetworkInterface), 1);
    gone_with_pod(&mut world);
}

#[test]
fn one_pod_uses_it_at_a_time_and_the_next_is_told_for_whom_it_waits() {
    let (mut world, eni) = with_claim();
    world.use_by("web", "db", "n1");
    world.add_user("other", "db", "n2");
    world.run(LONG);
    assert!(world.uses("web", "db"));
    assert!(world.told(Reason::ClaimInUse) > 0);
    let note = world.log.events.iter().rev();
    let mut note = note.filter(|(_, event)| event.note.reason == Reason::ClaimInUse);
    let said = &note.next().unwrap().1.note.message;
    assert!(said.contains("is used by pod web"), "{said}");
    world.change_pod("web", |pod| pod.deleting = true);
    world.run(20_000);
    assert!(world.uses("web", "db"), "it ends only when it has ended");
    world.remove_pod("web");
    world.until(60_000, "the next one has it", |w| w.uses("other", "db"));
    assert_eq!(world.claim("db").status.eni.as_ref().unwrap().id, eni);
    world.remove_pod("other");
    gone(&mut world, "db");
    world.clear();
}

#[test]
fn pod_in_another_zone_is_told_and_the_eni_stays() {
    let (mut world, eni) = with_claim();
    world.add_node_in("n3", "m5.large", aws::SUBNET_ZONE_B);
    world.run(5_000);
    world.add_user("far", "db", "n3");
    world.run(LONG);
    assert_eq!(world.ready_reason("db"), "Available");
    assert!(world.told(Reason::OtherZone) > 0);
    // It keeps nobody waiting who may have the ENI.
    world.use_by("web", "db", "n1");
    world.remove_pod("far");
    assert_eq!(world.claim("db").status.eni.as_ref().unwrap().id, eni);
    gone_with_pod(&mut world);
}

#[test]
fn eni_that_somebody_deleted_is_told_and_never_made_anew() {
    let (mut world, eni) = with_claim();
    let eni = vpc::EniId::from(eni.as_str());
    world.run(LONG);
    world.somebody(Request::DeleteNetworkInterface(eni));
    world.run(LONG);
    assert_eq!(world.ready_reason("db"), "EniLost");
    assert_eq!(world.calls(Action::CreateNetworkInterface), 1);
    gone(&mut world, "db");
    world.clear();
}

#[test]
fn it_moves_on_when_its_node_has_ended() {
    let (mut world, eni) = with_claim();
    world.use_by("web", "db", "n1");
    let instance = world.instance_of("n1");
    world.terminate(&instance);
    world.set_health("n1", NodeHealth::NotReady);
    world.run(30_000);
    world.remove_pod("web");
    world.remove_node("n1");
    world.use_by("web", "db", "n2");
    assert_eq!(world.claim("db").status.eni.as_ref().unwrap().id, eni);
    gone_with_pod(&mut world);
}

#[test]
fn pod_whose_claim_is_not_for_it_is_told() {
    let mut world = World::new();
    world.in_one_zone();
    world.add_user("web", "db", "n1");
    world.run(5_000);
    assert_eq!(world.told(Reason::ClaimNotFound), 1);
    world.ready("owner", "n1");
    let owned = world.claim_of("owner").unwrap().key.name.to_string();
    world.add_user("thief", &owned, "n1");
    let mut fixed = world.a_pod("fixed", "n1");
    fixed.uses = Uses::Named("db".into());
    fixed.source = PodSource::Static;
    world.put_pod(fixed);
    world.claim_by_hand("db");
    world.until(60_000, "the claim is there now", |w| w.uses("web", "db"));
    world.run(LONG);
    assert!(world.told(Reason::ClaimUnusable) >= 2);
    assert!(world.is_ready("owner"));
    for pod in ["thief", "fixed", "owner"] {
        world.remove_pod(pod);
    }
    gone_with_pod(&mut world);
}

/// Killed before and after every effect.
#[test]
fn crash_at_any_moment_of_a_move_changes_nothing() {
    for wait in (0..9_000).step_by(450) {
        let (mut world, eni) = with_claim();
        world.use_by("web", "db", "n1");
        world.remove_pod("web");
        world.add_user("next", "db", "n2");
        world.run(wait);
        world.crash(0);
        world.until(120_000, "the next one has it", |w| w.uses("next", "db"));
        assert_eq!(world.claim("db").status.eni.as_ref().unwrap().id, eni);
        assert_eq!(world.made().len(), 1);
        world.remove_pod("next");
        gone(&mut world, "db");
        let keys: Vec<Key> = world.store.claims.keys().cloned().collect();
        assert_eq!(keys, []);
    }
}

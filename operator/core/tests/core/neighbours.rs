//! Slots that are left to the AWS VPC CNI and to a trunk.

use api::{ConditionStatus, condition::kind, id::Slot};
use operator_core::{
    Change, Fact, MINUTE, SECOND, Settings,
    cluster::{CniNode, Key, VpcCni},
    reserve::Reserve,
};
use vpc::{Attach, Create, Request, Response, world as aws};

use super::{
    ec2::TRUNK,
    world::{World, set},
};

fn a_cni() -> VpcCni {
    VpcCni {
        runs: true,
        max_enis: None,
        spare: 1,
        trunk: false,
        every_card: false,
    }
}

fn settings(reserve: Reserve) -> Settings {
    Settings {
        cluster_id: Some("c1".into()),
        reserve,
        ..Settings::default()
    }
}

/// A world with a node of eight slots, and of two cards of seven.
fn a_world_of(reserve: Reserve) -> World {
    let mut world = World::with(settings(reserve));
    world.add_node("big", "m5.4xlarge");
    world.add_node("two", "c6in.32xlarge");
    world.run(10 * SECOND);
    world
}

impl World {
    fn set_cni(&mut self, cni: Option<VpcCni>) {
        let change = match &cni {
            Some(cni) => set(cni),
            None => Change::Gone(Key::new("kube-system", "aws-node")),
        };
        self.store.vpc_cni = cni;
        self.show(&Fact::VpcCni(change));
        self.run(10 * SECOND);
    }

    fn ask_for_trunk(&mut self, node: &str) {
        let node = CniNode {
            name: node.into(),
            trunk: true,
        };
        self.store.cni_nodes.insert(node.name.clone(), node.clone());
        self.show(&Fact::CniNodes(set(&node)));
        self.run(10 * SECOND);
    }

    /// Another client attaches an ENI at the lowest index, or a trunk at the highest, that it finds free.
    fn somebody_attaches(&mut self, node: &str, index: u32, description: &str) {
        let made = self.somebody(Request::CreateNetworkInterface(Create {
            subnet: aws::SUBNET_NODES.into(),
            address: None,
            groups: [].into(),
            description: description.to_owned(),
            counts: vpc::Counts::default(),
            connection_tracking: vpc::ConnectionTracking::default(),
            tags: [].into(),
            client_token: None,
        }));
        let Response::Created(eni) = made else {
            panic!("{made:?}")
        };
        self.run(2 * SECOND);
        let instance = self.instance_of(node);
        self.somebody(Request::AttachNetworkInterface(Attach {
            eni: eni.id,
            instance,
            card: 0,
            device: index,
        }));
        // Instances are read every five minutes.
        self.run(6 * MINUTE);
    }

    fn capacity(&self, node: &str) -> u32 {
        let published = self.store.nodes[&node.into()].published;
        assert_eq!(published.0, published.1);
        let status = &self.store.reports[&node.into()].status;
        assert_eq!(published.0, status.capacity);
        published.0.unwrap()
    }

    /// The reserved slots of each card, and the condition `CapacityFenced`.
    fn fenced(&self, node: &str) -> (Vec<u32>, ConditionStatus, String, String) {
        let status = &self.store.reports[&node.into()].status;
        let reserved = status.cards.iter().map(|card| card.reserved).collect();
        let mut conditions = status.conditions.iter();
        let fenced = conditions.find(|c| c.kind == kind::CAPACITY_FENCED);
        let fenced = fenced.unwrap();
        let (reason, message) = (fenced.reason.to_string(), fenced.message.to_string());
        (reserved, fenced.status, reason, message)
    }

    fn slot_of(&self, pod: &str) -> Slot {
        let claim = self.claim_of(pod).unwrap();
        claim.status.attachment.as_ref().unwrap().slot
    }
}

#[test]
fn without_the_vpc_cni_every_slot_but_the_instances_own_is_offered() {
    let world = a_world_of(Reserve::Auto);
    assert_eq!((world.capacity("big"), world.capacity("two")), (7, 13));
    let (reserved, status, reason, _) = world.fenced("big");
    assert_eq!((reserved, status), (vec![0], ConditionStatus::True));
    assert_eq!(reason, "NoVpcCni");
}

#[test]
fn max_eni_is_left_to_the_vpc_cni_and_fences_the_rest() {
    let mut world = a_world_of(Reserve::Auto);
    world.set_cni(Some(VpcCni {
        max_enis: Some(3),
        ..a_cni()
    }));
    assert_eq!((world.capacity("big"), world.capacity("two")), (5, 11));
    let (reserved, status, reason, message) = world.fenced("big");
    assert_eq!((reserved, status), (vec![2], ConditionStatus::True));
    assert_eq!(reason, "Fenced");
    assert!(message.contains("at most 3 ENIs"), "{message}");
    assert_eq!(
        world.fenced("two").0,
        [2, 0],
        "it uses the first card alone"
    );
    // What it attaches is what was left to it.
    world.somebody_attaches("big", 1, "aws-K8S");
    assert_eq!((world.capacity("big"), world.fenced("big").0), (5, vec![1]));
    world.set_cni(Some(VpcCni {
        max_enis: Some(3),
        every_card: true,
        ..a_cni()
    }));
    assert_eq!(world.fenced("two").0, [2, 3], "or all of them");
    world.set_cni(None);
    assert_eq!((world.capacity("big"), world.capacity("two")), (6, 13));
}

#[test]
fn without_max_eni_its_spare_is_left_to_it_and_a_person_reads_what_to_set() {
    let mut world = a_world_of(Reserve::Auto);
    world.set_cni(Some(a_cni()));
    assert_eq!(world.capacity("big"), 6);
    let (reserved, status, reason, message) = world.fenced("big");
    assert_eq!((reserved, status), (vec![1], ConditionStatus::False));
    assert_eq!(reason, "Unlimited");
    assert!(message.contains("set MAX_ENI=2"), "{message}");
    // As many as the type holds is no bound.
    world.set_cni(Some(VpcCni {
        max_enis: Some(8),
        ..a_cni()
    }));
    assert_eq!(world.fenced("big").2, "Unlimited");
    // A DaemonSet that no node runs takes nothing.
    world.set_cni(Some(VpcCni {
        runs: false,
        ..a_cni()
    }));
    assert_eq!(
        (world.capacity("big"), world.fenced("big").2.as_str()),
        (7, "NoVpcCni")
    );
}

#[test]
fn a_trunk_that_is_not_there_yet_keeps_the_highest_index() {
    let mut world = a_world_of(Reserve::Auto);
    let cni = VpcCni {
        max_enis: Some(2),
        trunk: true,
        ..a_cni()
    };
    world.set_cni(Some(cni.clone()));
    assert_eq!(world.capacity("big"), 6);
    world.ready("web", "big");
    assert_eq!(world.slot_of("web"), Slot { card: 0, index: 6 });
    world.somebody_attaches("big", 7, TRUNK);
    assert_eq!((world.capacity("big"), world.fenced("big").0), (6, vec![0]));

    // The CNINode asks for it, whatever the DaemonSet says by now.
    world.set_cni(Some(VpcCni {
        trunk: false,
        ..cni
    }));
    world.ask_for_trunk("two");
    world.ready("other", "two");
    assert_eq!(world.slot_of("other").card, 1, "the card with more room");
    let (reserved, status, ..) = world.fenced("two");
    assert_eq!((reserved, status), (vec![1, 0], ConditionStatus::True));
    world.rest();
    world.clear();
}

#[test]
fn a_number_is_left_whatever_the_vpc_cni_is_set_to_and_says_when_it_is_too_small() {
    let mut world = a_world_of(Reserve::Enis(3));
    assert_eq!(world.capacity("big"), 5);
    assert_eq!(world.fenced("big").2, "NoVpcCni");
    let with = |max_enis| {
        Some(VpcCni {
            max_enis,
            ..a_cni()
        })
    };
    for (max_enis, reason, holds) in [
        (Some(3), "Fenced", true),
        (Some(2), "Fenced", true),
        (Some(4), "ReserveTooSmall", false),
        (None, "Unlimited", false),
    ] {
        world.set_cni(with(max_enis));
        assert_eq!(world.capacity("big"), 5);
        let (_, status, said, message) = world.fenced("big");
        assert_eq!(
            (status, said.as_str()),
            (ConditionStatus::of(holds), reason)
        );
        let cure = match max_enis {
            Some(4) => "set the value reserve of the chart to 4 or Auto",
            None => "set MAX_ENI=3",
            Some(_) => continue,
        };
        assert!(message.contains(cure), "{message}");
    }
}

#[test]
fn what_pods_use_stays_and_a_pod_that_waits_gets_a_slot_that_is_offered_again() {
    let mut world = a_world_of(Reserve::Auto);
    for n in 0..6 {
        world.ready(&format!("p{n}"), "big");
    }
    world.set_cni(Some(VpcCni {
        max_enis: Some(7),
        ..a_cni()
    }));
    assert_eq!(world.capacity("big"), 6, "never below what pods use");
    assert!((0..6).all(|n| world.is_ready(&format!("p{n}"))));
    world.remove_pod("p0");
    world.rest();
    assert_eq!(world.capacity("big"), 5);
    world.add_pod("late", "big");
    world.run(MINUTE);
    assert!(!world.is_ready("late"), "the slot is left to others");
    assert_eq!(world.reason_of("late").as_deref(), Some("NodeFull"));
    let why = world.why("late");
    assert!(
        why.contains("8 ENIs, 2 of them left to others, and all are taken"),
        "{why}"
    );
    world.set_cni(None);
    world.until(MINUTE, "there is room again", |w| w.is_ready("late"));
    world.rest();
    world.clear();
}

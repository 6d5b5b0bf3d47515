//! Instances with several network cards: where ENIs go, and what EC2 refuses.

use std::collections::BTreeMap;

use operator_core::{MINUTE, SECOND, order::Action};
use vpc::{Attach, Request, world as aws};

use super::{ec2::Verdict, limits::a_foreign_eni, world::World};

const ATTACH: Action = Action::AttachNetworkInterface;

fn a_world_with(instance_type: &str) -> World {
    let mut world = World::new();
    world.add_node("big", instance_type);
    world.run(10 * SECOND);
    world
}

/// How many ENIs of the instance are on each card.
fn cards(world: &World) -> BTreeMap<u32, Vec<u32>> {
    let instance = world.instance_of("big");
    let mut cards = BTreeMap::<u32, Vec<u32>>::new();
    for at in world.vpc.enis().filter_map(vpc::Eni::attachment) {
        if at.instance == instance {
            cards.entry(at.card).or_default().push(at.device);
        }
    }
    cards
}

/// Another client of EC2 attaches an ENI.
fn somebody_attaches(world: &mut World, card: u32, device: u32) {
    let eni = a_foreign_eni(world, aws::SUBNET_NODES);
    world.run(2 * SECOND);
    let instance = world.instance_of("big");
    world.somebody(Request::AttachNetworkInterface(Attach {
        eni,
        instance,
        card,
        device,
    }));
}

#[test]
fn a_node_offers_the_slots_of_all_its_cards() {
    for (instance_type, count, limit, capacity) in [
        ("p4d.24xlarge", 4, 15, 59),
        ("trn1.32xlarge", 8, 5, 39),
        ("p5.48xlarge", 32, 2, 63),
    ] {
        let world = a_world_with(instance_type);
        let status = &world.store.reports[&"big".into()].status;
        let limits: Vec<u32> = status.cards.iter().map(|card| card.limit).collect();
        assert_eq!(limits, vec![limit; count], "{instance_type}");
        assert_eq!(status.capacity, Some(capacity), "{instance_type}");
        let published = world.store.nodes[&"big".into()].published;
        assert_eq!(published, (Some(capacity), Some(capacity)));
    }
}

/// Bandwidth is a card's: each pod gets a card of its own while there is one.
#[test]
fn pods_spread_over_the_cards_and_fill_every_slot() {
    let mut world = a_world_with("p5.48xlarge");
    let ready = |world: &World, count: usize| (0..count).all(|n| world.is_ready(&format!("p{n}")));
    for n in 0..31 {
        world.add_pod(&format!("p{n}"), "big");
    }
    world.until(2 * MINUTE, "31 pods", |w| ready(w, 31));
    let taken = cards(&world);
    assert_eq!(taken.len(), 32, "a card each, and the instance's own");
    assert!(taken.values().all(|devices| devices.len() == 1));
    // At index 1, where AWS advises to put interfaces like ours.
    assert!((1..32).all(|card| taken[&card] == [1]), "{taken:?}");
    for n in 31..63 {
        world.add_pod(&format!("p{n}"), "big");
    }
    world.until(3 * MINUTE, "63 pods", |w| ready(w, 63));
    assert!(cards(&world).values().all(|devices| devices.len() == 2));
    assert_eq!(world.calls(ATTACH), 63, "none was refused");
    let slot = |n| {
        let claim = world.claim_of(&format!("p{n}")).unwrap();
        claim.status.attachment.as_ref().unwrap().slot.to_string()
    };
    assert!((0..63).any(|n| slot(n) == "card 31 index 0"));
    world.rest();
    world.clear();
}

#[test]
fn what_others_have_on_a_card_counts_on_that_card_alone() {
    let mut world = a_world_with("trn1.32xlarge");
    for index in 0..5 {
        somebody_attaches(&mut world, 3, index);
    }
    world.run(6 * MINUTE);
    let status = &world.store.reports[&"big".into()].status;
    let foreign: Vec<u32> = status.cards.iter().map(|card| card.foreign).collect();
    assert_eq!(foreign, [1, 0, 0, 5, 0, 0, 0, 0]);
    assert_eq!(status.capacity, Some(34));
    for n in 0..8 {
        world.add_pod(&format!("p{n}"), "big");
    }
    let all = |w: &World| (0..8).all(|n| w.is_ready(&format!("p{n}")));
    world.until(2 * MINUTE, "eight pods", all);
    assert_eq!(cards(&world)[&3], [0, 1, 2, 3, 4]);
    assert_eq!(world.calls(ATTACH), 8);
    world.rest();
    world.clear();
}

#[test]
fn a_card_that_ec2_says_is_full_sends_a_pod_to_another_one() {
    let mut world = a_world_with("trn1.32xlarge");
    let full = Verdict::Refuse("AttachmentLimitExceeded", "full", 400);
    world.script.once(ATTACH, full.clone());
    world.add_pod("web", "big");
    world.until(20 * SECOND, "another card is taken", |w| w.is_ready("web"));
    assert_eq!(world.calls(ATTACH), 2);
    world.rest();
    world.clear();

    // Twice: EC2 may mean the instance, and 32 cards would cost 32 calls.
    let mut world = a_world_with("p5.48xlarge");
    world.script.always.insert(ATTACH, full);
    world.add_pod("web", "big");
    world.run(MINUTE);
    let calls = world.calls(ATTACH);
    assert!((2..=4).contains(&calls), "{calls}");
    let free = world.store.reports[&"big".into()].status.free;
    assert_eq!(free, Some(0), "nothing is free meanwhile");
    world.script.always.clear();
    world.until(5 * MINUTE, "it is tried again", |w| w.is_ready("web"));
    world.rest();
    world.clear();
}

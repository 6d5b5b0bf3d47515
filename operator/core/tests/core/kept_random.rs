//! Whatever happens in whatever order to claims that were made by hand: their ENIs stay, one pod has each, and all come to rest.

use operator_core::{claim::ClaimStatus, uses::Persistent};
use proptest::prelude::*;
use vpc::world as aws;

use super::{
    random::{agents, both_lead, config, faults, hand_over, lose_node, mend, restore, settings},
    story::pod_key,
    world::{Shape, World},
};

const CLAIMS: [&str; 2] = ["k0", "k1"];

fn trouble(world: &mut World, steps: u32) {
    for _ in 0..steps {
        faults(world);
        let claim = CLAIMS[usize::try_from(world.dice(2)).unwrap()];
        // Of a StatefulSet, or any other.
        let pod = match world.dice(6) {
            0 | 1 => claim.to_owned(),
            other => format!("u{other}"),
        };
        match world.dice(18) {
            0..=3 => appear(world, &pod, claim),
            4 | 5 => world.remove_pod(&pod),
            6 if exists(world, &pod) => world.change_pod(&pod, |pod| pod.deleting = true),
            7 if exists(world, &pod) => world.change_pod(&pod, |pod| pod.terminal = true),
            8 | 9 => {
                let op = usize::try_from(world.dice(2)).unwrap();
                world.crash(op);
            }
            10 => world.list(0),
            11 => hand_over(world),
            12 => both_lead(world),
            13 => agents(world),
            14 => restore(world),
            15 => lose(world),
            _ => {}
        }
        let pause = world.dice(6_000);
        world.run(i64::try_from(pause * pause / 3_000).unwrap());
    }
}

fn exists(world: &World, pod: &str) -> bool {
    world.store.pods.contains_key(&pod_key(pod))
}

fn appear(world: &mut World, pod: &str, claim: &str) {
    let node = format!("n{}", world.dice(2) + 1);
    if world.store.nodes.contains_key(&node.as_str().into()) && !exists(world, pod) {
        if pod == claim {
            world.add_member(pod, &node, Persistent::Retain);
        } else {
            world.add_user(pod, claim, &node);
        }
    }
}

/// An instance ends, and its pods with it.
fn lose(world: &mut World) {
    lose_node(world);
    for key in world.store.pods.keys().cloned().collect::<Vec<_>>() {
        let node = world.store.pods[&key].node.clone();
        if node.is_some_and(|node| node.as_str() == "n2") {
            world.remove_pod(&key.name);
        }
    }
}

/// Of the pods that name a claim one has its ENI; without any it waits.
fn each_is_served(world: &World) {
    for name in CLAIMS {
        let claim = world.claim(name);
        let eni = claim.status.eni.as_ref().expect("its ENI");
        let holder = world.agents.plugged.get(&eni.id);
        let live = world.store.pods.values();
        let users: Vec<_> = live
            .filter(|pod| pod.named_claim() == Some(pod_key(name)) && !pod.terminal)
            .collect();
        match holder {
            Some((_, uid)) => assert!(
                users.iter().any(|pod| pod.uid == *uid),
                "{name} is in a pod of before\n{}",
                world.picture()
            ),
            None => assert!(
                users.is_empty(),
                "{name} is in none of {} pods\n{}",
                users.len(),
                world.picture()
            ),
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn claims_by_hand_keep_their_enis_whatever_happens(seed: u64, steps in 5_u32..60) {
        let mut world = World::of(Shape::default(), settings());
        world.start(settings());
        world.set_class(|class| class.subnets.ids = vec![aws::SUBNET_NODES.parse().unwrap()]);
        world.seed(seed);
        for claim in CLAIMS {
            world.claim_by_hand(claim);
        }
        world.run(30_000);
        let status: Vec<ClaimStatus> = CLAIMS.map(|name| world.claim(name).status.clone()).into();
        trouble(&mut world, steps);
        mend(&mut world);
        world.rest();
        each_is_served(&world);
        for (name, before) in CLAIMS.into_iter().zip(status) {
            let now = &world.claim(name).status;
            prop_assert_eq!(&now.eni.as_ref().map(|eni| &eni.id), &before.eni.as_ref().map(|eni| &eni.id));
        }
        for name in CLAIMS {
            world.delete_claim(&pod_key(name));
        }
        world.clear();
    }
}

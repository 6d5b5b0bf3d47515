//! Whatever happens in whatever order: the invariants hold, and once faults stop it converges.

use operator_core::claim::Phase;
use proptest::prelude::*;

use super::world::World;

/// Calls that one claim may cost, faults included: a few for each crash or lost reply it met.
const BOUND: u32 = 60;

/// Half a minute of bad luck: pods come and go, answers are lost, streams lag, the operator dies.
fn trouble(world: &mut World, steps: u32) {
    for _ in 0..steps {
        match world.dice(16) {
            0 => {
                let (n, node) = (world.dice(4), world.dice(2) + 1);
                if !world.pods.keys().any(|k| k.name == format!("p{n}")) {
                    world.add_pod(&format!("p{n}"), Some(&format!("n{node}")));
                }
            }
            1 => {
                let n = world.dice(4);
                world.remove_pod(&format!("p{n}"));
            }
            2 => world.crash(),
            3..=5 => {
                world.show();
            }
            6..=7 => world.agents(),
            8 => {
                world.arrive();
            }
            9..=10 => {
                let millis = i64::try_from(world.dice(900)).unwrap();
                world.pass(millis);
            }
            _ => {
                if !world.orders.is_empty() {
                    let index =
                        usize::try_from(world.dice(u64::try_from(world.orders.len()).unwrap()))
                            .unwrap();
                    match world.dice(4) {
                        0 => world.carry_out(index, true),
                        1 => world.read_late(index),
                        _ => world.carry_out(index, false),
                    }
                }
            }
        }
    }
}

fn converges(seed: u64, steps: u32) {
    let mut world = World::new(seed);
    trouble(&mut world, steps);
    world.settle();
    for pod in world.pods.keys() {
        let phase = world.phase_of(&pod.name);
        assert!(
            matches!(phase, Some(Phase::Ready | Phase::Pending)),
            "{pod} ends as {phase:?}: {:#?}",
            world.claim_of(&pod.name)
        );
    }
    assert_eq!(world.claims.len(), world.pods.len(), "a claim for each pod");
    let enis = world
        .claims
        .values()
        .filter(|c| c.status.eni.is_some())
        .count();
    assert_eq!(
        world.vpc.leaks().count(),
        enis,
        "an ENI for each claim that has one"
    );
    assert!(
        world.effects.values().all(|n| *n < BOUND),
        "{:?}",
        world.effects
    );
    for n in 0..4 {
        world.remove_pod(&format!("p{n}"));
    }
    world.settle();
    assert_eq!(
        (world.claims.len(), world.vpc.leaks().count()),
        (0, 0),
        "something is left"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_converges_whatever_happens(seed: u64, steps in 10_u32..400) {
        converges(seed, steps);
    }

    #[test]
    fn what_was_decided_is_decided_again(seed: u64, steps in 10_u32..200) {
        // Asked twice without news, the fleet orders nothing twice.
        let mut world = World::new(seed);
        trouble(&mut world, steps);
        world.think();
        prop_assert!(world.fleet.next(world.now).is_empty());
    }
}

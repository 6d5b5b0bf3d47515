//! ENIs that no claim owns, and how carefully they are deleted.

use std::collections::BTreeMap;

use operator_core::{MINUTE, Reason, SECOND, Settings, SweepMode, Time, order::Action};
use vpc::{Create, Request, Response};

use super::{story::LONG, world::World};

/// Where ENIs are planted: one subnet would not hold all.
const SUBNETS: [&str; 3] = [
    vpc::world::SUBNET_NODES,
    vpc::world::SUBNET_ZONE_B,
    vpc::world::SUBNET_CONTROL,
];
const DELETE: Action = Action::DeleteNetworkInterface;

fn with(sweep: SweepMode) -> World {
    World::with(Settings {
        cluster_id: Some("c1".into()),
        sweep,
        ..Settings::default()
    })
}

/// An ENI as an operator would have left it, with what the test changes of its tags.
fn plant(
    world: &mut World,
    n: u32,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> vpc::EniId {
    let mut tags: BTreeMap<String, String> = [
        ("eniclaim.io/cluster", "c1".to_owned()),
        ("eniclaim.io/cluster-uid", "uid-kube-system".to_owned()),
        ("eniclaim.io/claim-uid", format!("gone-{n}")),
        ("eniclaim.io/claim", format!("shop/gone-{n}")),
        (
            "eniclaim.io/created-at",
            Time(world.now.0).whole_second().to_string(),
        ),
        ("planted", "yes".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    change(&mut tags);
    let made = world.somebody(Request::CreateNetworkInterface(Create {
        subnet: SUBNETS[n as usize % SUBNETS.len()].into(),
        address: None,
        counts: vpc::Counts::default(),
        groups: [].into(),
        description: String::new(),
        connection_tracking: vpc::ConnectionTracking::default(),
        tags,
        client_token: None,
    }));
    let Response::Created(eni) = made else {
        panic!("{made:?}");
    };
    eni.id
}

#[test]
fn an_orphan_is_deleted_once_it_is_old_and_was_seen_twice() {
    let mut world = with(SweepMode::On);
    let eni = plant(&mut world, 1, |_| {});
    world.run(9 * MINUTE);
    assert!(world.vpc.eni(&eni).is_some());
    world.run(3 * MINUTE);
    assert!(world.vpc.eni(&eni).is_none());
    assert_eq!(world.told(Reason::Swept), 1);
    world.rest();
}

#[test]
fn an_old_orphan_is_watched_for_five_minutes_by_a_new_operator() {
    let mut world = with(SweepMode::On);
    let eni = plant(&mut world, 1, |tags| {
        tags.insert(
            "eniclaim.io/created-at".to_owned(),
            "2020-01-01T00:00:00Z".to_owned(),
        );
    });
    world.run(4 * MINUTE);
    world.crash(0);
    world.run(4 * MINUTE);
    assert!(world.vpc.eni(&eni).is_some());
    world.run(2 * MINUTE);
    assert!(world.vpc.eni(&eni).is_none());
}

#[test]
fn dry_run_tells_once_and_deletes_nothing_and_off_does_neither() {
    for (mode, told) in [(SweepMode::DryRun, 1), (SweepMode::Off, 0)] {
        let mut world = with(mode);
        plant(&mut world, 1, |_| {});
        world.run(40 * MINUTE);
        assert_eq!(
            (world.calls(DELETE), world.told(Reason::WouldSweep)),
            (0, told)
        );
        assert_eq!(world.ops[0].fleet.orphans(), 1);
    }
}

#[test]
fn what_is_kept_or_attached_or_not_quite_ours_stays() {
    let mut world = with(SweepMode::On);
    let set = |key: &'static str, value: &'static str| {
        move |tags: &mut BTreeMap<String, String>| {
            tags.insert(key.to_owned(), value.to_owned());
        }
    };
    plant(&mut world, 1, set("eniclaim.io/persistent", "true"));
    plant(&mut world, 2, set("eniclaim.io/retained", "shop/a"));
    plant(&mut world, 3, set("eniclaim.io/cluster-uid", "another"));
    plant(&mut world, 4, set("eniclaim.io/created-at", "some day"));
    plant(&mut world, 5, |tags| {
        tags.remove("eniclaim.io/cluster-uid");
    });
    let attached = plant(&mut world, 6, |_| {});
    world.run(5_000);
    let instance = world.instance_of("n1");
    world.somebody(Request::AttachNetworkInterface(vpc::Attach {
        eni: attached,
        instance,
        card: 0,
        device: 1,
    }));
    world.run(60 * MINUTE);
    assert_eq!(world.calls(DELETE), 0);
}

#[test]
fn at_most_25_go_at_once() {
    let mut world = with(SweepMode::On);
    for n in 0..30 {
        plant(&mut world, n, |_| {});
    }
    // So many that thirty are less than a twentieth of them.
    for n in 30..650 {
        plant(&mut world, n, |tags| {
            tags.insert("eniclaim.io/persistent".to_owned(), "true".to_owned());
        });
    }
    world.until(30 * MINUTE, "the first Delete", |w| w.calls(DELETE) > 0);
    // The next listing is due in half a minute.
    world.run(25 * SECOND);
    assert_eq!(world.calls(DELETE), 25);
    world.run(MINUTE);
    assert_eq!(world.calls(DELETE), 30);
    assert_eq!(world.told(Reason::SweepStopped), 0);
}

#[test]
fn more_than_a_twentieth_stops_it() {
    let mut world = with(SweepMode::On);
    for n in 0..20 {
        plant(&mut world, n, |_| {});
    }
    world.run(30 * MINUTE);
    assert_eq!(world.calls(DELETE), 0);
    let told = world.told(Reason::SweepStopped);
    assert!((1..=3).contains(&told), "{told}");
}

#[test]
fn an_eni_whose_claim_cannot_be_read_is_not_swept() {
    let mut world = with(SweepMode::On);
    world.ready("web", "n1");
    let claim = world.claim_of("web").unwrap().clone();
    // A newer version wrote the claim: the list leaves it out, and says so.
    world.agents.plugged.clear();
    let eni = world.eni_of("web").unwrap();
    let id = claim.status.attachment_id().unwrap().as_str();
    world.somebody(Request::DetachNetworkInterface(id.into()));
    world.unreadable(&claim);
    world.crash(0);
    world.run(LONG * 3);
    assert!(world.vpc.eni(&eni.as_str().into()).is_some());
}

#[test]
fn what_a_crash_leaves_after_a_person_removed_the_finalizer_is_swept() {
    let mut world = with(SweepMode::On);
    world.ready("web", "n1");
    let key = world.claim_of("web").unwrap().key.clone();
    world.remove_pod("web");
    world.change_claim(&key, |claim| {
        claim.deleting = true;
        claim.finalizer = false;
    });
    let instance = world.instance_of("n1");
    world.run(MINUTE);
    assert_eq!(world.made().len(), 1, "nobody may pull it");
    world.terminate(&instance);
    world.remove_node("n1");
    world.run(20 * MINUTE);
    assert_eq!(world.made(), []);
}

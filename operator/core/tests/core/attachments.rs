//! Attaching and detaching: stuck ones, forced ones, and what people ask for by annotation.

use api::id::InterfaceName;
use operator_core::{MINUTE, Reason, SECOND, cluster::NodeHealth, order::Action};
use vpc::{Create, Request};

use super::{ec2::Verdict, story::LONG, world::World};

const ATTACH: Action = Action::AttachNetworkInterface;
const DETACH: Action = Action::DetachNetworkInterface;

#[test]
fn an_eni_that_attaches_for_too_long_goes_into_another_slot() {
    let mut world = World::new();
    world.vpc.delays.attach_ms = 10_000_000;
    world.add_pod("web", "n1");
    world.until(20 * SECOND, "an Attach", |w| w.calls(ATTACH) == 1);
    let slot = |w: &World| {
        w.claim_of("web")
            .unwrap()
            .status
            .attachment
            .as_ref()
            .unwrap()
            .slot
    };
    let first = slot(&world);
    world.run(85 * SECOND);
    assert_eq!(world.told(Reason::AttachStuck), 0);
    world.vpc.delays.attach_ms = 1_500;
    world.until(30 * SECOND, "told", |w| w.told(Reason::AttachStuck) == 1);
    world.until(30 * SECOND, "another slot", |w| w.is_ready("web"));
    assert_ne!(slot(&world), first);
    assert_eq!((world.calls(ATTACH), world.calls(DETACH)), (2, 1));
    world.rest();
    world.clear();
}

#[test]
fn slots_that_do_not_attach_are_not_offered_and_not_called_taken() {
    let mut world = World::new();
    world.rest();
    world.vpc.delays.attach_ms = 10_000_000;
    let node = "n1".into();
    let capacity = world.store.nodes[&node].published;
    world.add_pod("web", "n1");
    world.until(10 * MINUTE, "no slot is left", |w| {
        w.why("web")
            .contains("is free, but an ENI did not become attached there")
    });
    world.run(2 * SECOND);
    assert!(world.store.nodes[&node].published < capacity);
    world.vpc.delays.attach_ms = 1_500;
    world.until(15 * MINUTE, "ready", |w| w.is_ready("web"));
    world.until(15 * MINUTE, "offered again", |w| {
        w.store.nodes[&node].published == capacity
    });
}

#[test]
fn an_eni_that_detaches_for_too_long_is_told_with_the_way_out() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.vpc.delays.detach_ms = 10_000_000;
    let id = world
        .claim_of("web")
        .unwrap()
        .status
        .attachment_id()
        .unwrap()
        .clone();
    let key = world.claim_of("web").unwrap().key.clone();
    world.remove_pod("web");
    world.run(4 * MINUTE);
    assert_eq!(world.told(Reason::DetachStuck), 0);
    world.run(2 * MINUTE);
    assert_eq!(world.told(Reason::DetachStuck), 1);
    let event = world
        .log
        .events
        .iter()
        .find(|(_, e)| e.note.reason == Reason::DetachStuck);
    assert!(
        event
            .unwrap()
            .1
            .note
            .message
            .contains(&format!("eniclaim.io/force-detach={id}"))
    );
    assert_eq!(world.calls(DETACH), 1, "never by force on its own");
    let stuck = world.store.nodes[&"n1".into()].published;
    assert_eq!(stuck, (Some(1), Some(1)), "a stuck slot is taken off");
    world.change_claim(&key, |claim| claim.force_detach = Some(id));
    world.until(20 * SECOND, "it goes", |w| w.store.claims.is_empty());
    world.rest();
}

#[test]
fn force_is_used_by_itself_only_where_nothing_runs_any_more() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.vpc.delays.detach_ms = 10_000_000;
    world.agents.away.insert("n1".into());
    world.set_health("n1", NodeHealth::OutOfService);
    world.remove_pod("web");
    world.run(50 * SECOND);
    assert_eq!(world.calls(DETACH), 1);
    world.until(40 * SECOND, "by force after a minute", |w| {
        w.store.claims.is_empty()
    });
    assert_eq!(world.calls(DETACH), 2);
    world.rest();
}

#[test]
fn an_eni_is_forgotten_on_a_persons_word_and_told() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.agents.away.insert("n1".into());
    let (eni, key) = (
        world.eni_of("web"),
        world.claim_of("web").unwrap().key.clone(),
    );
    world.remove_pod("web");
    world.run(MINUTE);
    world.change_claim(&key, |claim| {
        claim.force_forget = Some("eni-00000000000000099".parse().unwrap());
    });
    world.run(MINUTE);
    assert!(
        world.store.claims.contains_key(&key),
        "another ENI's name forgets nothing"
    );
    world.change_claim(&key, |claim| claim.force_forget = eni);
    world.until(5 * SECOND, "it goes", |w| w.store.claims.is_empty());
    assert_eq!(world.told(Reason::Forgotten), 1);
    assert_eq!(world.calls(DETACH), 0);
}

#[test]
fn an_eni_of_a_pod_is_marked_to_go_with_its_instance_once() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    assert_eq!(world.calls(Action::ModifyNetworkInterfaceAttribute), 1);
    let eni = world.eni_of("web").unwrap();
    let attachment = world
        .vpc
        .eni(&eni.as_str().into())
        .unwrap()
        .attachment()
        .unwrap();
    assert!(attachment.delete_on_termination);
    world.crash(0);
    world.rest();
    assert_eq!(world.calls(Action::ModifyNetworkInterfaceAttribute), 1);
    world.clear();
}

#[test]
fn an_instance_that_is_shutting_down_is_left_to_ec2() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    world.vpc.delays.terminate_ms = 60_000;
    let instance = world.instance_of("n1");
    world.terminate(&instance);
    world.set_health("n1", NodeHealth::NotReady);
    world.remove_pod("web");
    world.until(3 * MINUTE, "it goes", |w| w.store.claims.is_empty());
    assert_eq!(
        world.calls(DETACH),
        0,
        "a Detach would make EC2 forget the mark"
    );
    assert_eq!(world.made(), []);
}

#[test]
fn the_class_is_followed_until_the_device_is_in_the_pod() {
    let mut world = World::new();
    world.agents.away.insert("n1".into());
    world.add_pod("web", "n1");
    world.run(20 * SECOND);
    let name = |w: &World| {
        w.claim_of("web")
            .unwrap()
            .status
            .interface
            .clone()
            .unwrap()
            .name
    };
    world.set_class(|class| class.interface.name = "net1".parse::<InterfaceName>().unwrap());
    world.until(5 * SECOND, "the edited class is followed", |w| {
        name(w).as_str() == "net1"
    });
    world.agents.away.clear();
    world.stir();
    world.until(5 * SECOND, "ready", |w| w.is_ready("web"));
    world.set_class(|class| class.interface.name = "net2".parse::<InterfaceName>().unwrap());
    world.rest();
    assert_eq!(name(&world).as_str(), "net1", "not under a running pod");
    world.clear();
}

/// Cases: A07.
#[test]
fn nothing_is_begun_for_a_pod_that_is_being_deleted() {
    let mut world = World::new();
    let pod = world.a_pod("web", "n1");
    world.put_pod(operator_core::cluster::Pod {
        deleting: true,
        ..pod
    });
    world.run(LONG);
    assert!(world.store.claims.is_empty());
    world.clear();

    for wait in [15, 300, 900, 1_500] {
        let mut world = World::new();
        world.add_pod("web", "n1");
        world.run(wait);
        let before = (
            world.calls(Action::CreateNetworkInterface),
            world.calls(ATTACH),
        );
        world.change_pod("web", |pod| pod.deleting = true);
        world.run(LONG);
        let after = (
            world.calls(Action::CreateNetworkInterface),
            world.calls(ATTACH),
        );
        assert!(
            after.0 + after.1 <= before.0 + before.1 + 1,
            "{before:?} {after:?}"
        );
        world.clear();
    }
}

#[test]
fn a_delete_whose_answer_was_lost_is_settled_within_seconds() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.run(10 * SECOND);
    world
        .script
        .once(Action::DeleteNetworkInterface, Verdict::LoseReply);
    world.remove_pod("web");
    world.until(40 * SECOND, "it goes", |w| w.store.claims.is_empty());
    world.rest();
}

#[test]
fn an_attach_whose_answer_was_lost_is_found_and_not_repeated_for_ever() {
    for verdict in [
        Verdict::LoseReply,
        Verdict::LoseCall,
        Verdict::Late(5_000),
        Verdict::SlowReply(4_000),
    ] {
        for gone in [false, true] {
            let mut world = World::new();
            world.script.once(ATTACH, verdict.clone());
            world.add_pod("web", "n1");
            world.run(3 * SECOND);
            if gone {
                world.remove_pod("web");
            } else {
                world.until(MINUTE, "attached", |w| w.is_ready("web"));
            }
            world.rest();
            assert!(world.calls(ATTACH) <= 2, "{verdict:?}");
            world.clear();
        }
    }
}

#[test]
fn an_eni_without_our_tags_is_never_changed() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let claim = world.claim_of("web").unwrap().clone();
    let eni = world.eni_of("web").unwrap();
    world.somebody(Request::CreateTags {
        resources: vec![eni.to_string()],
        tags: [("eniclaim.io/cluster".to_owned(), "another".to_owned())].into(),
    });
    world.run(MINUTE);
    world.remove_pod("web");
    world.run(LONG);
    assert_eq!(world.calls(DETACH), 0);
    assert!(world.told(Reason::Unexpected) >= 1, "told with the way out");
    world.change_claim(&claim.key, |claim| claim.force_forget = Some(eni));
    world.until(10 * SECOND, "forgotten", |w| w.store.claims.is_empty());
}

#[test]
fn an_eni_with_a_claims_tag_and_another_clusters_is_neither_adopted_nor_deleted() {
    let mut world = World::new();
    world.add_pod("web", "n1");
    world.until(SECOND, "a claim", |w| w.claim_of("web").is_some());
    let uid = world.claim_of("web").unwrap().uid.to_string();
    world.somebody(Request::CreateNetworkInterface(Create {
        subnet: vpc::world::SUBNET_NODES.into(),
        address: None,
        counts: vpc::Counts::default(),
        groups: [].into(),
        description: String::new(),
        connection_tracking: vpc::ConnectionTracking::default(),
        tags: [
            ("eniclaim.io/claim-uid".to_owned(), uid),
            ("eniclaim.io/cluster".to_owned(), "another".to_owned()),
        ]
        .into(),
        client_token: None,
    }));
    world
        .script
        .once(Action::CreateNetworkInterface, Verdict::LoseCall);
    world.script.once(
        Action::CreateNetworkInterface,
        Verdict::Refuse("UnauthorizedOperation", "no", 403),
    );
    world.until(3 * MINUTE, "ready", |w| w.is_ready("web"));
    world.remove_pod("web");
    world.rest();
    assert!(world.store.claims.is_empty());
    assert_eq!(world.made().len(), 1, "the other cluster's stays");
}

#[test]
fn a_region_that_does_not_know_the_subnet_forgets_nothing_and_says_so() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.ready("db", "n2");
    world.rest();
    world.vpc.settings.other_region = true;
    world.crash(0);
    world.remove_pod("web");
    world.run(20 * MINUTE);
    assert_eq!(world.store.claims.len(), 2, "nothing is forgotten");
    assert!(world.told(Reason::WrongRegion) >= 1);
    assert!(world.store.claims.values().all(|c| c.status.eni.is_some()));
    world.vpc.settings.other_region = false;
    world.crash(0);
    world.rest();
    assert!(world.is_ready("db"));
    world.clear();
}

/// Cases: A02.
#[test]
fn a_full_node_waits_for_the_eni_that_leaves_it_and_names_it() {
    let mut world = World::new();
    world.ready("a", "n1");
    world.ready("b", "n1");
    world.vpc.delays.detach_ms = 8_000;
    let eni = world.eni_of("a").unwrap().to_string();
    world.remove_pod("a");
    world.add_pod("c", "n1");
    world.run(4 * SECOND);
    let event = world
        .log
        .events
        .iter()
        .find(|(_, e)| e.note.reason == Reason::WaitingForSlot);
    assert!(event.unwrap().1.note.message.contains(&eni));
    assert_eq!(
        world.store.nodes[&"n1".into()].published,
        (Some(2), Some(2)),
        "detaching counts"
    );
    world.until(20 * SECOND, "its slot", |w| w.is_ready("c"));
    world.rest();
    world.clear();
}

//! What others take away: ENIs, attachments, instances, nodes.

use operator_core::{Reason, claim::DeviceState, cluster::NodeHealth, order::Action};
use vpc::{Detach, Request};

use super::{story::LONG, world::World};

/// The pod has an ENI that EC2 does not attach.
fn not_attached() -> World {
    let mut world = World::new();
    world.script.always.insert(
        Action::AttachNetworkInterface,
        super::ec2::Verdict::Refuse("InternalError", "no", 500),
    );
    world.add_pod("web", "n1");
    world.until(20_000, "an ENI", |w| w.eni_of("web").is_some());
    world
}

pub fn delete_eni(world: &mut World, pod: &str) {
    let eni = world.eni_of(pod).unwrap();
    detach(world, pod);
    world.run(2_000);
    world.somebody(Request::DeleteNetworkInterface(eni.as_str().into()));
}

fn detach(world: &mut World, pod: &str) {
    let claim = world.claim_of(pod).unwrap();
    let id = claim.status.attachment_id().unwrap().clone();
    world.somebody(Request::DetachNetworkInterface(Detach {
        attachment: id.as_str().into(),
        force: false,
    }));
}

#[test]
fn an_eni_deleted_by_somebody_else_is_told_within_a_minute_and_replaced() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let eni = world.eni_of("web").unwrap();
    delete_eni(&mut world, "web");
    world.until(60_000, "not Ready", |w| {
        w.claim_of("web").unwrap().status.phase != Some(operator_core::claim::Phase::Ready)
    });
    world.until(60_000, "told", |w| w.told(Reason::EniLost) == 1);
    let told = world.log.events.iter();
    let mut told = told.filter(|(_, e)| e.note.reason == Reason::EniLost);
    let sentence = &told.next().unwrap().1.note.message;
    assert!(sentence.contains("its successor gets an ENI"), "{sentence}");
    world.until(120_000, "another ENI", |w| w.is_ready("web"));
    assert_ne!(world.eni_of("web"), Some(eni));
    world.rest();
    assert_eq!(world.told(Reason::EniLost), 1);
    world.clear();
}

/// Cases: A08.
#[test]
fn an_eni_detached_by_somebody_else_is_told_within_a_minute_and_attached_again() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let eni = world.eni_of("web");
    detach(&mut world, "web");
    world.until(60_000, "told", |w| w.told(Reason::AttachmentLost) == 1);
    world.until(60_000, "attached again", |w| w.is_ready("web"));
    assert_eq!(world.eni_of("web"), eni);
    world.rest();
    world.clear();
}

#[test]
fn an_eni_detached_by_somebody_else_right_after_it_was_attached_is_noticed_too() {
    for wait in [0, 3_000, 20_000, 40_000] {
        let mut world = World::new();
        world.ready("web", "n1");
        world.run(wait);
        detach(&mut world, "web");
        world.until(120_000, "told", |w| w.told(Reason::AttachmentLost) == 1);
        world.until(60_000, "attached again", |w| w.is_ready("web"));
        world.rest();
    }
}

#[test]
fn an_eni_lost_before_it_was_attached_is_replaced_once_it_is_old_enough() {
    let mut world = not_attached();
    world.run(5_000);
    let eni = world.eni_of("web").unwrap();
    world.somebody(Request::DeleteNetworkInterface(eni.as_str().into()));
    world.script.always.clear();
    world.until(420_000, "another ENI", |w| w.is_ready("web"));
    world.rest();
    world.clear();
}

#[test]
fn a_node_replaced_under_its_name_gets_the_eni_on_its_new_instance() {
    for wait in [100, 700, 1_800, 2_500, 60_000] {
        for keep in [false, true] {
            let mut world = World::new();
            world.add_pod("web", "n1");
            world.run(wait);
            let old = world.instance_of("n1");
            world.remove_node("n1");
            world.terminate(&old);
            if keep {
                world.run(20_000);
            }
            world.add_node("n1", "m5.large");
            let new = world.instance_of("n1");
            world.until(400_000, "ready on the new one", |w| {
                w.is_ready("web")
                    && w.claim_of("web")
                        .unwrap()
                        .status
                        .attachment
                        .as_ref()
                        .unwrap()
                        .instance_id
                        .as_str()
                        == new.as_str()
            });
            world.rest();
            assert!(world.is_ready("web"));
            world.clear();
        }
    }
}

#[test]
fn an_instance_that_ec2_forgot_is_told_with_the_node_that_names_it() {
    let mut world = not_attached();
    let instance = world.instance_of("n1");
    world.terminate(&instance);
    world.run(8_000);
    world.set_health("n1", NodeHealth::NotReady);
    let sentence =
        format!("node n1 cannot hold ENIs: EC2 knows no {instance} in this region and account");
    world.until(4_000_000, "the sentence", |w| w.why("web") == sentence);
}

#[test]
fn an_eni_that_went_with_its_instance_is_neither_ready_nor_attached_while_the_pod_is_there() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let instance = world.instance_of("n1");
    world.terminate(&instance);
    world.until(60_000, "told as lost", |w| w.told(Reason::EniLost) == 1);
    world.run(1_000);
    let status = &world.claim_of("web").unwrap().status;
    assert_eq!(status.phase, Some(operator_core::claim::Phase::Pending));
    for kind in ["Provisioned", "Attached", "Ready"] {
        let condition = status.condition(kind).unwrap();
        assert_eq!(condition.status, api::ConditionStatus::False, "{kind}");
    }
}

#[test]
fn a_node_that_registers_again_keeps_its_enis() {
    let mut world = World::new();
    world.ready("web", "n1");
    let node = world.store.nodes[&"n1".into()].clone();
    world.remove_node("n1");
    world.run(5_000);
    world.put_node(operator_core::cluster::Node {
        uid: "again".into(),
        ..node
    });
    world.rest();
    assert!(world.is_ready("web"));
    assert_eq!(world.calls(Action::DetachNetworkInterface), 0);
    world.clear();
}

#[test]
fn a_terminated_instance_needs_no_release() {
    for (deleted_before, node_first) in [(true, true), (true, false), (false, true), (false, false)]
    {
        let mut world = World::new();
        world.ready("web", "n1");
        world.rest();
        let instance = world.instance_of("n1");
        if deleted_before {
            let key = world.claim_of("web").unwrap().key.clone();
            world.delete_claim(&key);
        }
        if node_first {
            world.remove_node("n1");
            world.terminate(&instance);
        } else {
            world.terminate(&instance);
            world.run(8_000);
            world.set_health("n1", NodeHealth::NotReady);
            world.run(30_000);
            world.remove_node("n1");
        }
        world.run(1_000);
        world.remove_pod("web");
        world.until(60_000, "it goes", |w| w.store.claims.is_empty());
        assert_eq!(world.made(), []);
        world.rest();
    }
}

/// Cases: A06.
#[test]
fn a_dead_node_that_nobody_deletes_is_noticed_too() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.rest();
    let instance = world.instance_of("n1");
    world.terminate(&instance);
    world.run(8_000);
    world.set_health("n1", NodeHealth::NotReady);
    world.remove_pod("web");
    world.until(60_000, "it goes", |w| w.store.claims.is_empty());
    assert_eq!(world.made(), []);
    world.rest();
}

#[test]
fn an_agent_that_is_away_holds_what_it_has_until_the_instance_is_dead() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.agents.away.insert("n1".into());
    world.remove_pod("web");
    world.run(LONG);
    assert_eq!(
        world.calls(Action::DetachNetworkInterface),
        0,
        "nothing is pulled"
    );
    assert_eq!(world.told(Reason::WaitingForAgent), 1, "told on the claim");
    let instance = world.instance_of("n1");
    let now = world.millis();
    world.vpc.stop(&instance, now).unwrap();
    world.set_health("n1", NodeHealth::NotReady);
    world.until(60_000, "it goes", |w| w.store.claims.is_empty());
    world.rest();
}

#[test]
fn one_read_that_does_not_show_an_instance_pulls_nothing_from_it() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.agents.away.insert("n1".into());
    let instance = world.instance_of("n1");
    world.remove_pod("web");
    world.remove_node("n1");
    let action = Action::DescribeInstances;
    let hidden = (action, super::ec2::Verdict::ShowsNone);
    world.script.next.push_back(hidden);
    world.run(LONG);
    assert!(world.script.next.is_empty(), "it was read");
    assert_eq!(world.calls(Action::DetachNetworkInterface), 0);
    world.terminate(&instance);
    world.until(120_000, "it goes", |w| w.store.claims.is_empty());
}

#[test]
fn out_of_service_stands_for_a_release() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.agents.away.insert("n1".into());
    world.remove_pod("web");
    world.run(60_000);
    world.set_health("n1", NodeHealth::OutOfService);
    world.until(30_000, "it goes", |w| w.store.claims.is_empty());
    world.rest();
}

#[test]
fn a_release_of_an_earlier_attachment_proves_nothing() {
    let mut world = World::new();
    world.ready("web", "n1");
    world.agents.away.insert("n1".into());
    let key = world.claim_of("web").unwrap().key.clone();
    world.change_claim(&key, |claim| {
        let device = claim.device.as_mut().unwrap();
        device.attachment_id = "eni-attach-00000000000000099".parse().unwrap();
        device.state = DeviceState::Released;
    });
    world.remove_pod("web");
    world.run(LONG);
    assert_eq!(world.calls(Action::DetachNetworkInterface), 0);
}

#[test]
fn two_claims_that_both_lost_their_enis_do_not_wait_for_each_other() {
    let mut world = World::new();
    for name in ["a", "b"] {
        world.ready(name, "n1");
    }
    world.rest();
    let instance = world.instance_of("n1");
    for name in ["a", "b"] {
        delete_eni(&mut world, name);
    }
    // Somebody else takes one of the two slots meanwhile.
    let foreign = super::limits::a_foreign_eni(&mut world, vpc::world::SUBNET_NODES);
    world.run(2_000);
    world.somebody(Request::AttachNetworkInterface(vpc::Attach {
        eni: foreign,
        instance,
        card: 0,
        device: 2,
    }));
    world.until(600_000, "one of them is served", |w| {
        w.is_ready("a") || w.is_ready("b")
    });
    world.rest();
}

#[test]
fn two_claims_whose_creates_were_refused_do_not_wait_for_each_other() {
    let mut world = World::new();
    let create = Action::CreateNetworkInterface;
    let refuse = super::ec2::Verdict::Refuse("SomethingNew", "no", 400);
    world.ready("c", "n1");
    world.script.always.insert(create, refuse);
    world.remove_pod("c");
    world.add_pod("a", "n1");
    world.add_pod("b", "n1");
    world.add_pod("d", "n1");
    world.run(60_000);
    world.script.always.clear();
    world.until(600_000, "two are served", |w| {
        ["a", "b", "d"].iter().filter(|pod| w.is_ready(pod)).count() == 2
    });
    world.rest();
}

#[test]
fn an_eni_that_is_deleted_while_no_operator_runs_is_noticed_whatever_its_claim_waits_for() {
    for gone in [false, true] {
        let mut world = World::new();
        world.agents.away.insert("n1".into());
        world.add_pod("web", "n1");
        world.run(20_000);
        if gone {
            world.remove_pod("web");
            world.run(5_000);
        } else {
            world.change_pod("web", |pod| pod.created = operator_core::Time(0));
        }
        let key = world.store.claims.keys().next().unwrap().clone();
        let status = world.store.claims[&key].status.clone();
        let id = status.attachment_id().unwrap().as_str();
        world.stop(0);
        world.somebody(Request::DetachNetworkInterface(Detach::from(id)));
        world.run(5_000);
        let eni = status.eni.unwrap().id;
        world.somebody(Request::DeleteNetworkInterface(eni.as_str().into()));
        world.crash(0);
        world.elect(0);
        if gone {
            world.until(90_000, "it goes", |w| w.store.claims.is_empty());
        } else {
            world.until(90_000, "told", |w| w.told(Reason::EniLost) == 1);
        }
    }
}

//! Attributes of an ENI that a class sets: in the Create, or by one call before the Attach.

use api::{ConnectionTracking, SourceDestCheck};
use operator_core::{MINUTE, Reason, order::Action};
use vpc::Eni;

use super::{ec2::Verdict, world::World};

const CREATE: Action = Action::CreateNetworkInterface;
const MODIFY: Action = Action::ModifyNetworkInterfaceAttribute;
const ATTACH: Action = Action::AttachNetworkInterface;

fn a_world_of_routers() -> World {
    let mut world = World::new();
    world.set_class(|class| class.source_dest_check = SourceDestCheck::Disabled);
    world
}

/// The ENI of a pod as EC2 has it.
fn eni<'a>(world: &'a World, pod: &str) -> &'a Eni {
    let id = world.eni_of(pod).unwrap();
    world.vpc.eni(&id.as_str().into()).unwrap()
}

/// The actions called so far, in order.
fn actions(world: &World) -> Vec<Action> {
    world.log.mutations.iter().map(|(_, a, _)| *a).collect()
}

#[test]
fn a_pod_that_forwards_costs_one_more_call_before_its_eni_is_attached() {
    let mut world = a_world_of_routers();
    world.ready("web", "n1");
    world.rest();
    // The last one marks the ENI to be deleted with its instance.
    assert_eq!(actions(&world), [CREATE, MODIFY, ATTACH, MODIFY]);
    assert!(!eni(&world, "web").source_dest_check);
    let status = &world.claim_of("web").unwrap().status;
    let check = status.eni.as_ref().unwrap().source_dest_check;
    assert_eq!(check, SourceDestCheck::Disabled);
    let name = world.claim_of("web").unwrap().key.name.clone();
    let writes = world.store.status_writes[&name];
    assert!(writes <= 4, "{writes} status writes, as without");
    assert_eq!(world.log.events, []);
    world.clear();
}

#[test]
fn no_eni_is_attached_with_the_wrong_check_whatever_happens_to_the_call() {
    let denied = Verdict::Refuse("UnauthorizedOperation", "no", 403);
    let throttled = Verdict::Refuse("RequestLimitExceeded", "slow down", 503);
    let young = Verdict::Refuse("InvalidNetworkInterfaceID.NotFound", "not yet", 400);
    for verdict in [
        Verdict::LoseReply,
        Verdict::LoseCall,
        Verdict::Late(4_000),
        denied,
        throttled,
        young,
    ] {
        for crash in [None, Some(0), Some(30), Some(1_000)] {
            let mut world = a_world_of_routers();
            world.script.once(MODIFY, verdict.clone());
            world.add_pod("web", "n1");
            world.until(MINUTE, "the call", |w| w.calls(MODIFY) == 1);
            if let Some(millis) = crash {
                world.run(millis);
                world.crash(0);
            }
            let wrong = |w: &World| {
                let mut enis = w.vpc.enis().filter(|e| !e.is_primary());
                enis.any(|e| e.attachment().is_some() && e.source_dest_check)
            };
            world.until(5 * MINUTE, "it is ready", |w| {
                assert!(!wrong(w), "{verdict:?}");
                w.is_ready("web")
            });
            world.rest();
            assert!(world.calls(MODIFY) <= 4, "{verdict:?}");
            assert_eq!((world.calls(CREATE), world.calls(ATTACH)), (1, 1));
            world.clear();
        }
    }
}

#[test]
fn a_pod_waits_for_the_right_to_modify_and_says_so() {
    let mut world = a_world_of_routers();
    let denied = &mut world.vpc.settings.denied;
    denied.insert(vpc::Action::ModifyNetworkInterfaceAttribute);
    world.add_pod("web", "n1");
    world.until(MINUTE, "the denial", |w| w.told(Reason::Denied) > 0);
    world.run(MINUTE);
    let why = world.why("web");
    assert!(why.contains("ec2:ModifyNetworkInterfaceAttribute"), "{why}");
    assert_eq!(world.calls(ATTACH), 0);
    world.vpc.settings.denied.clear();
    world.until(15 * MINUTE, "it is tried again", |w| w.is_ready("web"));
    world.rest();
    world.clear();
}

#[test]
fn an_edit_of_the_check_reaches_an_eni_that_is_not_attached_yet_and_no_other() {
    for [first, second] in [
        [SourceDestCheck::Enabled, SourceDestCheck::Disabled],
        [SourceDestCheck::Disabled, SourceDestCheck::Enabled],
    ] {
        let mut world = World::new();
        world.set_class(|class| class.source_dest_check = first);
        world.ready("early", "n1");
        let refused = Verdict::Refuse("InternalError", "oops", 500);
        world.script.always.insert(ATTACH, refused);
        world.add_pod("late", "n1");
        world.until(MINUTE, "an Attach", |w| w.calls(ATTACH) == 2);
        world.set_class(|class| class.source_dest_check = second);
        world.script.always.clear();
        world.until(5 * MINUTE, "it is ready", |w| w.is_ready("late"));
        world.rest();
        for (pod, check) in [("early", first), ("late", second)] {
            assert_eq!(eni(&world, pod).source_dest_check, check.is_enabled());
        }
        world.clear();
    }
}

#[test]
fn time_outs_of_connections_are_asked_for_in_the_frozen_request() {
    let asked = ConnectionTracking {
        tcp_established: Some(350),
        udp_stream: None,
        udp: Some(60),
    };
    let mut world = World::new();
    world.set_class(|class| class.connection_tracking = asked);
    world.script.once(CREATE, Verdict::LoseCall);
    world.add_pod("web", "n1");
    world.until(MINUTE, "the first send", |w| w.calls(CREATE) == 1);
    // The request that may be on its way is repeated as it was, though the class has changed.
    world.set_class(|class| class.connection_tracking = ConnectionTracking::default());
    world.until(MINUTE, "it is ready", |w| w.is_ready("web"));
    let seconds = eni(&world, "web").connection_tracking;
    assert_eq!(
        (seconds.tcp_established, seconds.udp),
        (Some(350), Some(60))
    );
    let status = &world.claim_of("web").unwrap().status;
    let creation = status.creation.as_ref().unwrap();
    assert_eq!(creation.request.connection_tracking, asked);
    assert_eq!(creation.incarnation, 1);
    world.rest();
    assert_eq!(world.calls(MODIFY), 1, "DeleteOnTermination alone");
    world.clear();
}

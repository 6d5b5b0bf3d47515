//! What is shown of a claim while EC2 refuses its calls.

use api::claim::Phase;
use operator_core::{MINUTE, Reason, order::Action, reason::Tone};

use super::{ec2::Verdict, world::World};

#[test]
fn a_claim_whose_delete_is_refused_is_deleting() {
    let mut world = World::new();
    world.ready("web", "n1");
    let delete = Action::DeleteNetworkInterface;
    let denied = Verdict::Refuse("UnauthorizedOperation", "not authorized", 403);
    world.script.always.insert(delete, denied);
    world.remove_pod("web");
    world.run(2 * MINUTE);
    assert!(world.calls(delete) > 0, "{}", world.picture());
    let claim = world.store.claims.values().next().unwrap();
    assert_eq!(claim.status.phase, Some(Phase::Deleting));
    assert!(world.told(Reason::Denied) > 0, "{}", world.picture());
    world.script.always.clear();
    world.clear();
}

#[test]
fn a_throttled_call_is_told_as_a_warning() {
    assert_eq!(Tone::of(Reason::Throttled), Tone::Warning);
    let mut world = World::new();
    let throttled = Verdict::Refuse("RequestLimitExceeded", "Request limit exceeded.", 503);
    let create = Action::CreateNetworkInterface;
    world.script.always.insert(create, throttled);
    world.add_pod("web", "n1");
    world.run(2 * MINUTE);
    assert_eq!(world.reason_of("web").as_deref(), Some("Throttled"));
    assert!(world.told(Reason::Throttled) > 0, "{}", world.picture());
    world.script.always.clear();
    world.until(2 * MINUTE, "it goes on", |w| w.is_ready("web"));
}

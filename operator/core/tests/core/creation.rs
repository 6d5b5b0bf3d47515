//! Creating: whatever EC2 answers or does not, one ENI and none left behind.

use operator_core::{
    Reason, SECOND,
    claim::Claim,
    error::{ErrorClass, classify},
    order::Action,
};
use vpc::world as aws;

use super::{ec2::Verdict, story::LONG, world::World};

const CREATE: Action = Action::CreateNetworkInterface;
const DENIED: Verdict = Verdict::Refuse("UnauthorizedOperation", "You are not authorized", 403);

/// A Create that EC2 carried out without an answer, then a denial; reads are so many milliseconds behind.
fn lost_then_denied(stale: u64) -> World {
    let mut world = World::new();
    world.vpc.settings.stale_ms = stale;
    world.script.once(CREATE, Verdict::LoseReply);
    world.script.once(CREATE, DENIED);
    world.add_pod("web", "n1");
    world.until(60_000, "the denial", |w| w.calls(CREATE) == 2);
    assert_eq!(world.made().len(), 1, "EC2 made one");
    world
}

fn adopts_the_first(mut world: World) {
    let made = world.made();
    world.until(300_000, "it is found", |w| w.is_ready("web"));
    world.rest();
    assert_eq!(world.made(), made, "the first one is the only one");
    world.clear();
}

#[test]
fn a_create_that_timed_out_and_then_is_denied_makes_no_second_eni() {
    for stale in [0, 5_000, 25_000, 38_000] {
        adopts_the_first(lost_then_denied(stale));
    }
}

#[test]
fn the_same_across_a_restart_of_the_operator() {
    for (wait, stale) in [
        (0, 0),
        (30, 0),
        (1_000, 9_000),
        (5_000, 20_000),
        (20_000, 25_000),
    ] {
        let mut world = lost_then_denied(stale);
        world.run(wait);
        world.crash(0);
        adopts_the_first(world);
    }
}

#[test]
fn a_restart_between_the_two_makes_no_second_eni_either() {
    for wait in [0, 10, 200, 5_000, 10_100, 10_300] {
        let mut world = World::new();
        world.script.once(CREATE, Verdict::LoseReply);
        world.add_pod("web", "n1");
        world.until(60_000, "the first send", |w| w.calls(CREATE) == 1);
        world.run(wait);
        world.script.once(CREATE, DENIED);
        world.crash(0);
        adopts_the_first(world);
    }
}

#[test]
fn what_an_unanswered_create_made_goes_with_a_claim_whose_pod_goes() {
    for (restart, stale) in [(false, 0), (true, 0), (false, 20_000), (true, 20_000)] {
        let mut world = World::new();
        world.vpc.settings.stale_ms = stale;
        world.script.once(CREATE, Verdict::LoseReply);
        world.add_pod("web", "n1");
        world.until(60_000, "the first send", |w| w.calls(CREATE) == 1);
        world.script.always.insert(CREATE, DENIED);
        world.until(60_000, "the denial", |w| w.calls(CREATE) == 2);
        world.remove_pod("web");
        if restart {
            world.run(30);
            world.crash(0);
        }
        world.rest();
        assert!(world.store.claims.is_empty(), "{}", world.picture());
        assert_eq!(world.made(), [], "none is left");
    }
}

#[test]
fn a_claim_that_is_deleted_with_a_create_unresolved_never_creates_again() {
    let mut world = World::new();
    world.script.once(CREATE, Verdict::LoseCall);
    world.add_pod("web", "n1");
    world.until(20_000, "the send is given up", |w| {
        w.claim_of("web")
            .is_some_and(|c| c.status.last_error.is_some())
    });
    let calls = world.calls(CREATE);
    world.remove_pod("web");
    world.rest();
    assert!(world.calls(CREATE) <= calls + 1, "only what was under way");
    assert!(world.store.claims.is_empty());
    assert_eq!(world.made(), []);
}

#[test]
fn an_ec2_answer_that_no_table_lists_takes_the_edited_class() {
    for (code, status) in [
        ("InvalidParameter", 400),
        ("SomethingNew", 400),
        ("SomethingNew", 403),
        ("InvalidSubnet", 400),
    ] {
        let mut world = World::new();
        world
            .script
            .always
            .insert(CREATE, Verdict::Refuse(code, "no", status));
        world.add_pod("web", "n1");
        world.run(120_000);
        assert!(!world.is_ready("web"));
        let reason = world.reason_of("web");
        assert_eq!(reason.as_deref(), Some("Refused"), "{code}");
        let number = incarnation(&world);
        world.script.always.clear();
        world.set_class(|class| class.groups.ids = vec![aws::GROUP_DEFAULT.parse().unwrap()]);
        world.until(15_000, "the edited class is taken", |w| w.is_ready("web"));
        assert!(incarnation(&world) > number);
        world.rest();
        world.clear();
    }
}

#[test]
fn a_claim_whose_create_is_refused_for_good_can_be_deleted() {
    for (code, status) in [
        ("InvalidParameter", 400),
        ("SomethingNew", 400),
        ("UnauthorizedOperation", 403),
        ("InsufficientFreeAddressesInSubnet", 400),
    ] {
        let mut world = World::new();
        world
            .script
            .always
            .insert(CREATE, Verdict::Refuse(code, "no", status));
        world.add_pod("web", "n1");
        world.run(30_000);
        world.remove_pod("web");
        world.until(10_000, "it goes", |w| w.store.claims.is_empty());
        world.rest();
    }
}

#[test]
fn a_refused_request_is_not_repeated_faster_than_its_backoff() {
    let mut world = World::new();
    world
        .script
        .always
        .insert(CREATE, Verdict::Refuse("SomethingNew", "no", 400));
    world.add_pod("web", "n1");
    world.run(LONG);
    assert!(world.calls(CREATE) <= 10, "{}", world.calls(CREATE));
    assert!(world.told(Reason::Refused) <= 2);
}

#[test]
fn a_token_that_was_used_with_other_parameters_is_searched_for() {
    let mut world = World::new();
    world.script.once(
        CREATE,
        Verdict::Refuse("IdempotentParameterMismatch", "token", 400),
    );
    world.add_pod("web", "n1");
    world.until(120_000, "another incarnation", |w| w.is_ready("web"));
    assert_eq!(incarnation(&world), 2);
    let searched = world.log.reads.iter().map(|(at, _)| *at);
    assert!(searched.count() > 2);
    world.rest();
    world.clear();

    let mut world = World::new();
    world.script.once(CREATE, Verdict::LoseReply);
    world.script.once(
        CREATE,
        Verdict::Refuse("IdempotentParameterMismatch", "token", 400),
    );
    world.add_pod("web", "n1");
    world.until(60_000, "the mismatch", |w| w.calls(CREATE) == 2);
    adopts_the_first(world);
}

#[test]
fn a_throttled_or_unanswered_create_is_repeated_with_its_token() {
    for verdict in [
        Verdict::Refuse("RequestLimitExceeded", "slow down", 503),
        Verdict::Refuse("InternalError", "oops", 500),
        Verdict::Refuse("AuthFailure", "who are you", 401),
        Verdict::LoseCall,
        Verdict::LoseReply,
        Verdict::Late(4_000),
    ] {
        let mut world = World::new();
        world.script.once(CREATE, verdict.clone());
        world.add_pod("web", "n1");
        world.until(60_000, "it is repeated", |w| w.is_ready("web"));
        assert_eq!(incarnation(&world), 1, "{verdict:?}");
        world.rest();
        world.clear();
    }
}

#[test]
fn a_node_in_another_zone_gets_the_subnet_of_its_zone() {
    let mut world = World::new();
    world.add_node_in("n3", "m5.large", aws::SUBNET_ZONE_B);
    world.run(10 * SECOND);
    world.ready("web", "n3");
    let claim: &Claim = world.claim_of("web").unwrap();
    assert_eq!(
        claim.status.eni.as_ref().unwrap().subnet_id.as_str(),
        aws::SUBNET_ZONE_B
    );
    world.clear();
}

fn incarnation(world: &World) -> u32 {
    let claim = world.claim_of("web").unwrap();
    claim.status.creation.as_ref().unwrap().incarnation
}

#[test]
fn a_full_subnet_may_be_told_as_an_invalid_parameter() {
    let of = |message| classify("InvalidParameterValue", message, 400);
    assert_eq!(
        of("There aren't sufficient free Ipv4 addresses or prefixes"),
        ErrorClass::SubnetFull
    );
    assert_eq!(
        of("Value ( x ) for parameter y is invalid."),
        ErrorClass::Terminal
    );
}

//! What is refused for want of rights, addresses, slots or rate: one tries, the others wait, and nothing loops.

use operator_core::{MINUTE, Reason, SECOND, order::Action};
use vpc::{Attach, Create, Detach, Request, Response, world as aws};

use super::{ec2::Verdict, story::LONG, world::World};

const CREATE: Action = Action::CreateNetworkInterface;
const ATTACH: Action = Action::AttachNetworkInterface;

/// A big node, and so many pods on it.
fn pods(world: &mut World, count: usize) {
    world.add_node("big", "c6in.32xlarge");
    world.run(5 * SECOND);
    for n in 0..count {
        world.add_pod(&format!("p{n}"), "big");
    }
}

fn ready(world: &World, count: usize) -> usize {
    (0..count)
        .filter(|n| world.is_ready(&format!("p{n}")))
        .count()
}

#[test]
fn a_denied_action_is_tried_by_one_claim_at_a_time_and_all_go_on_once_it_is_allowed() {
    let mut world = World::new();
    world
        .vpc
        .settings
        .denied
        .insert(vpc::Action::CreateNetworkInterface);
    pods(&mut world, 10);
    world.run(LONG);
    let calls = world.calls(CREATE);
    assert!(calls <= 10 + 8, "{calls} denied calls");
    assert!(
        world.told(Reason::Denied) <= 2 * 10 + 2,
        "{}",
        world.told(Reason::Denied)
    );
    let denied = world.told(Reason::Denied);
    assert!(denied >= 1);
    world.vpc.settings.denied.clear();
    world.until(15 * MINUTE, "the prober", |w| ready(w, 10) > 0);
    world.until(MINUTE, "everybody else", |w| ready(w, 10) == 10);
    world.rest();
    world.clear();
}

#[test]
fn ready_claims_stay_ready_and_quiet_without_the_right_to_modify() {
    let mut world = World::new();
    world
        .vpc
        .settings
        .denied
        .insert(vpc::Action::ModifyNetworkInterfaceAttribute);
    pods(&mut world, 6);
    world.until(MINUTE, "ready", |w| ready(w, 6) == 6);
    world.run(LONG);
    let before = (world.log.writes.len(), world.log.events.len());
    let calls = world.calls(Action::ModifyNetworkInterfaceAttribute);
    world.run(LONG);
    assert!(world.calls(Action::ModifyNetworkInterfaceAttribute) - calls <= 4);
    assert!(world.log.writes.len() - before.0 <= 8, "status churn");
    assert!(world.log.events.len() - before.1 <= 12, "event churn");
    for n in 0..6 {
        let pod = format!("p{n}");
        assert_eq!(world.reason_of(&pod).as_deref(), Some("Ready"));
    }
}

#[test]
fn a_full_subnet_has_one_prober_and_serves_who_waits_once_there_are_addresses() {
    let mut world = World::new();
    world.set_class(|class| class.subnets.ids = vec![aws::SUBNET_SMALL.parse().unwrap()]);
    let fill: Vec<_> = (0..9)
        .map(|_| a_foreign_eni(&mut world, aws::SUBNET_SMALL))
        .collect();
    pods(&mut world, 8);
    world.until(30 * SECOND, "two have the last addresses", |w| {
        ready(w, 8) == 2
    });
    world.run(LONG);
    assert_eq!(ready(&world, 8), 2);
    let calls = world.calls(CREATE);
    assert!(calls <= 2 + 10, "{calls} Creates in a full subnet");
    assert!(world.told(Reason::SubnetFull) <= 6 * 2 + 1);
    world.run(LONG);
    assert!(
        world.calls(CREATE) - calls <= 4,
        "{}",
        world.calls(CREATE) - calls
    );
    for eni in fill {
        world.somebody(Request::DeleteNetworkInterface(eni));
    }
    world.until(MINUTE, "everybody", |w| ready(w, 8) == 8);
    world.rest();
    world.clear();
}

#[test]
fn the_next_subnet_of_the_class_is_taken_when_the_first_is_full() {
    let mut world = World::new();
    world.set_class(|class| {
        class.subnets.ids = vec![
            aws::SUBNET_SMALL.parse().unwrap(),
            aws::SUBNET_NODES.parse().unwrap(),
        ];
    });
    for _ in 0..11 {
        a_foreign_eni(&mut world, aws::SUBNET_SMALL);
    }
    world.ready("web", "n1");
    world.rest();
    world.clear();
}

pub fn a_foreign_eni(world: &mut World, subnet: &str) -> vpc::EniId {
    let made = world.somebody(Request::CreateNetworkInterface(Create {
        subnet: subnet.into(),
        address: None,
        counts: vpc::Counts::default(),
        groups: [].into(),
        description: String::new(),
        connection_tracking: vpc::ConnectionTracking::default(),
        tags: [].into(),
        client_token: None,
    }));
    let Response::Created(eni) = made else {
        panic!("{made:?}");
    };
    eni.id
}

#[test]
fn an_instance_that_is_full_of_other_enis_publishes_nothing_free_and_recovers() {
    let mut world = World::new();
    world.run(10 * SECOND);
    let instance = world.instance_of("n1");
    let mut foreign = Vec::new();
    for device in [1, 2] {
        let eni = a_foreign_eni(&mut world, aws::SUBNET_NODES);
        world.run(2 * SECOND);
        let attach = Attach {
            eni: eni.clone(),
            instance: instance.clone(),
            card: 0,
            device,
        };
        let Response::Attached { attachment, .. } =
            world.somebody(Request::AttachNetworkInterface(attach))
        else {
            panic!("not attached")
        };
        foreign.push(attachment);
    }
    world.add_pod("web", "n1");
    world.until(30 * SECOND, "told", |w| w.told(Reason::NodeFull) > 0);
    world.run(20 * SECOND);
    let free = world.store.reports[&"n1".into()].status.free;
    assert_eq!(free, Some(0), "nothing is free");
    let calls = world.calls(ATTACH);
    world.run(5 * MINUTE);
    assert!(
        world.calls(ATTACH) - calls <= 8,
        "{}",
        world.calls(ATTACH) - calls
    );
    for attachment in foreign {
        world.somebody(Request::DetachNetworkInterface(Detach::from(attachment)));
    }
    world.until(6 * MINUTE, "it gets its slot", |w| w.is_ready("web"));
    world.rest();
    let free = world.store.reports[&"n1".into()].status.free;
    assert_eq!(free, Some(1), "what was free is free again");
    world.clear();
}

/// Cases: A02.
#[test]
fn a_wrong_count_of_slots_is_corrected_by_what_ec2_says() {
    let mut world = World::new();
    world.script.once(
        ATTACH,
        Verdict::Refuse("AttachmentLimitExceeded", "full", 400),
    );
    world.add_pod("web", "n1");
    world.until(20 * SECOND, "told", |w| w.told(Reason::NodeFull) > 0);
    world.run(2 * SECOND);
    let report = &world.store.reports[&"n1".into()].status;
    assert_eq!(report.free, Some(0));
    world.until(2 * MINUTE, "tried again", |w| w.is_ready("web"));
    world.run(2 * MINUTE);
    let published = world.store.nodes[&"n1".into()].published;
    assert_eq!(published, (Some(2), Some(2)));
    world.clear();
}

/// Cases: A03.
#[test]
fn throttling_slows_down_and_everybody_is_served() {
    let mut world = World::new();
    world.vpc.settings.rate_percent = Some(4);
    pods(&mut world, 12);
    world.until(5 * MINUTE, "everybody", |w| ready(w, 12) == 12);
    world.rest();
    world.vpc.settings.rate_percent = Some(20);
    world.clear();
}

#[test]
fn a_quota_of_the_account_is_told_and_waited_for() {
    let mut world = World::new();
    world.run(5 * SECOND);
    world.vpc.settings.eni_limit = Some(0);
    pods_on(&mut world, &["a", "b"]);
    world.run(LONG);
    assert!(world.told(Reason::QuotaFull) >= 1);
    assert!(world.calls(CREATE) <= 20, "{}", world.calls(CREATE));
    world.vpc.settings.eni_limit = None;
    world.until(15 * MINUTE, "made", |w| w.is_ready("a") && w.is_ready("b"));
    world.clear();
}

fn pods_on(world: &mut World, names: &[&str]) {
    for name in names {
        world.add_pod(name, "n1");
    }
}

#[test]
fn when_ec2_hangs_no_more_calls_pile_up_and_the_writes_go_on() {
    let mut world = World::new();
    world.script.always.insert(CREATE, Verdict::LoseCall);
    for n in 0..12 {
        world.add_node(&format!("m{n}"), "c6in.32xlarge");
    }
    world.run(10 * SECOND);
    for n in 0..150 {
        world.add_pod(&format!("p{n}"), &format!("m{}", n % 12));
    }
    world.run(5 * SECOND);
    let hanging = world.ops[0].busy.len();
    assert!(hanging <= 55, "{hanging} orders hang");
    let frozen = world
        .store
        .claims
        .values()
        .filter(|c| c.status.creation.is_some());
    assert_eq!(frozen.count(), 150, "every claim says what it waits for");
}

#[test]
fn more_waiters_than_one_read_takes_are_served_fairly() {
    let mut world = World::new();
    world.vpc.delays.create_ms = 3_000;
    let subnets = [aws::SUBNET_NODES, aws::SUBNET_CONTROL];
    world.set_class(|class| class.subnets.ids = subnets.map(|s| s.parse().unwrap()).into());
    for n in 0..30 {
        world.add_node(&format!("m{n}"), "c6in.32xlarge");
    }
    world.run(10 * SECOND);
    for n in 0..300 {
        world.add_pod(&format!("p{n}"), &format!("m{}", n % 30));
    }
    // 60 Creates at once, then three a second; Attach 30 and three a second.
    world.run(110 * SECOND);
    assert_eq!(ready(&world, 300), 300);
    let reads = world.reads(Action::DescribeNetworkInterfaces);
    assert!(reads < 300, "{reads} reads for 300 claims");
    assert_eq!(world.calls(ATTACH), 300, "exactly one Attach a pod");
}

#[test]
fn queued_claims_say_which_place_they_have() {
    let mut world = World::new();
    for n in 0..20 {
        world.add_node(&format!("m{n}"), "c6in.32xlarge");
    }
    world.run(10 * SECOND);
    for n in 0..150 {
        world.add_pod(&format!("p{n}"), &format!("m{}", n % 20));
    }
    world.run(4 * SECOND);
    assert!(world.told(Reason::Queued) > 10);
    let queued = world.store.claims.values().filter(|c| {
        let ready = c.status.condition(api::condition::kind::READY);
        ready.is_some_and(|c| c.reason == "Queued" && c.message.contains("place "))
    });
    assert!(queued.count() > 10, "the claims say it too");
    world.run(MINUTE);
    assert_eq!(ready(&world, 150), 150);
    world.rest();
}

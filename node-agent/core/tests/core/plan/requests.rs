//! What a request of the plugin is answered, and when.

use node_agent_core::{
    claim::{ClaimKey, Place, Wait},
    facts::{LeaseRead, Operator, PlugState, Retry, Verb},
    mac::Mac,
    picture::PodSlot,
    plan::{Answer, LONGEST_ADD, NO_CLAIM, NO_PROGRESS, Order, Traces, plan},
};

use crate::makers::{
    Knowing, a_claim, a_plug, a_plug_key, a_pod, an_agent, bound_to, mac, not_attached, orders,
    plugged_place, plugs, released, saying,
};

pub(super) fn reason(orders: &[Order]) -> &str {
    match orders {
        [Order::Answer(_, Answer::Later(why) | Answer::Missing(why))] => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn waiting_pod_gets_its_device_without_a_report_before() {
    let facts = an_agent()
        .claim(a_claim())
        .device_on_host()
        .asked_to_add(1, "c1");
    assert_eq!(orders(&facts, 0), [plugs(1, "c1")]);
}

#[test]
fn plugged_device_is_answered_once_it_was_done_for_this_request() {
    let mut facts = an_agent()
        .claim(saying(a_claim(), plugged_place()))
        .plug("c1", a_plug(PlugState::Plugged))
        .asked_to_add(1, "c1");
    facts.requests.get_mut(&1).unwrap().done.insert(mac());
    let added = Order::Answer(1, Answer::Added(vec![mac()]));
    assert_eq!(orders(&facts, 0), [added]);
}

#[test]
fn repeated_add_is_plugged_again_and_so_is_one_after_a_restart() {
    for state in [PlugState::Plugged, PlugState::Plugging] {
        let facts = an_agent()
            .claim(saying(a_claim(), plugged_place()))
            .plug("c1", a_plug(state))
            .asked_to_add(1, "c1");
        assert_eq!(orders(&facts, 0), [plugs(1, "c1")]);
    }
}

#[test]
fn pod_with_two_claims_gets_both_in_slots_of_their_own_and_one_answer() {
    let other_mac: Mac = "02:00:00:00:00:0b".parse().unwrap();
    let mut second = a_claim();
    second.key = ClaimKey {
        namespace: "shop".into(),
        name: "web-0-fghij".into(),
    };
    second.eni.as_mut().unwrap().mac = other_mac;
    second.interface.name = "eni1".into();
    let mut facts = an_agent()
        .claim(a_claim())
        .claim(second)
        .device_on_host()
        .asked_to_add(1, "c1");
    facts.arrived(other_mac, 0);
    let slots: Vec<_> = orders(&facts, 0)
        .iter()
        .map(|order| match order {
            Order::Plug { key, slot, .. } => (key.mac, *slot),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(slots, [(mac(), PodSlot(0)), (other_mac, PodSlot(1))]);

    let mut done = facts.plug("c1", a_plug(PlugState::Plugged));
    done.devices.clear();
    done.requests.get_mut(&1).unwrap().done.insert(mac());
    assert!(
        !orders(&done, 0)
            .iter()
            .any(|o| matches!(o, Order::Answer(..)))
    );
    let (mut plug, mut plug_key) = (a_plug(PlugState::Plugged), a_plug_key("c1"));
    (plug.slot, plug_key.mac) = (PodSlot(1), other_mac);
    done.plugs.insert(plug_key, plug);
    done.requests.get_mut(&1).unwrap().done.insert(other_mac);
    let both = Order::Answer(1, Answer::Added(vec![mac(), other_mac]));
    assert!(orders(&done, 0).contains(&both));
}

#[test]
fn nothing_is_moved_for_a_pod_one_of_whose_claims_is_blocked() {
    let mut second = not_attached(a_claim());
    second.key.name = "web-0-fghij".into();
    second.waits_for = Wait::Blocked("SubnetFull: no free address".into());
    let facts = an_agent()
        .claim(a_claim())
        .claim(second)
        .device_on_host()
        .asked_to_add(1, "c1");
    assert!(reason(&orders(&facts, 0)).contains("shop/web-0-fghij is not ready: SubnetFull"));
}

#[test]
fn stale_claim_of_the_same_pod_keeps_nobody_waiting() {
    let mut stale = released(a_claim());
    stale.key.name = "web-0-aaaaa".into();
    stale.eni.as_mut().unwrap().mac = "02:00:00:00:00:0b".parse().unwrap();
    let facts = an_agent()
        .claim(saying(stale, Place::Released))
        .claim(a_claim())
        .device_on_host()
        .asked_to_add(1, "c1");
    assert_eq!(orders(&facts, 0), [plugs(1, "c1")]);
}

#[test]
fn pod_of_another_name_with_the_same_uid_is_another_pod() {
    let mut claim = a_claim();
    claim.pod.as_mut().unwrap().name = "forged".into();
    let facts = an_agent()
        .claim(saying(claim, Place::Seen))
        .device_on_host()
        .asked_to_add(1, "c1");
    assert_eq!(orders(&facts, 0), [Order::ReadLease]);
}

/// Cases: A05.
#[test]
fn device_before_its_attachment_is_known_is_left_alone() {
    let facts = an_agent()
        .claim(not_attached(a_claim()))
        .device_on_host()
        .asked_to_add(1, "c1");
    assert_eq!(orders(&facts, 0), []);
}

#[test]
fn claim_of_another_pod_is_never_plugged_and_its_absence_is_soon_answered() {
    for (uid, namespace) in [("u-2", "shop"), ("u-1", "other")] {
        let mut claim = a_claim();
        claim.pod = Some(bound_to(uid));
        claim.key.namespace = namespace.into();
        let facts = an_agent()
            .claim(saying(claim, Place::Seen))
            .device_on_host()
            .asked_to_add(1, "c1");
        assert_eq!(plan(&facts, 0).wake_at, Some(NO_CLAIM), "{uid} {namespace}");
        let late = plan(&facts, NO_CLAIM).orders;
        let sentence = "no EniClaim on this node is bound to pod shop/web-0 (u-1)";
        assert!(
            matches!(&late[..], [Order::ReadLease, Order::Answer(1, Answer::Later(why))] if why == sentence),
            "{late:?}"
        );
    }
}

#[test]
fn absent_claim_is_answered_with_the_state_of_the_operator() {
    let mut facts = an_agent().asked_to_add(1, "c1");
    assert_eq!(orders(&facts, 0), [Order::ReadLease]);
    facts.operator = Some(LeaseRead::Begun);
    assert_eq!(orders(&facts, 0), []);
    for (operator, part) in [
        (Operator::Running, "the label eniclaim.io/class"),
        (Operator::Stopped { seconds: 43 }, "renewed 43 seconds ago"),
        (Operator::Missing, "no eniclaim-operator has run"),
        (
            Operator::Unknown("timed out".into()),
            "cannot be read: timed out",
        ),
    ] {
        facts.operator = Some(LeaseRead::Ended(5, operator));
        assert_eq!(orders(&facts, 5), [], "it may come");
        let late = orders(&facts, NO_CLAIM);
        assert!(reason(&late).contains(part), "{late:?}");
    }
    facts.requests.get_mut(&1).unwrap().since = 6;
    assert_eq!(
        orders(&facts, 6),
        [Order::ReadLease],
        "an old answer proves nothing"
    );
}

#[test]
fn released_attachment_is_never_plugged() {
    let facts = an_agent()
        .claim(saying(released(a_claim()), Place::Released))
        .device_on_host()
        .asked_to_add(1, "c1");
    assert!(reason(&orders(&facts, 0)).contains("released"));
}

#[test]
fn claim_that_is_blocked_is_answered_at_once() {
    let mut claim = not_attached(a_claim());
    claim.waits_for = Wait::Blocked("the subnets of class web have no free address".into());
    let facts = an_agent().claim(claim).asked_to_add(1, "c1");
    let sentence =
        "EniClaim shop/web-0-abcde is not ready: the subnets of class web have no free address";
    assert_eq!(reason(&orders(&facts, 0)), sentence);
}

#[test]
fn add_of_another_instances_attachment_is_answered_at_once() {
    let mut facts = an_agent()
        .claim(a_claim())
        .device_on_host()
        .asked_to_add(1, "c1");
    facts.instance = Some("i-2".into());
    assert!(
        reason(&orders(&facts, 0))
            .contains("attached to instance i-1, and this node is instance i-2")
    );
    facts.instance = None;
    assert_eq!(orders(&facts, 0), []);
}

/// Cases: M03.
#[test]
fn waiting_add_is_answered_when_nothing_moves() {
    let facts = an_agent()
        .claim(not_attached(a_claim()))
        .asked_to_add(1, "c1");
    assert_eq!(orders(&facts, NO_PROGRESS - 1), []);
    assert_eq!(plan(&facts, 0).wake_at, Some(NO_PROGRESS));
    assert!(reason(&orders(&facts, NO_PROGRESS)).contains("the ENI is being attached"));
}

#[test]
fn progress_prolongs_the_wait_up_to_the_end() {
    let mut facts = an_agent()
        .claim(not_attached(a_claim()))
        .asked_to_add(1, "c1");
    facts.learn(a_claim(), NO_PROGRESS - 1);
    assert_eq!(orders(&facts, NO_PROGRESS), []);
    assert_eq!(plan(&facts, NO_PROGRESS).wake_at, Some(LONGEST_ADD));
    let late = orders(&facts, LONGEST_ADD);
    assert_eq!(
        reason(&late),
        "EniClaim shop/web-0-abcde is not ready: eni-0123abcd is attached, but its device with MAC address 02:00:00:00:00:0a has not appeared on this node"
    );

    facts.requests.get_mut(&1).unwrap().since = 10_000;
    facts.learn(a_claim(), 2 * NO_PROGRESS - 2);
    let late = orders(&facts, 2 * NO_PROGRESS - 1);
    assert!(
        reason(&late).contains("has not appeared"),
        "the same again is no progress"
    );
}

#[test]
fn del_returns_the_device_and_needs_no_claim() {
    let mut facts = an_agent()
        .plug("c1", a_plug(PlugState::Plugged))
        .asked_to_del(1, "c1");
    facts.listed = false;
    facts.instance = None;
    assert_eq!(
        orders(&facts, 0),
        [Order::Unplug(a_plug_key("c1"), Traces::Leave)]
    );
}

#[test]
fn del_succeeds_after_two_failures_and_the_device_is_tried_again_later() {
    let mut plug = a_plug(PlugState::Unplugging);
    plug.observed.retry = Retry {
        failures: 2,
        at: 5_000,
    };
    let facts = an_agent().plug("c1", plug).asked_to_del(1, "c1");
    assert_eq!(orders(&facts, 0), [Order::Answer(1, Answer::Deleted)]);
    let mut answered = facts;
    answered.requests.clear();
    assert_eq!(orders(&answered, 4_999), []);
    let unplug = Order::Unplug(a_plug_key("c1"), Traces::Remove);
    assert_eq!(orders(&answered, 5_000), [unplug]);
}

#[test]
fn del_ends_an_add_at_once_and_waits_for_what_is_being_done_for_it() {
    let waiting = an_agent()
        .claim(not_attached(a_claim()))
        .asked_to_add(1, "c1")
        .asked_to_del(2, "c1");
    let ended = orders(&waiting, 0);
    assert!(
        matches!(
            &ended[..],
            [
                Order::Answer(1, Answer::Later(_)),
                Order::Answer(2, Answer::Deleted)
            ]
        ),
        "{ended:?}"
    );

    let mut busy = an_agent()
        .claim(a_claim())
        .plug("c1", a_plug(PlugState::Plugging))
        .asked_to_add(1, "c1")
        .asked_to_del(2, "c1");
    busy.busy.insert(mac());
    assert_eq!(
        reason(&orders(&busy, 0)),
        "the sandbox is being deleted",
        "the ADD alone is answered"
    );
}

#[test]
fn add_behind_a_del_that_does_not_end_is_answered_in_its_time() {
    let mut facts = an_agent()
        .claim(a_claim())
        .plug("c1", a_plug(PlugState::Unplugging))
        .asked_to_del(1, "c1")
        .asked_to_add(2, "c1");
    facts.busy.insert(mac());
    assert_eq!(orders(&facts, LONGEST_ADD - 1), []);
    assert_eq!(plan(&facts, 0).wake_at, Some(LONGEST_ADD));
    let late = orders(&facts, LONGEST_ADD);
    assert!(
        matches!(&late[..], [Order::Answer(2, Answer::Later(why))] if why.contains("an earlier request")),
        "{late:?}"
    );
}

#[test]
fn two_dels_end_a_waiting_add_once() {
    let facts = an_agent()
        .claim(not_attached(a_claim()))
        .asked_to_add(1, "c1")
        .asked_to_del(2, "c1")
        .asked_to_del(3, "c1");
    let answered: Vec<_> = orders(&facts, 0)
        .iter()
        .map(|order| match order {
            Order::Answer(id, _) => *id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(answered, [1, 2, 3]);
}

#[test]
fn check_looks_once_and_answers() {
    let mut facts = an_agent()
        .claim(saying(a_claim(), plugged_place()))
        .plug("c1", a_plug(PlugState::Plugged))
        .asked(1, "c1", Verb::Check(a_pod().into()));
    let check = Order::Check {
        request: 1,
        key: a_plug_key("c1"),
    };
    assert_eq!(orders(&facts, 0), [check]);
    facts.requests.get_mut(&1).unwrap().done.insert(mac());
    assert_eq!(orders(&facts, 0), [Order::Answer(1, Answer::Checked)]);
}

#[test]
fn check_of_what_is_not_there_says_so_at_once() {
    let agent = || an_agent().asked(1, "c1", Verb::Check(a_pod().into()));
    assert!(
        reason(&orders(&agent(), 0))
            .contains("no EniClaim on this node is bound to pod shop/web-0")
    );
    let away = agent()
        .claim(saying(a_claim(), plugged_place()))
        .plug("c2", a_plug(PlugState::Plugged));
    let answer = orders(&away, 0);
    assert!(
        matches!(&answer[..], [Order::Answer(1, Answer::Missing(why)), ..] if why.contains("the interface of EniClaim shop/web-0-abcde is not in the pod")),
        "{answer:?}"
    );
}

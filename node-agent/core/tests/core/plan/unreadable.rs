//! What a claim means that cannot be read.

use node_agent_core::{
    facts::{PlugState, Verb},
    plan::{Answer, NO_CLAIM, Order, Traces, plan},
};

use super::requests::reason;
use crate::makers::{
    Knowing, a_claim, a_plug, a_plug_key, a_pod, an_agent, an_unreadable_claim, bound_to, orders,
};

#[test]
fn claim_that_cannot_be_read_is_named_after_a_moment_and_moves_nothing() {
    let sentence = "EniClaim shop/web-0-abcde cannot be read: unknown variant `Unheard`; correct it, or if a newer version wrote it, update the eniclaim-agent";
    let mut facts = an_agent()
        .claim(a_claim())
        .plug("c1", a_plug(PlugState::Plugged))
        .asked_to_add(1, "c2");
    facts.learn_unreadable(an_unreadable_claim(Some(bound_to("u-1"))));
    assert_eq!(orders(&facts, NO_CLAIM - 1), []);
    assert_eq!(plan(&facts, 0).wake_at, Some(NO_CLAIM));
    assert_eq!(reason(&orders(&facts, NO_CLAIM)), sentence);

    let mut check = facts.clone().asked(2, "c1", Verb::Check(a_pod().into()));
    check.requests.remove(&1);
    let later = Order::Answer(2, Answer::Later(sentence.into()));
    assert_eq!(orders(&check, 0), [later], "nothing is known to differ");

    facts.learn(a_claim(), 0);
    let again = Order::Unplug(a_plug_key("c1"), Traces::Remove);
    assert_eq!(orders(&facts, 0), [again]);
}

#[test]
fn claim_of_nobody_knows_whom_is_named_to_pods_that_have_none() {
    let mut facts = an_agent().asked_to_add(1, "c1");
    facts.list(vec![Err(an_unreadable_claim(None))], 0);
    assert!(reason(&orders(&facts, NO_CLAIM)).contains("shop/web-0-abcde cannot be read"));
    facts.list(vec![Err(an_unreadable_claim(Some(bound_to("u-2"))))], 0);
    assert_eq!(orders(&facts, 0), [Order::ReadLease], "that of another pod");

    facts = facts.device_on_host();
    facts.learn_unreadable(an_unreadable_claim(None));
    let mut other = a_claim();
    other.key.name = "web-0-fghij".into();
    facts.learn(other, 0);
    assert!(matches!(orders(&facts, 0)[..], [Order::Plug { .. }]));
}

//! What another plugin's request for addresses is answered.

use node_agent_core::{claim::Wait, facts::Facts, plan::addresses};

use crate::makers::{
    Knowing, a_claim, a_pod, an_agent, an_interface, an_unreadable_claim, bound_to, not_attached,
    released,
};

fn refused(facts: &Facts) -> String {
    addresses(facts, &a_pod(), "eth0").unwrap_err()
}

#[test]
fn addresses_are_those_of_the_pods_claim_wherever_the_device_is() {
    let facts = an_agent().claim(a_claim());
    assert_eq!(addresses(&facts, &a_pod(), "eth0"), Ok(&an_interface()));
    let facts = facts.device_on_host();
    assert_eq!(addresses(&facts, &a_pod(), "net1"), Ok(&an_interface()));
}

#[test]
fn what_is_not_there_is_refused_at_once_with_its_reason() {
    assert!(refused(&an_agent()).contains("no EniClaim on this node is bound to pod shop/web-0"));
    assert!(refused(&Facts::default()).contains("no list of EniClaims"));
    let waiting = not_attached(a_claim());
    assert!(refused(&an_agent().claim(waiting)).contains("the ENI is being attached"));
    let mut blocked = not_attached(a_claim());
    blocked.waits_for = Wait::Blocked("SubnetFull".into());
    assert!(refused(&an_agent().claim(blocked)).contains("SubnetFull"));
    assert!(refused(&an_agent().claim(released(a_claim()))).contains("is released"));
    let mut elsewhere = a_claim();
    elsewhere.attachment.as_mut().unwrap().instance = "i-2".into();
    assert!(refused(&an_agent().claim(elsewhere)).contains("attached to instance i-2"));
    let mut unreadable = an_agent();
    unreadable.learn_unreadable(an_unreadable_claim(Some(bound_to("u-1"))));
    assert!(refused(&unreadable).contains("cannot be read"));
}

#[test]
fn of_several_enis_the_one_with_the_name_of_the_interface_is_meant() {
    let mut second = a_claim();
    second.key.name = "web-0-fghij".into();
    second.interface.name = "net1".into();
    second.interface.addresses[0].ip = "10.0.2.60".parse().unwrap();
    let facts = an_agent().claim(a_claim()).claim(second.clone());
    assert_eq!(addresses(&facts, &a_pod(), "net1"), Ok(&second.interface));
    assert!(refused(&facts).contains("several ENIs and none for eth0"));
}

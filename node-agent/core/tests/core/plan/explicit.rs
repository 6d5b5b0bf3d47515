//! ENIs that the configuration of a network names: without a claim, an instance or an API server.

use node_agent_core::{
    claim::{DhcpMode, Eni, Interface},
    facts::{Explicit, Facts, Liveness, Origin, Plug, PlugKey, PlugState, Sandbox, Verb, Wanted},
    mac::Mac,
    picture::PodSlot,
    plan::{Answer, Keep, Order, Traces, leases, plan},
};

use crate::makers::{a_claim, a_plug, a_plug_key, a_sandbox, mac, orders};

fn an_interface() -> Interface {
    a_claim().interface
}

fn explicit(mac: Mac) -> Wanted {
    Wanted::Explicit(Box::new(Explicit {
        eni: Eni {
            id: "eni-0123abcd".into(),
            mac,
        },
        interface: an_interface(),
    }))
}

fn an_explicit_plug(state: PlugState) -> Plug {
    Plug {
        origin: Origin::Explicit(Box::new(an_interface())),
        ..a_plug(state)
    }
}

fn asking(id: u64, verb: Verb) -> Facts {
    let mut facts = Facts::default();
    facts.ask(id, a_sandbox("c1"), verb, 0);
    facts
}

fn plugs(container: &str) -> Order {
    Order::Plug {
        request: 1,
        origin: Origin::Explicit(Box::new(an_interface())),
        eni: "eni-0123abcd".into(),
        key: a_plug_key(container),
        slot: PodSlot(0),
    }
}

#[test]
fn device_on_the_host_is_plugged_and_the_add_is_answered() {
    let mut facts = asking(1, Verb::Add(explicit(mac())));
    facts.arrived(mac(), 0);
    assert_eq!(orders(&facts, 0), [plugs("c1")]);
    facts.devices.clear();
    let plug = an_explicit_plug(PlugState::Plugging);
    facts.plugs.insert(a_plug_key("c1"), plug);
    facts.requests.get_mut(&1).unwrap().done.insert(mac());
    let added = Order::Answer(1, Answer::Added(vec![mac()]));
    assert_eq!(orders(&facts, 0), [added]);
}

#[test]
fn device_that_is_not_there_is_looked_for_in_the_pod_and_named() {
    let mut facts = asking(1, Verb::Add(explicit(mac())));
    assert_eq!(orders(&facts, 0), [plugs("c1")], "as a borrowed one");
    facts.requests.get_mut(&1).unwrap().missed.insert(mac());
    let why = format!(
        "ENI eni-0123abcd is not ready: no ENI with MAC address {} is on this node; attach it first",
        mac()
    );
    assert_eq!(orders(&facts, 0), [Order::Answer(1, Answer::Later(why))]);
}

#[test]
fn add_again_makes_sure_of_what_is_there() {
    let mut facts = asking(1, Verb::Add(explicit(mac())));
    let plug = an_explicit_plug(PlugState::Plugged);
    facts.plugs.insert(a_plug_key("c1"), plug);
    assert_eq!(orders(&facts, 0), [plugs("c1")]);
}

#[test]
fn container_that_lives_keeps_its_device_and_a_dead_one_gives_it_up() {
    let mut facts = asking(1, Verb::Add(explicit(mac())));
    let plug = an_explicit_plug(PlugState::Plugged);
    facts.plugs.insert(a_plug_key("c0"), plug);
    let why = "ENI eni-0123abcd is not ready: container c0 has its device; delete that first";
    let refused = Order::Answer(1, Answer::Later(why.into()));
    assert_eq!(orders(&facts, 0), [refused]);
    let plug = facts.plugs.get_mut(&a_plug_key("c0")).unwrap();
    plug.observed.liveness = Liveness::Dead;
    let returned = Order::Unplug(a_plug_key("c0"), Traces::Leave);
    assert_eq!(orders(&facts, 0), [returned]);
}

#[test]
fn two_networks_of_a_container_do_not_share_a_slot() {
    let second: Mac = "02:00:00:00:00:02".parse().unwrap();
    let other = Sandbox {
        if_name: "eth1".into(),
        ..a_sandbox("c1")
    };
    let mut facts = Facts::default();
    facts.ask(1, a_sandbox("c1"), Verb::Add(explicit(mac())), 0);
    facts.ask(2, other, Verb::Add(explicit(second)), 0);
    facts.arrived(mac(), 0);
    facts.arrived(second, 0);
    let slots: Vec<_> = orders(&facts, 0)
        .into_iter()
        .map(|order| match order {
            Order::Plug { key, slot, .. } => (key.mac, slot),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(slots, [(mac(), PodSlot(0)), (second, PodSlot(1))]);
}

#[test]
fn del_and_the_end_of_the_namespace_bring_it_home_and_nothing_else_does() {
    let plugged = || {
        let plugs = [(a_plug_key("c1"), an_explicit_plug(PlugState::Plugged))];
        Facts::of_journal(plugs.into())
    };
    let at_rest = plugged();
    assert_eq!(plan(&at_rest, 1_000_000).orders, [], "no claim is missed");
    let mut listed = plugged();
    listed.list(vec![], 0);
    assert_eq!(orders(&listed, 0), []);
    let mut deleted = plugged();
    deleted.ask(1, a_sandbox("c1"), Verb::Del, 0);
    let returned = |traces| Order::Unplug(a_plug_key("c1"), traces);
    assert_eq!(orders(&deleted, 0), [returned(Traces::Leave)]);
    let mut dead = plugged();
    let plug = dead.plugs.get_mut(&a_plug_key("c1")).unwrap();
    plug.observed.liveness = Liveness::Dead;
    assert_eq!(orders(&dead, 0), [returned(Traces::Leave)]);
}

#[test]
fn check_compares_what_was_plugged() {
    let mut facts = asking(1, Verb::Check(explicit(mac())));
    let missing = Answer::Missing("the interface of ENI eni-0123abcd is not in the pod".into());
    assert_eq!(orders(&facts, 0), [Order::Answer(1, missing)]);
    let plug = an_explicit_plug(PlugState::Plugged);
    let key = a_plug_key("c1");
    facts.plugs.insert(key.clone(), plug);
    let check = Order::Check { request: 1, key };
    assert_eq!(orders(&facts, 0), [check]);
}

#[test]
fn its_lease_is_kept_as_that_of_a_claim() {
    let mut plug = an_explicit_plug(PlugState::Plugged);
    let mut interface = an_interface();
    interface.dhcp.ipv4 = DhcpMode::Maintain;
    plug.origin = Origin::Explicit(Box::new(interface));
    let key: PlugKey = a_plug_key("c1");
    let facts = Facts::of_journal([(key, plug)].into());
    let Some(Keep::These(wanted)) = leases(&facts).remove(&mac()) else {
        panic!("no lease is kept");
    };
    assert!(wanted.ipv4.is_some() && wanted.ipv6.is_none());
    assert_eq!((wanted.place.claim, wanted.place.pod), (None, None));
}

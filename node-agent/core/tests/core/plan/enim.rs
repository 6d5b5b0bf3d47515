//! Addresses of a pod's claim, for a plugin that moves its device afterwards.

use node_agent_core::{
    facts::{Facts, Verb, Wanted},
    plan::{Answer, Given, Order, plan},
    replaced::{self, AddressesAsked},
};

use crate::makers::{Knowing, a_claim, a_pod, an_agent, mac, not_attached, orders, read, released};

fn configured(text: &str, ip: Option<&str>) -> Result<AddressesAsked, String> {
    let read = replaced::read(replaced::Configuration {
        plugin: "enim",
        text,
        if_name: "eth0",
        pod: Some(a_pod()),
        ip,
    });
    match read?.wanted {
        Wanted::Addresses(asked) => Ok(*asked),
        other => panic!("{other:?}"),
    }
}

fn asking(facts: Facts, text: &str, ip: Option<&str>) -> Facts {
    let asked = configured(text, ip).unwrap();
    facts.asked(1, "c1", Verb::Add(Wanted::Addresses(Box::new(asked))))
}

const USUAL: &str = r#"{"cniVersion":"1.0.0","name":"n","ipam":{"type":"enim"}}"#;
const MOVES: &str =
    r#"{"cniVersion":"1.0.0","name":"n","type":"exclusive-device","ipam":{"type":"enim"}}"#;

fn given(facts: &Facts) -> Given {
    match orders(facts, 0).as_slice() {
        [Order::Answer(1, Answer::Addresses(given))] => (**given).clone(),
        other => panic!("{other:?}"),
    }
}

fn routes(given: &Given) -> Vec<String> {
    let routes = given.routes.iter();
    routes.map(|(to, via)| format!("{to} via {via}")).collect()
}

#[test]
fn whoever_moves_the_device_gets_the_addresses_once_it_is_here_and_others_at_once() {
    let facts = asking(an_agent().claim(a_claim()), USUAL, None);
    let alone = given(&facts);
    assert_eq!(alone.device, None);
    assert_eq!(routes(&alone), ["0.0.0.0/0 via 10.0.1.1"]);
    let facts = asking(an_agent().claim(a_claim()), MOVES, None);
    let waiting = plan(&facts, 0);
    assert!(
        waiting.orders.is_empty() && waiting.wake_at.is_some(),
        "{waiting:?}"
    );
    assert_eq!(given(&facts.device_on_host()).device, Some(mac()));
}

#[test]
fn claim_is_awaited_as_by_an_add_of_ours() {
    for facts in [an_agent(), an_agent().claim(not_attached(a_claim()))] {
        let waiting = plan(&asking(facts, MOVES, None), 0);
        let answers = |order: &Order| matches!(order, Order::Answer(..));
        assert!(
            !waiting.orders.iter().any(answers) && waiting.wake_at.is_some(),
            "{waiting:?}"
        );
    }
    let facts = asking(an_agent().claim(released(a_claim())), MOVES, None);
    let is_refused = |order: &Order| matches!(order, Order::Answer(1, Answer::Later(why)) if why.contains("released"));
    assert!(orders(&facts, 0).iter().any(is_refused));
}

#[test]
fn routes_without_a_router_get_that_of_the_family_and_a_default_replaces_the_usual_one() {
    let text = r#"{"ipam":{"type":"enim","routes":[{"dst":"10.1.0.0/16","gw":"10.0.1.7"},{"dst":"10.2.0.1"},{"dst":"fd00::/8","gw":"fe80::1"},{"dst":"0.0.0.0/0","gw":"10.0.1.9"}]}}"#;
    let given = given(&asking(an_agent().claim(a_claim()), text, None));
    // There is no IPv6 on the interface.
    let expected = [
        "10.1.0.0/16 via 10.0.1.7",
        "10.2.0.1/32 via 10.0.1.1",
        "0.0.0.0/0 via 10.0.1.9",
    ];
    assert_eq!(routes(&given), expected);
}

#[test]
fn address_that_is_asked_for_is_the_claims_or_the_answer_says_where_it_stands() {
    let with = |section: &str| format!(r#"{{"ipam":{{"type":"enim"}},{section}}}"#);
    for (text, ip) in [
        (USUAL.to_owned(), Some("10.0.1.50")),
        (with(r#""args":{"cni":{"ips":["10.0.1.50"]}}"#), None),
        (with(r#""runtimeConfig":{"ips":["10.0.1.50/24"]}"#), None),
        (
            with(
                r#""runtimeConfig":{"ipRanges":[[{"subnet":"10.9.0.0/16"},{"subnet":"10.0.1.0/24"}]]}"#,
            ),
            None,
        ),
        (
            with(
                r#""runtimeConfig":{"ipRanges":[[{"subnet":"10.0.1.0/24","rangeStart":"10.0.1.50","rangeEnd":"10.0.1.50"}]]}"#,
            ),
            None,
        ),
    ] {
        given(&asking(an_agent().claim(a_claim()), &text, ip));
    }
    for (text, ip, expected) in [
        (
            USUAL.to_owned(),
            Some("10.0.1.51"),
            "ip in CNI_ARGS asks for 10.0.1.51, and its ENI has 10.0.1.50",
        ),
        (
            with(r#""args":{"cni":{"ips":["10.0.1.98"]}}"#),
            None,
            "args.cni.ips asks for 10.0.1.98",
        ),
        (
            with(r#""runtimeConfig":{"ips":["10.0.1.97/24"]}"#),
            None,
            "runtimeConfig.ips asks for 10.0.1.97",
        ),
        (
            with(r#""runtimeConfig":{"ipRanges":[[{"subnet":"10.9.0.0/16"}]]}"#),
            None,
            "in a range that runtimeConfig.ipRanges asks for",
        ),
        (
            with(
                r#""runtimeConfig":{"ipRanges":[[{"subnet":"10.0.1.0/24","rangeEnd":"10.0.1.49"}]]}"#,
            ),
            None,
            "runtimeConfig.ipRanges",
        ),
    ] {
        let facts = asking(an_agent().claim(a_claim()), &text, ip);
        match orders(&facts, 0).as_slice() {
            [Order::Answer(1, Answer::Later(why))] => assert!(why.contains(expected), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_written_wrong_is_refused_with_the_name_of_its_key() {
    for (text, sentence) in [
        (r#"{"cniVersion":"1.0.0","name":"n"}"#, "ipam is missing"),
        (
            r#"{"ipam":{"type":"enim","routes":[{"gw":"10.0.1.1"}]}}"#,
            "a route has no dst",
        ),
        (
            r#"{"ipam":{"type":"enim","routes":[{"dst":"ten"}]}}"#,
            "routes \"ten\" is no IP address",
        ),
        (
            r#"{"ipam":{"type":"enim"},"runtimeConfig":{"ips":"10.0.1.50"}}"#,
            "ips \"10.0.1.50\" must be a list",
        ),
        (
            r#"{"ipam":{"type":"enim"},"runtimeConfig":{"ipRanges":[{"subnet":"10.0.1.0/24"}]}}"#,
            "must be a list of lists",
        ),
        (
            r#"{"ipam":{"type":"enim"},"runtimeConfig":{"ipRanges":[[{"subnet":"10.0.1.0"}]]}}"#,
            "is no subnet",
        ),
    ] {
        let error = read("enim", text).unwrap_err();
        assert!(error.contains(sentence), "{text}: {error}");
    }
    let asked = read(
        "enim",
        r#"{"ipam":{"type":"enim","enable-debug":true,"colour":"red"}}"#,
    );
    assert_eq!(
        asked.unwrap().warnings,
        ["unknown key \"colour\" has no effect"]
    );
}

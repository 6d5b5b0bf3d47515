//! What a test can make DHCP do.

use std::time::{Duration, Instant};

use dhcproto::v4::{DhcpOption, MessageType, OptionCode};
use serde_json::{Value, json};

use super::{
    Bare,
    client::{Client, a_message, a_request, gist, option},
    pairs,
};

fn refused(pod: &Bare, path: &str, body: &Value) -> String {
    let (status, refusal) = pod.machine.sim("POST", path, &body.to_string());
    assert_eq!(status, 400, "{refusal}");
    refusal["error"].as_str().unwrap().to_owned()
}

#[test]
fn settings_change_what_is_leased_and_whether_anybody_is_answered() {
    let pod = Bare::with(&[], "");
    let client = Client::new(&pod.netns, "eni0");
    let discover = |xid| client.say(&a_message(MessageType::Discover, &pod.mac, xid));
    pod.post("/sim/settings", &json!({ "dhcp": { "answers": false } }));
    discover(1);
    pod.hears("the first", |heard| heard["xid"] == 1);
    let settings = json!({ "dhcp": {
        "leaseSeconds": 6, "domainNameServers": ["192.0.2.53"], "domainName": "example.com",
        "ntpServers": ["169.254.169.123"], "addresses": { pod.eni.as_str(): "10.0.1.99" },
    }});
    let shown = pod.post("/sim/settings", &settings);
    assert_eq!(shown["dhcp"]["preferredSeconds"], 140);
    discover(2);
    let offer = client.hear();
    assert_eq!(
        gist(&offer),
        (MessageType::Offer, 2, "10.0.1.99".to_owned())
    );
    for wanted in [
        DhcpOption::AddressLeaseTime(6),
        DhcpOption::DomainNameServer(vec![[192, 0, 2, 53].into()]),
        DhcpOption::DomainName("example.com".to_owned()),
        DhcpOption::NtpServers(vec![[169, 254, 169, 123].into()]),
    ] {
        assert_eq!(option(&offer, OptionCode::from(&wanted)), Some(wanted));
    }
    client.say(&a_request(&pod.mac, 3, "10.0.1.99"));
    assert_eq!(gist(&client.hear()).0, MessageType::Ack);
    client.say(&a_request(&pod.mac, 4, &pod.address()));
    assert_eq!(gist(&client.hear()).0, MessageType::Nak);
    let counts = pod.machine.sim("GET", "/sim/dhcp/counts", "").1;
    let wanted = json!({ pod.eni.as_str(): { "DHCPDISCOVER": 2, "DHCPREQUEST": 2 } });
    assert_eq!(counts, wanted);
    let since = pod
        .machine
        .sim("GET", "/sim/dhcp?since=1&message=DHCPDISCOVER", "")
        .1;
    assert_eq!(since.as_array().unwrap().len(), 1, "{since}");
}

#[test]
fn one_answer_becomes_those_that_were_ordered() {
    let pod = Bare::with(&[], "");
    let client = Client::new(&pod.netns, "eni0");
    let (mac, address) = (&pod.mac, pod.address());
    let order = |message: &str, answers: Value| {
        let fault = json!({ "eni": pod.eni, "message": message, "answers": answers });
        pod.post("/sim/dhcp/faults", &fault)
    };
    order(
        "DHCPDISCOVER",
        json!([{ "forged": ["xid"] }, { "delayMs": 100, "forged": ["client"] },
            { "delayMs": 200, "forged": ["serverId"] }, { "delayMs": 300 }, { "delayMs": 300 }]),
    );
    client.say(&a_message(MessageType::Discover, mac, 6));
    let offers: Vec<_> = (0..5).map(|_| client.hear()).collect();
    assert_eq!(
        offers
            .iter()
            .map(dhcproto::v4::Message::xid)
            .collect::<Vec<_>>(),
        [7, 6, 6, 6, 6]
    );
    let macs: Vec<bool> = offers
        .iter()
        .map(|offer| offer.chaddr() == offers[0].chaddr())
        .collect();
    assert_eq!(macs, [true, false, true, true, true]);
    let server = option(&offers[2], OptionCode::ServerIdentifier);
    assert_eq!(
        server,
        Some(DhcpOption::ServerIdentifier([10, 0, 1, 3].into()))
    );
    assert_eq!(offers[3], offers[4]);
    assert_eq!(gist(&offers[3]), (MessageType::Offer, 6, address.clone()));

    order(
        "DHCPREQUEST",
        json!([{ "nak": true }, { "delayMs": 400, "address": "10.0.1.98" }]),
    );
    let begin = Instant::now();
    client.say(&a_request(mac, 8, &address));
    assert_eq!(gist(&client.hear()).0, MessageType::Nak);
    assert_eq!(
        gist(&client.hear()),
        (MessageType::Ack, 8, "10.0.1.98".to_owned())
    );
    assert!(begin.elapsed() >= Duration::from_millis(400));

    order("DHCPREQUEST", json!([{ "truncateTo": 240 }]));
    order("DHCPREQUEST", json!([]));
    client.say(&a_request(mac, 9, &address));
    assert_eq!(client.hear_bytes().0.len(), 240);
    client.say(&a_request(mac, 10, &address));
    client.say(&a_request(mac, 11, &address));
    assert_eq!(gist(&client.hear()), (MessageType::Ack, 11, address));
    let offers = ["DHCPOFFER"; 5].join(" ");
    let wanted = pairs(&[
        ("DHCPDISCOVER", &offers),
        ("DHCPREQUEST", "DHCPNAK DHCPACK"),
        ("DHCPREQUEST", "DHCPACK"),
        ("DHCPREQUEST", ""),
        ("DHCPREQUEST", "DHCPACK"),
    ]);
    assert_eq!(pod.exchange(), wanted);
    assert_eq!(pod.machine.sim("GET", "/sim/dhcp/faults", "").1, json!([]));
}

#[test]
fn orders_that_nobody_could_follow_are_refused_and_unspent_ones_audited() {
    let pod = Bare::with(&[], "");
    let setting = refused(&pod, "/sim/settings", &json!({ "dhcp": { "lease": 6 } }));
    assert!(setting.contains("unknown field `lease`"), "{setting}");
    let fault = json!({ "message": "DHCPREQUEST", "answers": [{ "silent": true }] });
    let fault = refused(&pod, "/sim/dhcp/faults", &fault);
    assert!(fault.contains("unknown field `silent`"), "{fault}");
    let fault = refused(
        &pod,
        "/sim/dhcp/faults",
        &json!({ "message": "OFFER", "answers": [] }),
    );
    assert!(fault.contains("no DHCP client sends \"OFFER\""), "{fault}");
    let (status, refusal) = pod.machine.sim("GET", "/sim/dhcp?message=OFFER", "");
    assert_eq!(status, 400, "{refusal}");
    let ordered = json!({ "eni": pod.eni, "message": "SOLICIT", "answers": [] });
    let id = pod.post("/sim/dhcp/faults", &ordered)["id"].clone();
    let audit = pod.machine.audit().to_string();
    let sentence = format!("a fault of SOLICIT of {} has hit 0 of 1 messages", pod.eni);
    assert!(audit.contains(&sentence), "{audit}");
    let forget = format!("/sim/dhcp/faults/{id}");
    assert_eq!(
        pod.machine.sim("DELETE", &forget, "").1["message"],
        "SOLICIT"
    );
    assert_eq!(pod.machine.sim("DELETE", &forget, "").0, 404);
    assert_eq!(pod.machine.sim("DELETE", "/sim/dhcp/faults", "").0, 200);
}

//! What is in the packets, and who gets none.

use std::net::Ipv4Addr;

use dhcproto::v4::{DhcpOption, Flags, MessageType, Opcode, OptionCode};

use super::{
    ALL, Bare, ROUTER,
    client::{Client, a_message, a_request, gist, option},
    pairs,
};
use crate::machine::{configure, device, eventually, ip};

#[test]
fn offer_and_lease_have_the_options_of_ec2() {
    let pod = Bare::with(&[], "");
    let client = Client::new(&pod.netns, "eni0");
    client.say(&a_message(MessageType::Discover, &pod.mac, 7));
    let (bytes, from) = client.hear_bytes();
    assert_eq!(from.to_string(), ROUTER);
    assert!(bytes.len() >= 300, "{}", bytes.len());
    client.say(&a_message(MessageType::Discover, &pod.mac, 7));
    let offer = client.hear();
    assert_eq!(gist(&offer), (MessageType::Offer, 7, pod.address()));
    client.say(&a_request(&pod.mac, 8, &pod.address()));
    let ack = client.hear();
    assert_eq!(gist(&ack), (MessageType::Ack, 8, pod.address()));
    let router: Ipv4Addr = ROUTER.parse().unwrap();
    let host_name = format!("ip-{}", pod.address().replace('.', "-"));
    for answer in [&offer, &ack] {
        assert_eq!((answer.opcode(), answer.hlen()), (Opcode::BootReply, 6));
        assert!(answer.flags().broadcast());
        for wanted in [
            DhcpOption::ServerIdentifier(router),
            DhcpOption::AddressLeaseTime(3600),
            DhcpOption::SubnetMask(Ipv4Addr::new(255, 255, 255, 0)),
            DhcpOption::Router(vec![router]),
            DhcpOption::BroadcastAddr(Ipv4Addr::new(10, 0, 1, 255)),
            DhcpOption::DomainNameServer(vec![Ipv4Addr::new(10, 0, 0, 2)]),
            DhcpOption::DomainName("ec2.internal".to_owned()),
            DhcpOption::Hostname(host_name.clone()),
            DhcpOption::InterfaceMtu(9001),
        ] {
            let code = OptionCode::from(&wanted);
            assert_eq!(option(answer, code), Some(wanted));
        }
        // T1, T2 and NTP servers are not told.
        for code in [
            OptionCode::Renewal,
            OptionCode::Rebinding,
            OptionCode::NtpServers,
        ] {
            assert_eq!(option(answer, code), None);
        }
    }
}

#[test]
fn another_address_is_refused_to_all_and_another_mac_gets_no_answer() {
    let pod = Bare::with(&[], "");
    let client = Client::new(&pod.netns, "eni0");
    client.say(&a_message(MessageType::Discover, "02:00:00:00:00:01", 1));
    client.say(&a_request(&pod.mac, 2, "10.0.1.99"));
    let nak = client.hear();
    assert_eq!(gist(&nak), (MessageType::Nak, 2, "0.0.0.0".to_owned()));
    assert_eq!(option(&nak, OptionCode::Router), None);
    let wanted = pairs(&[("DHCPDISCOVER", ""), ("DHCPREQUEST", "DHCPNAK")]);
    assert_eq!(pod.exchange(), wanted);
    let heard = pod.heard();
    assert_eq!(heard[0]["client"], "02:00:00:00:00:01");
    assert_eq!(
        (&heard[1]["to"], &heard[1]["from"]),
        (&ALL.into(), &"0.0.0.0".into())
    );
    assert_eq!(heard[1]["addresses"][0], "10.0.1.99");
    assert_eq!(heard[1]["serverId"], ROUTER);
}

#[test]
fn lease_is_renewed_by_unicast_and_by_broadcast() {
    let pod = Bare::with(&[], "");
    configure(&pod.netns, "eni0", &pod.address());
    let client = Client::new(&pod.netns, "eni0");
    for (xid, to) in [(1, ROUTER), (2, ALL)] {
        let mut request = a_message(MessageType::Request, &pod.mac, xid);
        request.set_flags(Flags::default());
        let address: Ipv4Addr = pod.address().parse().unwrap();
        request.set_ciaddr(address);
        client.say_to(&request, to.parse().unwrap());
        assert_eq!(gist(&client.hear()), (MessageType::Ack, xid, pod.address()));
        let heard = pod.heard().pop().unwrap();
        assert_eq!(
            (&heard["to"], &heard["from"]),
            (&to.into(), &pod.address().into())
        );
    }
}

#[test]
fn node_is_leased_the_address_of_its_primary_interface() {
    let pod = Bare::with(&[], "");
    let snapshot = pod.machine.sim("GET", "/sim/snapshot", "").1;
    let mut enis = snapshot["enis"].as_array().unwrap().iter();
    let primary = enis.find(|eni| eni["address"] == "10.0.1.11").unwrap();
    let client = Client::new(&pod.node, "eth0");
    let mac = primary["mac"].as_str().unwrap();
    client.say(&a_message(MessageType::Discover, mac, 3));
    let wanted = (MessageType::Offer, 3, "10.0.1.11".to_owned());
    assert_eq!(gist(&client.hear()), wanted);
}

#[test]
fn device_that_came_home_from_a_dead_pod_is_leased_its_address_again() {
    let mut pod = Bare::with(&[], "");
    ip(&format!("netns del {}", pod.netns));
    eventually("link is home", || device(&pod.node, &pod.mac));
    pod.move_to("again");
    let client = Client::new(&pod.netns, "eni0");
    client.say(&a_request(&pod.mac, 4, &pod.address()));
    assert_eq!(gist(&client.hear()), (MessageType::Ack, 4, pod.address()));
}

#[test]
fn killed_simulator_goes_on_answering_and_has_its_log_and_faults() {
    let mut pod = Bare::with(&["--state-file={}/state.json"], "");
    let client = Client::new(&pod.netns, "eni0");
    client.say(&a_message(MessageType::Discover, &pod.mac, 1));
    client.hear();
    let silent = serde_json::json!({ "eni": pod.eni, "message": "DHCPINFORM", "answers": [] });
    pod.post("/sim/dhcp/faults", &silent);
    let before = pod.heard();
    pod.machine.crash_and_restart();
    assert_eq!(pod.heard(), before);
    let faults = pod.machine.sim("GET", "/sim/dhcp/faults", "").1;
    assert_eq!(faults[0]["message"], "DHCPINFORM");
    client.say(&a_request(&pod.mac, 2, &pod.address()));
    assert_eq!(gist(&client.hear()), (MessageType::Ack, 2, pod.address()));
    let wanted = pairs(&[("DHCPDISCOVER", "DHCPOFFER"), ("DHCPREQUEST", "DHCPACK")]);
    assert_eq!(pod.exchange(), wanted);
}

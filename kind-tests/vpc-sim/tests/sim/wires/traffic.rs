//! What reaches whom: security groups, the check of sources, routes, the metadata service.

use std::{net::SocketAddr, process::Command};

use serde_json::Value;

use super::{APP, NODES, PEER, Pod, a_pod_with_an_eni};
use crate::machine::{Machine, call, configure, eventually, http, ip, listen, reaches, within};

#[test]
fn groups_decide_what_reaches_the_peer() {
    let Pod {
        mut machine,
        node,
        netns: pod,
        ..
    } = a_pod_with_an_eni();
    let (peer, _) = machine.instance("peer", "10.0.0.50", PEER);
    let _listeners = [
        listen(&peer, "10.0.0.50:8080"),
        listen(&peer, "10.0.0.50:22"),
    ];
    assert!(reaches(&pod, "10.0.0.50:8080"));
    assert!(!reaches(&pod, "10.0.0.50:22"));
    assert!(!reaches(&node, "10.0.0.50:8080"));
}

#[test]
fn changed_groups_decide_at_once_and_cost_nobody_else_a_packet() {
    let Pod {
        mut machine,
        node,
        netns: pod,
        eni,
        ..
    } = a_pod_with_an_eni();
    let (peer, _) = machine.instance("peer", "10.0.0.50", PEER);
    let (other, _) = machine.instance("other", "10.0.1.12", NODES);
    let _listeners = [
        listen(&peer, "10.0.0.50:8080"),
        listen(&node, "10.0.1.11:8080"),
    ];
    let set = |group: &str| {
        let form = format!(
            "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId={eni}&SecurityGroupId.1={group}"
        );
        let (status, body) = call(&node, &form).unwrap();
        assert_eq!(status, 200, "{body}");
    };
    let others = std::thread::spawn(move || (0..100).all(|_| reaches(&other, "10.0.1.11:8080")));
    while !others.is_finished() {
        assert!(reaches(&pod, "10.0.0.50:8080"));
        set(NODES);
        eventually("it is kept out", || {
            (!reaches(&pod, "10.0.0.50:8080")).then_some(())
        });
        set(APP);
        eventually("it is let in", || {
            reaches(&pod, "10.0.0.50:8080").then_some(())
        });
    }
    assert!(others.join().unwrap(), "a connection of others failed");
}

#[test]
fn traffic_from_a_foreign_address_is_dropped() {
    const FOREIGN: &str = "10.0.1.99";
    let Pod {
        machine,
        netns: pod,
        address,
        ..
    } = a_pod_with_an_eni();
    let vpc = machine.vpc_namespace();
    count_input(&vpc, &[&address, FOREIGN]);
    assert!(reaches(&pod, "192.0.2.1:80"));
    assert!(counted(&vpc, &address) > 0);
    ip(&format!("-n {pod} addr del {address}/24 dev eni0"));
    configure(&pod, "eni0", FOREIGN);
    assert!(!reaches(&pod, "192.0.2.1:80"));
    assert_eq!(counted(&vpc, FOREIGN), 0);
}

/// A pod that forwards sends from addresses of others: EC2 lets them through once it does not check any more.
#[test]
fn traffic_from_a_foreign_address_passes_while_the_check_is_off() {
    const FOREIGN: &str = "10.0.1.99";
    let Pod {
        machine,
        node,
        netns: pod,
        eni,
        ..
    } = a_pod_with_an_eni();
    let vpc = machine.vpc_namespace();
    count_input(&vpc, &[FOREIGN]);
    ip(&format!("-n {pod} addr add {FOREIGN}/32 dev eni0"));
    // No answer finds its way to that address; that the request came through is seen by who counts.
    let send = || {
        let from: SocketAddr = format!("{FOREIGN}:0").parse().unwrap();
        within(&pod, move || {
            let socket = std::net::UdpSocket::bind(from).unwrap();
            socket.send_to(b"forwarded", "192.0.2.1:9").unwrap();
        });
    };
    let check = |is_on: bool| {
        let form = format!(
            "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId={eni}&SourceDestCheck.Value={is_on}"
        );
        assert_eq!(call(&node, &form).unwrap().0, 200);
    };
    send();
    assert_eq!(counted(&vpc, FOREIGN), 0);
    check(false);
    eventually("it comes through", || {
        send();
        (counted(&vpc, FOREIGN) > 0).then_some(())
    });
    check(true);
    eventually("it is dropped again", || {
        let before = counted(&vpc, FOREIGN);
        send();
        (counted(&vpc, FOREIGN) == before).then_some(())
    });
}

/// Counts what reaches a namespace's own sockets from each of these addresses, after all other rules.
fn count_input(netns: &str, sources: &[&str]) {
    let rules: Vec<String> = sources
        .iter()
        .map(|source| format!("ip saddr {source} counter comment \"{source}\"; "))
        .collect();
    let rules = rules.concat();
    let table = format!(
        "table ip seen {{ chain input {{ type filter hook input priority 300; {rules}}}; }}"
    );
    nft(netns, &table);
}

/// Packets from this address since [`count_input`].
fn counted(netns: &str, source: &str) -> u64 {
    let listed: Value = serde_json::from_str(&nft(netns, "list table ip seen")).unwrap();
    let rules = listed["nftables"].as_array().unwrap().iter();
    let mut rules = rules.filter(|entry| entry["rule"]["comment"] == source);
    let rule = &rules.next().unwrap()["rule"]["expr"];
    let mut counters = rule.as_array().unwrap().iter();
    let counter = counters.find(|expression| !expression["counter"].is_null());
    counter.unwrap()["counter"]["packets"].as_u64().unwrap()
}

fn nft(netns: &str, command: &str) -> String {
    let mut nft = Command::new("ip");
    nft.args(["netns", "exec", netns, "nft", "--json", command]);
    let output = nft.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nft {command}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn instance_without_the_check_forwards_for_its_routes() {
    let mut machine = Machine::start();
    let (first, _) = machine.instance("first", "10.0.1.11", NODES);
    let (second, _) = machine.instance("second", "10.0.1.12", NODES);
    let pods = ["10.244.11.7", "10.244.12.7"];
    let _listeners = pods.map(|pod| {
        ip(&format!("-n {first} addr add {pod}/32 dev lo"));
        listen(&first, &format!("{pod}:8080"))
    });
    assert!(reaches(&second, "10.244.11.7:8080"));
    assert!(!reaches(&second, "10.244.12.7:8080"));
}

#[test]
fn neighbours_of_a_subnet_reach_each_other_through_the_router() {
    let mut machine = Machine::start();
    let (first, _) = machine.instance("first", "10.0.1.11", NODES);
    let (second, _) = machine.instance("second", "10.0.1.12", NODES);
    let _listener = listen(&first, "10.0.1.11:8080");
    assert!(reaches(&second, "10.0.1.11:8080"));
}

fn metadata(netns: &str, server: &str) -> Option<String> {
    let server: std::net::SocketAddr = server.parse().unwrap();
    within(netns, move || {
        let ask = |method, path, header: &str| {
            let stream =
                std::net::TcpStream::connect_timeout(&server, std::time::Duration::from_secs(1))
                    .ok()?;
            http(stream, method, path, &[header], "")
        };
        let (_, token) = ask(
            "PUT",
            "/latest/api/token",
            "X-aws-ec2-metadata-token-ttl-seconds: 60",
        )?;
        let token = format!("X-aws-ec2-metadata-token: {token}");
        Some(ask("GET", "/latest/meta-data/instance-id", &token)?.1)
    })
}

#[test]
fn metadata_answers_over_every_interface_and_both_families() {
    let Pod {
        machine,
        node,
        netns: pod,
        ..
    } = a_pod_with_an_eni();
    let snapshot = machine.sim("GET", "/sim/snapshot", "").1;
    let id = snapshot["instances"][0]["id"].as_str().unwrap();
    for (netns, device) in [(&node, "eth0"), (&pod, "eni0")] {
        assert_eq!(metadata(netns, "169.254.169.254:80").as_deref(), Some(id));
        ip(&format!(
            "-n {netns} -6 route add default via fe80:ec2::1 dev {device}"
        ));
        // A link-local address is usable only after duplicate address detection, one to two seconds after up.
        let seen = eventually("metadata by IPv6", || metadata(netns, "[fd00:ec2::254]:80"));
        assert_eq!(seen, id);
    }
}

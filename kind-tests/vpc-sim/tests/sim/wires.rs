//! The program on real wires: namespaces play instances and pods. Needs root.

use std::{net::SocketAddr, process::Command, time::Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::machine::{
    ATTACH_DELAY, Machine, attach, attach_at, available_eni, await_available, call, configure,
    device, eventually, exists, http, ip, listen, reaches, text, within,
};

const NODES: &str = "sg-000000000000000a1";
const APP: &str = "sg-000000000000000a2";
const PEER: &str = "sg-000000000000000a3";

/// A machine with one node, one attached ENI moved into a pod and configured there.
struct Pod {
    machine: Machine,
    node: String,
    netns: String,
    mac: String,
    address: String,
    eni: String,
    attachment: String,
}

fn a_pod_with_an_eni() -> Pod {
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (eni, mac, address) = available_eni(&node);
    let attachment = attach(&node, &eni, &instance);
    let link = eventually("link is there", || device(&node, &mac));
    let pod = machine.namespace("pod");
    ip(&format!(
        "-n {node} link set {} netns {pod} name eni0",
        link["ifname"].as_str().unwrap()
    ));
    configure(&pod, "eni0", &address);
    Pod {
        machine,
        node,
        netns: pod,
        mac,
        address,
        eni,
        attachment,
    }
}

#[test]
fn attached_interface_appears_down_with_its_mac_after_the_delay() {
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (eni, mac, _) = available_eni(&node);
    let begin = Instant::now();
    attach(&node, &eni, &instance);
    assert_eq!(device(&node, &mac), None);
    let link = eventually("link is there", || device(&node, &mac));
    assert!(begin.elapsed() >= ATTACH_DELAY);
    assert_eq!(
        (link["ifname"].as_str(), link["operstate"].as_str()),
        (Some("eth1"), Some("DOWN"))
    );
    // A host sets what it wants on a device that comes later: nobody did. The VPC carries 9001.
    assert_eq!(link["mtu"], 1500);
    let far = machine.vpc_namespace();
    for (netns, count) in [(&node, 1), (&far, 2)] {
        let links: Vec<Value> =
            serde_json::from_str(&ip(&format!("-n {netns} -j link show type veth"))).unwrap();
        let large = links.iter().filter(|link| link["mtu"] == 9001);
        assert_eq!(large.count(), count, "{links:?}");
    }
}

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

#[test]
fn interface_comes_home_when_its_namespace_dies() {
    let Pod {
        machine,
        node,
        netns: pod,
        mac,
        ..
    } = a_pod_with_an_eni();
    assert_eq!(device(&node, &mac), None);
    ip(&format!("netns del {pod}"));
    let link = eventually("link is home", || device(&node, &mac));
    assert_eq!(link["operstate"], "DOWN");
    assert_eq!(machine.audit().as_array().unwrap().len(), 1);
}

#[test]
fn detach_takes_the_interface_out_of_a_pod_too() {
    let Pod {
        machine,
        node,
        netns: pod,
        mac,
        eni,
        attachment,
        ..
    } = a_pod_with_an_eni();
    assert!(device(&pod, &mac).is_some());
    call(
        &node,
        &format!("Action=DetachNetworkInterface&AttachmentId={attachment}"),
    )
    .unwrap();
    eventually("link is gone", || {
        device(&pod, &mac).is_none().then_some(())
    });
    assert_eq!(device(&node, &mac), None);
    await_available(&node, &eni);
    call(
        &node,
        &format!("Action=DeleteNetworkInterface&NetworkInterfaceId={eni}"),
    )
    .unwrap();
    assert_eq!(machine.audit(), json!([]));
}

#[test]
fn terminated_instance_has_no_links() {
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    assert_eq!(
        machine
            .sim("DELETE", &format!("/sim/instances/{instance}"), "")
            .0,
        200
    );
    assert!(!ip(&format!("-n {node} link show")).contains("eth0"));
    assert_eq!(machine.audit(), json!([]));
}

#[test]
fn instance_in_no_namespace_is_refused_and_leaves_nothing() {
    let machine = Machine::start();
    let new = json!({
        "name": "n", "netns": "no-such-namespace", "subnetId": "subnet-000000000000000a1", "instanceType": "m5.large",
    });
    let (status, refusal) = machine.sim("POST", "/sim/instances", &new.to_string());
    assert_eq!(status, 500);
    assert!(
        refusal["error"]
            .as_str()
            .unwrap()
            .contains("no-such-namespace"),
        "{refusal}"
    );
    assert_eq!(machine.audit(), json!([]));
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

#[test]
fn lost_reply_has_its_effect_and_is_in_the_log() {
    let mut machine = Machine::start();
    let (node, _) = machine.instance("node", "10.0.1.11", NODES);
    let fault = r#"{"action": "CreateNetworkInterface", "replyLost": true}"#;
    assert_eq!(machine.sim("POST", "/sim/faults", fault).0, 200);
    let create = "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1&ClientToken=t";
    assert_eq!(call(&node, create), None);
    let (status, body) = call(&node, create).unwrap();
    assert_eq!(status, 200);
    let calls = machine.sim("GET", "/sim/calls", "").1;
    let lost: Vec<&Value> = calls
        .as_array()
        .unwrap()
        .iter()
        .map(|call| &call["replyLost"])
        .collect();
    assert_eq!(lost, [true, false]);
    assert_eq!(calls[0]["parameters"]["ClientToken"], "t");
    let id = text(&body, "networkInterfaceId");
    assert_eq!(
        (&calls[0]["result"], &calls[1]["result"]),
        (&json!(id), &json!(id))
    );
    assert!(machine.audit()[0].as_str().unwrap().contains(&id));
    assert_eq!(machine.audit().as_array().unwrap().len(), 1);
}

#[test]
fn ordered_refusal_reaches_the_caller() {
    let mut machine = Machine::start();
    let (node, _) = machine.instance("node", "10.0.1.11", NODES);
    let refuse = json!({ "status": 503, "code": "RequestLimitExceeded" });
    let fault = json!({ "action": "DescribeSubnets", "refuse": refuse });
    assert_eq!(
        machine.sim("POST", "/sim/faults", &fault.to_string()).0,
        200
    );
    let (status, body) = call(&node, "Action=DescribeSubnets").unwrap();
    assert_eq!(
        (status, text(&body, "Code").as_str()),
        (503, "RequestLimitExceeded")
    );
    assert_eq!(call(&node, "Action=DescribeSubnets").unwrap().0, 200);
}

#[test]
fn signals_leave_nothing() {
    for signal in [Signal::TERM, Signal::INT] {
        let Pod {
            mut machine,
            node,
            netns: pod,
            mac,
            ..
        } = a_pod_with_an_eni();
        assert!(machine.stop(signal));
        assert!(!exists(&machine.vpc_namespace()));
        assert_eq!(device(&pod, &mac), None);
        assert!(!ip(&format!("-n {node} link show")).contains("eth0"));
    }
}

#[test]
fn next_run_removes_what_a_killed_one_left() {
    let Pod {
        mut machine,
        node,
        netns: pod,
        mac,
        ..
    } = a_pod_with_an_eni();
    machine.crash_and_restart();
    assert_eq!(device(&pod, &mac), None);
    assert!(!ip(&format!("-n {node} link show")).contains("eth0"));
    assert_eq!(machine.audit(), json!([]));
}

/// An available interface of these counts in the nodes' subnet, in a pod of its own: the pod, and the answer.
fn counted_eni(
    machine: &mut Machine,
    node: &str,
    instance: &str,
    index: u32,
    counts: &str,
) -> (String, String) {
    let form = format!(
        "Action=CreateNetworkInterface&SubnetId=subnet-000000000000000a1&SecurityGroupId.1=sg-000000000000000a2{counts}"
    );
    let (status, body) = call(node, &form).unwrap();
    assert_eq!(status, 200, "{body}");
    let (eni, mac) = (text(&body, "networkInterfaceId"), text(&body, "macAddress"));
    await_available(node, &eni);
    attach_at(node, &eni, instance, index);
    let link = eventually("link is there", || device(node, &mac));
    let pod = machine.namespace(&format!("pod{index}"));
    let name = link["ifname"].as_str().unwrap();
    ip(&format!("-n {node} link set {name} netns {pod} name eni0"));
    configure(&pod, "eni0", &text(&body, "privateIpAddress"));
    (pod, body)
}

/// Gives a pod an IPv6 address, and the way to the router.
fn configure6(netns: &str, device: &str, address: &str) {
    ip(&format!(
        "-n {netns} addr add {address}/128 dev {device} nodad"
    ));
    ip(&format!(
        "-n {netns} route replace ::/0 via fe80:ec2::1 dev {device}"
    ));
}

#[test]
fn every_address_and_prefix_is_routed_and_no_other_source_gets_out() {
    let mut machine = Machine::start();
    let (node, instance) = machine.instance("node", "10.0.1.11", NODES);
    let (peer, _) = machine.instance("peer", "10.0.0.50", NODES);
    let _peers = listen(&peer, "0.0.0.0:8080");
    let (pod, body) = counted_eni(
        &mut machine,
        &node,
        &instance,
        1,
        "&Ipv4PrefixCount=1&Ipv6AddressCount=1",
    );
    let (other, body6) = counted_eni(
        &mut machine,
        &node,
        &instance,
        2,
        "&SecondaryPrivateIpAddressCount=1&Ipv6PrefixCount=1",
    );
    assert_eq!(text(&body, "ipv4Prefix"), "10.0.1.16/28");
    assert_eq!(text(&body6, "ipv6Prefix"), "2001:db8:ec2:a1:1::/80");
    configure6(&pod, "eni0", &text(&body, "ipv6Address"));
    configure6(&other, "eni0", "2001:db8:ec2:a1:1::7");
    // Of the prefix of IPv4 and of the secondary address.
    ip(&format!("-n {pod} addr add 10.0.1.20/32 dev lo"));
    ip(&format!("-n {other} addr add 10.0.1.6/32 dev lo"));
    let at = |address: &str| {
        format!("{address}:9090")
            .parse::<std::net::SocketAddr>()
            .unwrap()
    };
    for (netns, address, from) in [
        (&pod, "10.0.1.20", &peer),
        (&other, "10.0.1.6", &peer),
        (&pod, &*format!("[{}]", text(&body, "ipv6Address")), &other),
    ] {
        let _listener = listen(netns, &at(address).to_string());
        // The group lets in nodes, and of IPv6 nobody else: the other pod is none.
        assert_eq!(
            reaches(from, &at(address).to_string()),
            from == &peer,
            "{address}"
        );
    }
    assert!(reaches(&pod, "10.0.0.50:8080"));
    assert!(reaches(&pod, "[2001:db8::1]:80"));
    let vpc = machine.vpc_namespace();
    for foreign in ["2001:db8:ec2:a1::99", "2001:db8:ec2:a1:2::7"] {
        ip(&format!("-n {other} addr add {foreign}/128 dev eni0 nodad"));
        let way = format!(
            "-n {other} route replace fd00:ec2::254/128 via fe80:ec2::1 dev eni0 src {foreign}"
        );
        ip(&way);
        assert!(!reaches(&other, "[fd00:ec2::254]:80"), "{foreign} in {vpc}");
    }
    let own = "src 2001:db8:ec2:a1:1::7";
    ip(&format!(
        "-n {other} route replace fd00:ec2::254/128 via fe80:ec2::1 dev eni0 {own}"
    ));
    assert!(reaches(&other, "[fd00:ec2::254]:80"));
}

#[test]
fn neighbours_of_a_subnet_reach_each_other_by_ipv6() {
    let mut machine = Machine::start();
    let mut pair = Vec::new();
    for (name, address) in [("first", "10.0.1.11"), ("second", "10.0.1.12")] {
        let netns = machine.namespace(name);
        let new = json!({
            "name": name, "netns": netns, "subnetId": "subnet-000000000000000a1", "privateIp": address,
            "instanceType": "m5.large", "securityGroupIds": [NODES], "ipv6AddressCount": 1,
        });
        let (status, instance) = machine.sim("POST", "/sim/instances", &new.to_string());
        assert_eq!(status, 200, "{instance}");
        configure(&netns, "eth0", address);
        let ipv6 = instance["ipv6Addresses"][0].as_str().unwrap().to_owned();
        // On the link, as a host's routes have it: the router answers for the neighbour.
        ip(&format!("-n {netns} addr add {ipv6}/64 dev eth0 nodad"));
        pair.push((netns, ipv6));
    }
    let (first, second) = (&pair[0], &pair[1]);
    let to = format!("[{}]:8080", first.1);
    let _listener = listen(&first.0, &to);
    assert!(reaches(&second.0, &to));
}

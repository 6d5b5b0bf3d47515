//! Secondary addresses, prefixes and IPv6: what is routed to an interface, and gets out of it.

use serde_json::json;

use super::NODES;
use crate::machine::{
    Machine, attach_at, await_available, call, configure, device, eventually, ip, listen, reaches,
    text,
};

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

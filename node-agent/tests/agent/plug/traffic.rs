//! Traffic of a pod with an ENI: what leaves by it, what nothing lets out another way, and the metadata service.

use std::{
    io::ErrorKind,
    net::{TcpStream, UdpSocket},
    time::Duration,
};

use node_agent_core::claim::Metadata;

use crate::{
    plug::{plug, plugged},
    world::{World, an_interface},
};

/// Cases: M09.
#[test]
fn traffic_from_the_address_leaves_by_the_interface_to_the_subnet_and_beyond() {
    let world = plugged();
    world.serve("vpc", 8080);
    for destination in ["10.0.1.1", "10.0.9.9"] {
        world
            .reach("pod", Some("10.0.1.50"), destination, 8080)
            .unwrap_or_else(|e| panic!("{destination}: {e}"));
        let way = world.json("pod", &format!("route get {destination} oif eni0"));
        assert_eq!(
            way[0]["prefsrc"], "10.0.1.50",
            "a socket bound to the interface takes its address"
        );
        assert_eq!(way[0]["table"], "23600");
    }
    assert_eq!(
        world.json("pod", "route get 10.0.9.9")[0]["dev"],
        "eth0",
        "what is not bound stays with the first interface"
    );
}

#[test]
fn blinking_link_sends_nothing_another_way() {
    let world = plugged();
    let way = || {
        world.exec(
            "pod",
            &["ip", "route", "get", "10.0.9.9", "from", "10.0.1.50"],
        )
    };
    assert!(String::from_utf8_lossy(&way().stdout).contains("dev eni0"));
    world.ip("pod", "link set eni0 down");
    assert!(!way().status.success(), "{:?}", way());
    world.ip("pod", "link set eni0 up");
    assert!(
        !way().status.success(),
        "the kernel does not bring the routes back: {:?}",
        way()
    );
    plug(&world, &an_interface()).unwrap();
    assert!(String::from_utf8_lossy(&way().stdout).contains("dev eni0"));
}

/// Cases: I01.
#[test]
fn metadata_is_refused_to_a_kernel_socket_at_once() {
    let world = plugged();
    for address in ["169.254.169.254:80", "[fd00:ec2::254]:80"] {
        let connect =
            || TcpStream::connect_timeout(&address.parse().unwrap(), Duration::from_secs(5));
        let error = world.netns("pod").inside(connect).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{address}: {error}");
    }
    // Also when the socket insists on the interface or the address.
    let bound = || {
        let socket = UdpSocket::bind("10.0.1.50:0")?;
        socket.connect("169.254.169.254:80")
    };
    assert_eq!(
        world
            .netns("pod")
            .inside(bound)
            .unwrap()
            .unwrap_err()
            .kind(),
        ErrorKind::InvalidInput
    );
}

/// Cases: I06.
#[test]
fn metadata_is_reached_where_the_class_allows_it() {
    let world = World::new();
    world.serve("vpc", 80);
    let mut interface = an_interface();
    interface.metadata = Metadata::Allowed;
    plug(&world, &interface).unwrap();
    assert_eq!(world.tables("pod"), 0);
    world
        .reach("pod", Some("10.0.1.50"), "169.254.169.254", 80)
        .unwrap();
}

/// Cases: I05.
#[test]
fn metadata_is_dropped_on_the_wire_even_without_the_rules() {
    // What a raw socket does: it needs no route. Deleting the rule shows the filter alone.
    let world = plugged();
    world.serve("vpc", 80);
    world.ip("pod", "rule del priority 1");
    world
        .reach("pod", Some("10.0.1.50"), "169.254.169.254", 80)
        .expect_err("nothing comes back");
    assert!(
        world
            .exec("pod", &["nft", "delete", "table", "netdev", "eniclaim"])
            .status
            .success()
    );
    world
        .reach("pod", Some("10.0.1.50"), "169.254.169.254", 80)
        .expect("without the filter the service does answer");
}

//! Exchanges with a server, or something else, made by hand.

use std::{
    io::{PipeReader, pipe},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    ops::ControlFlow,
    thread,
    time::{Duration, Instant},
};

use node_agent::{
    dhcp::{
        codec::{self, Dropped},
        exchange::{End, Exchange, LONGEST, MOST_PACKETS, Summary},
    },
    error::Error,
};
use node_agent_core::dhcp::{
    v4::{MessageType, Options, Packet, To},
    v6,
};

use super::{INTERFACE, SERVER_END, a_pod};
use crate::world::{MAC, World};

fn a_packet(message_type: MessageType) -> Packet {
    Packet {
        message_type,
        xid: 7,
        secs: 0,
        broadcast: true,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        chaddr: MAC.parse().unwrap(),
        options: Options::default(),
    }
}

/// A socket in the VPC, where servers listen.
fn a_server(world: &World) -> UdpSocket {
    world.ip(
        "vpc",
        &format!("route replace 255.255.255.255 dev {SERVER_END}"),
    );
    let open = || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 67)).unwrap();
    let socket = world.netns("vpc").inside(open).unwrap();
    socket.set_broadcast(true).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

/// Sends a DISCOVER, and hears as long as it lasts, or until the first answer.
fn discover(world: &World, wait: Duration) -> Result<(Summary, Vec<Packet>), Error> {
    discover_as(world, wait, false)
}

fn discover_as(
    world: &World,
    wait: Duration,
    unspecified: bool,
) -> Result<(Summary, Vec<Packet>), Error> {
    let (stop, _running) = pipe().unwrap();
    let exchange = Exchange {
        namespace: &world.netns("pod"),
        interface: INTERFACE,
        unspecified,
        wait,
        stop: &stop,
    };
    let mut heard = Vec::new();
    let summary = exchange.v4(&a_packet(MessageType::Discover), To::Everybody, |packet| {
        heard.push(packet);
        ControlFlow::Break(())
    });
    summary.map(|summary| (summary, heard))
}

/// Answers the first packet to everybody; where it came from.
fn answer(server: UdpSocket, answers: Vec<Vec<u8>>) -> thread::JoinHandle<SocketAddr> {
    thread::spawn(move || {
        let (_, from) = server.recv_from(&mut [0; 1500]).unwrap();
        for answer in answers {
            server.send_to(&answer, (Ipv4Addr::BROADCAST, 68)).unwrap();
        }
        from
    })
}

fn an_offer() -> Vec<u8> {
    codec::v4::encode(&a_packet(MessageType::Offer))
}

#[test]
fn an_answer_to_everybody_reaches_an_interface_without_an_address() {
    let world = a_pod();
    let server = answer(a_server(&world), vec![b"?".to_vec(), an_offer()]);
    let (summary, heard) = discover(&world, LONGEST).unwrap();
    assert_eq!(heard, [a_packet(MessageType::Offer)]);
    assert_eq!(summary.end, End::Answered);
    assert_eq!(summary.dropped, [(Dropped::Truncated, 1)].into());
    server.join().unwrap();
}

/// docs/decisions/0024.
#[test]
fn broadcast_of_an_interface_that_has_no_address_yet_leaves_from_none_of_the_pod() {
    let world = a_pod();
    let server = answer(a_server(&world), vec![an_offer()]);
    let (summary, _) = discover_as(&world, LONGEST, true).unwrap();
    assert_eq!(summary.end, End::Answered);
    let source = server.join().unwrap();
    assert_eq!(source.ip(), Ipv4Addr::UNSPECIFIED);
    // Nothing of it stays in the pod.
    world.wait_until(|world| world.tables("pod") == 0);
}

/// docs/decisions/0022: not 0.0.0.0, if another interface of the pod has an address.
#[test]
fn the_source_of_a_broadcast_is_an_address_of_the_pod_the_interfaces_own_if_it_has_one() {
    let world = a_pod();
    let source = || {
        let server = answer(a_server(&world), vec![an_offer()]);
        discover(&world, LONGEST).unwrap();
        server.join().unwrap().ip().to_string()
    };
    assert_eq!(source(), "10.244.1.2");
    world.ip("pod", &format!("addr add 10.0.1.50/24 dev {INTERFACE}"));
    assert_eq!(source(), "10.0.1.50");
    world.ip("pod", &format!("addr del 10.0.1.50/24 dev {INTERFACE}"));
    world.ip("pod", "addr flush dev eth0");
    assert_eq!(source(), "0.0.0.0");
}

/// docs/decisions/0022.
#[test]
fn with_a_reverse_path_filter_an_interface_hears_servers_of_its_subnets_only() {
    let world = a_pod();
    let filter = |mode: u8| {
        let setting = format!("echo {mode} > /proc/sys/net/ipv4/conf/{INTERFACE}/rp_filter");
        let output = world.exec("pod", &["sh", "-c", &setting]);
        assert!(output.status.success(), "{output:?}");
    };
    let heard = |wait| {
        let server = answer(a_server(&world), vec![an_offer()]);
        let (summary, _) = discover(&world, wait).unwrap();
        server.join().unwrap();
        summary.end
    };
    // Strict, loose.
    for mode in [1, 2] {
        filter(mode);
        assert_eq!(heard(Duration::from_millis(500)), End::Silence);
    }
    filter(1);
    world.ip("pod", &format!("addr add 10.0.1.50/24 dev {INTERFACE}"));
    assert_eq!(heard(LONGEST), End::Answered);
}

#[test]
fn a_process_that_has_the_port_for_itself_is_named() {
    let world = a_pod();
    let taken = || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68)).unwrap();
    let _taken = world.netns("pod").inside(taken).unwrap();
    let refusal = discover(&world, LONGEST).unwrap_err();
    assert!(
        matches!(refusal, Error::PortTaken { port: 68, .. }),
        "{refusal}"
    );
    assert!(refusal.to_string().contains("UDP port 68"), "{refusal}");
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let world = a_pod();
    world.rename("pod", INTERFACE, "eth9");
    let refusal = discover(&world, LONGEST).unwrap_err().to_string();
    assert!(
        refusal.contains("cannot open a socket for DHCP on the interface eth1"),
        "{refusal}"
    );
}

#[test]
fn whoever_floods_the_interface_ends_the_exchange() {
    let world = a_pod();
    // More than are read; what the socket cannot hold is lost.
    let server = answer(a_server(&world), vec![b"?".to_vec(); 20 * MOST_PACKETS]);
    let (summary, heard) = discover(&world, LONGEST).unwrap();
    assert_eq!((summary.end, heard), (End::Flooded, Vec::new()));
    assert_eq!(summary.dropped.values().sum::<usize>(), MOST_PACKETS);
    server.join().unwrap();
}

#[test]
fn a_packet_as_large_as_udp_has_them_is_read_whole() {
    let world = a_pod();
    let mut offer = an_offer();
    offer.resize(65_507, 0);
    let server = answer(a_server(&world), vec![offer]);
    assert_eq!(discover(&world, LONGEST).unwrap().0.end, End::Answered);
    server.join().unwrap();
}

/// An exchange that nobody answers, and that alone holds the pod's namespace once its path is gone.
fn in_background(world: &World, stop: PipeReader) -> thread::JoinHandle<Summary> {
    let namespace = world.netns("pod");
    thread::spawn(move || {
        let exchange = Exchange {
            namespace: &namespace,
            interface: INTERFACE,
            unspecified: false,
            wait: Duration::from_hours(1),
            stop: &stop,
        };
        let hear = |_| ControlFlow::Continue(());
        let packet = a_packet(MessageType::Discover);
        exchange.v4(&packet, To::Everybody, hear).unwrap()
    })
}

#[test]
fn an_exchange_ends_in_time_and_when_it_is_stopped() {
    let world = a_pod();
    let began = Instant::now();
    let (summary, _) = discover(&world, Duration::from_millis(200)).unwrap();
    assert_eq!(summary.end, End::Silence);
    assert!(began.elapsed() < Duration::from_secs(5));

    let (stop, running) = pipe().unwrap();
    let exchange = in_background(&world, stop);
    let began = Instant::now();
    drop(running);
    assert_eq!(exchange.join().unwrap().end, End::Stopped);
    assert!(began.elapsed() < Duration::from_secs(5));
}

/// The device of a pod that died meanwhile is free at once.
#[test]
fn an_exchange_that_is_stopped_holds_no_namespace() {
    let mut world = a_pod();
    let server = a_server(&world);
    let (stop, running) = pipe().unwrap();
    let exchange = in_background(&world, stop);
    server.recv_from(&mut [0; 1500]).unwrap();
    world.kill("pod");
    drop(running);
    assert_eq!(exchange.join().unwrap().end, End::Stopped);
    let stopped = Instant::now();
    // A wire goes with either of its ends.
    world.wait_until(|world| !world.has_link("vpc", SERVER_END));
    assert!(stopped.elapsed() < Duration::from_secs(5));
}

#[test]
fn nothing_is_waited_for_after_a_release() {
    let world = a_pod();
    world.ip("pod", &format!("addr add 10.0.1.50/24 dev {INTERFACE}"));
    let server = a_server(&world);
    let (stop, _running) = pipe().unwrap();
    let exchange = Exchange {
        namespace: &world.netns("pod"),
        interface: INTERFACE,
        unspecified: false,
        wait: LONGEST,
        stop: &stop,
    };
    let (from, to) = (Ipv4Addr::new(10, 0, 1, 50), Ipv4Addr::new(10, 0, 1, 1));
    let hear = |_| ControlFlow::Continue(());
    let summary = exchange.v4(
        &a_packet(MessageType::Release),
        To::Server { from, to },
        hear,
    );
    assert_eq!(summary.unwrap().end, End::Sent);
    let (_, source) = server.recv_from(&mut [0; 1500]).unwrap();
    assert_eq!(source, SocketAddr::from((from, 68)));
}

#[test]
fn a_packet_of_ipv6_goes_to_all_servers_from_the_link_local_address() {
    let world = a_pod();
    // The kernel would prefer it for a destination of its scope.
    world.ip(
        "pod",
        &format!("addr add 2001:db8:1::50/64 dev {INTERFACE} nodad"),
    );
    let index = world.json("vpc", &format!("link show {SERVER_END}"))[0]["ifindex"]
        .as_u64()
        .unwrap();
    let open = || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 547)).unwrap();
    let server = world.netns("vpc").inside(open).unwrap();
    server
        .join_multicast_v6(&v6::SERVERS, u32::try_from(index).unwrap())
        .unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let answer = thread::spawn(move || {
        let (length, from) = server.recv_from(&mut [0; 1500]).unwrap();
        server.send_to(&[7, 0, 0, 7], from).unwrap();
        (length, from)
    });
    let packet = v6::Packet {
        message_type: v6::MessageType::InformationRequest,
        xid: 7,
        options: v6::Options::default(),
    };
    let (stop, _running) = pipe().unwrap();
    let exchange = Exchange {
        namespace: &world.netns("pod"),
        interface: INTERFACE,
        unspecified: false,
        wait: LONGEST,
        stop: &stop,
    };
    let summary = exchange.v6(&packet, 1, |_| ControlFlow::Break(())).unwrap();
    assert_eq!(summary.end, End::Answered);
    let (length, from) = answer.join().unwrap();
    assert_eq!((length, from.port()), (4, 546));
    assert!(from.ip().to_string().starts_with("fe80::"), "{from}");
}

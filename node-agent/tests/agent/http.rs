//! The agent's port: both families, what it says, and what it endures.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crds::condition::ConditionStatus;
use node_agent::{
    health::{Cluster, Health},
    heartbeat::Heartbeat,
    http::{LONGEST, bind, run, serve},
    install::{State, decision::Reason},
    metrics::Metrics,
};
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};

use crate::{running::wait_until, world::World};

const DEADLINE: Duration = Duration::from_secs(20);
const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// An agent that is well.
fn a_health() -> (Health, watch::Sender<Option<State>>) {
    let state = State {
        status: ConditionStatus::True,
        reason: Reason::Installed,
        message: "as it should be".into(),
    };
    let (sender, installed) = watch::channel(Some(state));
    let health = Health {
        heartbeat: Arc::new(Heartbeat::default()),
        cluster: Some(Cluster {
            listed: Arc::new(AtomicBool::new(true)),
            installed,
        }),
        metrics: Metrics::default(),
    };
    (health, sender)
}

pub fn get(to: IpAddr, port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(to, port), DEADLINE).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: n\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Serves in a namespace with this health, and says at which port.
fn serving(world: &World, health: Health, longest: Duration) -> (Runtime, u16) {
    let listener = world.netns("pod").inside(|| bind(0)).unwrap().unwrap();
    let port = listener.local_addr().unwrap().port();
    let runtime = Runtime::new().unwrap();
    runtime.spawn(
        async move { serve(TcpListener::from_std(listener).unwrap(), health, longest).await },
    );
    (runtime, port)
}

fn live(world: &World, to: IpAddr, port: u16) -> Option<(u16, String)> {
    world
        .netns("pod")
        .inside(|| get(to, port, "/livez"))
        .unwrap()
}

#[test]
fn kubelet_reaches_it_by_either_family_and_on_nodes_with_one_alone() {
    let ok = Some((200, "ok\n".to_owned()));
    let world = World::new();
    let (_runtime, port) = serving(&world, a_health().0, LONGEST);
    assert_eq!(
        (live(&world, V4, port), live(&world, V6, port)),
        (ok.clone(), ok.clone())
    );

    let world = World::new();
    world.ip("pod", "-4 addr flush dev lo");
    world.ip("pod", "-4 addr flush dev eth0");
    let (_runtime, port) = serving(&world, a_health().0, LONGEST);
    assert_eq!(
        (live(&world, V4, port), live(&world, V6, port)),
        (None, ok.clone()),
        "IPv6 alone"
    );

    let world = World::new();
    let off = [
        "sysctl",
        "-w",
        "net.ipv6.conf.all.disable_ipv6=1",
        "net.ipv6.bindv6only=1",
    ];
    assert!(world.exec("pod", &off).status.success());
    let (_runtime, port) = serving(&world, a_health().0, LONGEST);
    assert_eq!(
        (live(&world, V4, port), live(&world, V6, port)),
        (ok, None),
        "IPv4 alone"
    );
}

#[test]
fn taken_port_is_served_once_it_is_free() {
    let taken = bind(0).unwrap();
    let port = taken.local_addr().unwrap().port();
    let runtime = Runtime::new().unwrap();
    let running = runtime.spawn(run(port, a_health().0));
    assert!(bind(port).is_err(), "taken");
    drop(taken);
    wait_until(|| get(V4, port, "/livez").is_some());
    assert!(!running.is_finished());
}

#[test]
fn connections_are_few_and_do_not_shut_out_the_node_itself() {
    let world = World::new();
    // Seen from here, the agent is on another machine.
    world.ip("host", "addr add 10.244.1.1/24 dev veth3");
    let (_runtime, port) = serving(&world, a_health().0, Duration::from_hours(1));
    let to = SocketAddr::from(([10, 244, 1, 2], port));
    let connect = || (0..80).map(|_| TcpStream::connect(to).unwrap()).collect();
    let silent: Vec<_> = world.netns("host").inside(connect).unwrap();
    assert!(is_closed(silent.last().unwrap(), DEADLINE), "one too many");
    assert!(!is_closed(&silent[0], Duration::from_millis(1)), "served");
    let kubelet = || get(to.ip(), port, "/livez");
    let answer = world.netns("pod").inside(kubelet).unwrap();
    assert_eq!(answer.unwrap().0, 200, "from the node's own address");
}

#[test]
fn connection_that_says_nothing_ends() {
    let world = World::new();
    let (_runtime, port) = serving(&world, a_health().0, Duration::from_millis(50));
    let connect = || TcpStream::connect((V4, port)).unwrap();
    let silent = world.netns("pod").inside(connect).unwrap();
    assert!(is_closed(&silent, DEADLINE));
}

fn is_closed(mut stream: &TcpStream, within: Duration) -> bool {
    stream.set_read_timeout(Some(within)).unwrap();
    matches!(stream.read(&mut [0]), Ok(0))
}

#[test]
fn agent_that_is_not_well_says_why() {
    let world = World::new();
    let (mut health, state) = a_health();
    let long_ago = Instant::now()
        .checked_sub(Duration::from_secs(100))
        .unwrap();
    health.heartbeat = Arc::new(Heartbeat::since(long_ago));
    let heartbeat = health.heartbeat.clone();
    let listed = health.cluster.as_ref().unwrap().listed.clone();
    listed.store(false, Ordering::Relaxed);
    let (_runtime, port) = serving(&world, health, LONGEST);
    let says = |path: &str, status: u16, part: &str| {
        let answer = world
            .netns("pod")
            .inside(|| get(V4, port, path))
            .unwrap()
            .unwrap();
        assert_eq!(answer.0, status, "{path}: {}", answer.1);
        assert!(answer.1.contains(part), "{path}: {}", answer.1);
    };
    says("/livez", 503, "the engine has not run for 10");
    says("/readyz", 503, "no list of this node's claims");
    heartbeat.round();
    says("/livez", 200, "ok");
    listed.store(true, Ordering::Relaxed);
    says("/readyz", 200, "ok");
    state.send_replace(Some(State {
        status: ConditionStatus::False,
        reason: Reason::NoNetwork,
        message: "install a network plugin".into(),
    }));
    says("/readyz", 503, "install a network plugin");
    says("/livez", 200, "ok");
    state.send_replace(None);
    says("/readyz", 503, "being installed");
    says("/metrics", 200, "eniclaim_agent_plugged");
    says("/", 404, "there is /livez");
}

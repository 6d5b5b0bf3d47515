//! Several ENIs of one pod by one ADD: each with table, rules and block of its own, and whole or nothing.

use std::{
    fs::File,
    net::UdpSocket,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use cni::{
    agent::ask,
    protocol::{Add, Asked, Check, Reply, Request},
};
use crds::EniClaim;
use node_agent_core::claim::Place;
use serde_json::{Value, json};

use crate::{
    caller::Caller,
    running::{Agent, an_add, claim_document, sandbox, wait_until, with},
    world::{World, ip},
};

const DEADLINE: Duration = Duration::from_secs(20);
/// When a datagram counts as lost. Its answer is made by a thread of this test, which on a busy machine may not run for seconds;
/// one that the kernel dropped never comes.
const LOST: Duration = Duration::from_secs(15);
/// Not the order of the claims' names, nor that in which the devices come.
const INTERFACES: &str = "eni2=db,eni1=app,eni4=db,eni3=app";
const ORDER: [usize; 4] = [2, 1, 4, 3];
const PORT: u16 = 9000;

/// A node without devices, and a VPC that routes.
fn a_world() -> World {
    let world = World::new();
    world.ip("host", "link del eth1");
    world.ip("vpc", "addr add 10.0.1.1/32 dev lo");
    world
}

/// A device appears on the host, and leads to the VPC.
fn wire(world: &World, number: usize) {
    let (host, vpc) = (world.name("host"), world.name("vpc"));
    ip(&format!(
        "-n {host} link add eth{number} address {} type veth peer name end{number} netns {vpc}",
        mac(number)
    ));
    world.ip("vpc", &format!("link set end{number} up"));
    world.ip(
        "vpc",
        &format!("route add 10.0.1.5{number}/32 dev end{number}"),
    );
    world.ip(
        "vpc",
        &format!("addr add fe80:ec2::1/64 dev end{number} nodad"),
    );
    world.ip(
        "vpc",
        &format!("route add 2001:db8:1::5{number}/128 dev end{number}"),
    );
}

fn mac(number: usize) -> String {
    format!("02:ec:00:00:01:0{number}")
}

/// The claim of interface `eni<number>`; those of class db have both families.
fn claim(number: usize) -> EniClaim {
    let mut document = claim_document();
    document["metadata"]["name"] = json!(format!("web-0-abcde-eni{number}"));
    document["spec"]["interface"] = json!({ "name": format!("eni{number}") });
    let status = &mut document["status"];
    status["interface"]["name"] = json!(format!("eni{number}"));
    status["eni"]["id"] = json!(format!("eni-0000000000000000{number}"));
    status["eni"]["mac"] = json!(mac(number));
    status["attachment"]["id"] = json!(format!("eni-attach-0000000000000000{number}"));
    status["attachment"]["deviceIndex"] = json!(number);
    let mut addresses = vec![json!({
        "address": format!("10.0.1.5{number}"), "prefixLength": 24, "gateway": "10.0.1.1", "role": "Primary"
    })];
    if number.is_multiple_of(2) {
        addresses.push(json!({
            "address": format!("2001:db8:1::5{number}"), "prefixLength": 64, "gateway": "fe80:ec2::1", "role": "Primary"
        }));
    }
    status["ipam"]["addresses"] = json!(addresses);
    serde_json::from_value(document).unwrap()
}

fn an_agent(world: &World) -> Agent {
    let agent = Agent::start(world);
    agent.list((1..=4).map(claim).collect());
    agent
}

fn request(world: &World, interfaces: &str) -> Add {
    let mut add = an_add(&world.path("pod"), "c1");
    let Asked::Pod(pod) = &mut add.asked else {
        unreachable!();
    };
    pod.interfaces = Some(interfaces.to_owned());
    add
}

fn asked(agent: &Agent, world: &World, request: Request) -> Reply {
    let netns = File::open(world.path("pod")).unwrap();
    let answer = ask(
        &agent.socket(),
        request,
        Some(netns.as_fd()),
        DEADLINE,
        DEADLINE,
    );
    answer.unwrap()
}

fn add(agent: &Agent, world: &World) -> Reply {
    asked(agent, world, Request::Add(request(world, INTERFACES)))
}

fn names(reply: Reply) -> Vec<String> {
    match reply {
        Reply::Added(added) => added.into_iter().map(|one| one.name).collect(),
        other => panic!("{other:?}"),
    }
}

/// A pod with its four interfaces, and an agent that has reported them.
fn plugged() -> (World, Agent) {
    let world = a_world();
    (1..=4).for_each(|number| wire(&world, number));
    let mut agent = an_agent(&world);
    assert_eq!(names(add(&agent, &world)), ORDER.map(|n| format!("eni{n}")));
    let mut reported = 0;
    while reported < 4 {
        reported += usize::from(matches!(agent.place(), Place::Plugged { .. }));
    }
    (world, agent)
}

fn on_host(world: &World) -> usize {
    let links = world.json("host", "link");
    let links = links.as_array().unwrap().iter();
    links
        .filter(|link| link["ifname"].as_str().unwrap().starts_with("ec02ec"))
        .count()
}

/// All that ip and nft say of the pod, without what is of the interface at this place of [`ORDER`].
fn others(world: &World, place: usize) -> Value {
    let number = ORDER[place];
    let marks = [
        format!("\"eni{number}\""),
        format!("\"10.0.1.5{number}\""),
        format!("\"2001:db8:1::5{number}\""),
        format!("\"table\":\"{}\"", 23_600 + place),
        format!("\"priority\":{},", 512 + place),
        format!("\"metadata-{place}\""),
    ];
    let mut portrait = world.portrait("pod");
    leave_out(&mut portrait, &marks);
    portrait
}

fn leave_out(value: &mut Value, marks: &[String]) {
    let is_marked = |value: &Value| {
        let text = value.to_string();
        marks.iter().any(|mark| text.contains(mark))
    };
    for part in value.as_array_mut().unwrap() {
        let list = match part {
            Value::Object(ruleset) => ruleset.get_mut("nftables").unwrap(),
            list => list,
        };
        list.as_array_mut().unwrap().retain(|one| !is_marked(one));
    }
}

/// Datagrams from an address of the pod to the VPC, each answered before the next one is sent.
struct Stream {
    ended: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    thread: JoinHandle<Result<(), String>>,
}

impl Stream {
    fn start(world: &World, from: &str, to: &str) -> Self {
        let bind = || UdpSocket::bind((from, 0));
        let socket = world.netns("pod").inside(bind).unwrap().unwrap();
        socket.connect((to, PORT)).unwrap();
        socket.set_read_timeout(Some(LOST)).unwrap();
        let (ended, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (end, count) = (ended.clone(), answered.clone());
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Relaxed);
                let mut back = [0; 8];
                let sent = socket.send(&number.to_be_bytes());
                let received = sent.and_then(|_| socket.recv(&mut back));
                received.map_err(|error| format!("datagram {number}: {error}"))?;
                if back != number.to_be_bytes() {
                    return Err(format!("datagram {number} came twice or late"));
                }
                count.store(number + 1, Ordering::Relaxed);
            }
            Ok(())
        });
        let stream = Self {
            ended,
            answered,
            thread,
        };
        stream.goes_on();
        stream
    }

    /// Waits for some more answers.
    fn goes_on(&self) {
        let before = self.answered.load(Ordering::Relaxed);
        wait_until(|| {
            self.thread.is_finished() || self.answered.load(Ordering::Relaxed) > before + 5
        });
    }

    /// Not one datagram may have been lost.
    fn end(self) {
        self.goes_on();
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().unwrap();
    }
}

/// An address of the VPC sends datagrams back until the test ends.
fn echo(world: &World, address: &str) {
    let bind = || UdpSocket::bind((address, PORT));
    let socket = world.netns("vpc").inside(bind).unwrap().unwrap();
    thread::spawn(move || {
        let mut datagram = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            drop(socket.send_to(&datagram[..length], from));
        }
    });
}

/// Streams by the three interfaces besides that at the first place of [`ORDER`], and one by IPv6.
fn streams(world: &World) -> Vec<Stream> {
    // Else it is tentative, on lo too, until a thread of the kernel had its turn, and nobody can bind to it (addrconf_dad_start).
    world.ip("vpc", "addr add 2001:db8:9::9/128 dev lo nodad");
    for address in ["10.0.9.9", "2001:db8:9::9"] {
        echo(world, address);
    }
    [
        ("10.0.1.51", "10.0.9.9"),
        ("10.0.1.53", "10.0.9.9"),
        ("10.0.1.54", "10.0.9.9"),
        ("2001:db8:1::54", "2001:db8:9::9"),
    ]
    .map(|(from, to)| Stream::start(world, from, to))
    .into()
}

/// Shape: IPv4, 4 interfaces.
/// Shape: IPv4+IPv6, 4 interfaces.
#[test]
fn four_of_two_families_come_by_one_add_and_go_by_one_del() {
    let world = a_world();
    let before = world.portrait("pod");
    (1..=4).for_each(|number| wire(&world, number));
    let agent = an_agent(&world);
    let Reply::Added(added) = add(&agent, &world) else {
        panic!("no answer");
    };
    for (place, (one, number)) in added.iter().zip(ORDER).enumerate() {
        assert_eq!(one.name, format!("eni{number}"));
        assert_eq!(one.mac, mac(number));
        let families = if number.is_multiple_of(2) { 2 } else { 1 };
        assert_eq!(one.addresses.len(), families);
        let table = (23_600 + place).to_string();
        let way = format!("route get 10.0.9.9 from 10.0.1.5{number}");
        let way = world.json("pod", &way);
        assert_eq!(
            (&way[0]["dev"], &way[0]["table"]),
            (&json!(one.name), &json!(table))
        );
    }
    let ruleset = world.nft("pod").to_string();
    for place in 0..4 {
        assert!(
            ruleset.contains(&format!("\"metadata-{place}\"")),
            "{ruleset}"
        );
    }
    assert_eq!(agent.journal(), 4);
    let check = Check {
        sandbox: sandbox("c1"),
        netns: world.path("pod"),
        asked: request(&world, INTERFACES).asked,
    };
    match asked(&agent, &world, Request::Check(check)) {
        Reply::Checked(checked) => assert_eq!(checked.len(), 4),
        other => panic!("{other:?}"),
    }
    assert_eq!(agent.del(Some(world.path("pod")), "c1"), Reply::Deleted);
    assert_eq!((on_host(&world), agent.journal()), (4, 0));
    // What the DEL of a sandbox leaves in its namespace dies with that.
    let links = |portrait: &Value| portrait[0].clone();
    assert_eq!(links(&world.portrait("pod")), links(&before));
}

#[test]
fn nothing_is_moved_before_the_last_device_is_there() {
    let world = a_world();
    let before = world.portrait("pod");
    (1..=3).for_each(|number| wire(&world, number));
    let mut agent = an_agent(&world);
    let add = Request::Add(request(&world, INTERFACES));
    let mut caller = Caller::ask(&agent, add, Some(&world.path("pod")));
    assert!(agent.is_quiet() && caller.is_waiting());
    assert_eq!(world.portrait("pod"), before);
    wire(&world, 4);
    assert_eq!(names(caller.answer()).len(), 4);
}

#[test]
fn failure_of_one_takes_all_of_them_back() {
    let world = a_world();
    (1..=4).for_each(|number| wire(&world, number));
    world.ip("pod", "link add eni3 type bridge");
    let before = world.portrait("pod");
    let agent = an_agent(&world);
    let Reply::Failed(error) = add(&agent, &world) else {
        panic!("it did not fail");
    };
    assert!(
        error.code == 100
            && error.msg.contains("web-0-abcde-eni3")
            && error.msg.contains("named eni3 already"),
        "{error:?}"
    );
    wait_until(|| agent.journal() == 0);
    assert_eq!(on_host(&world), 4);
    wait_until(|| world.portrait("pod") == before);
    world.ip("pod", "link del eni3");
    assert_eq!(names(add(&agent, &world)).len(), 4);
}

#[test]
fn one_that_is_released_leaves_the_others_as_they_are() {
    let (world, mut agent) = plugged();
    let streams = streams(&world);
    let before = others(&world, 0);
    agent.claim(crate::running::released(claim(ORDER[0])));
    assert_eq!(agent.place(), Place::Released);
    assert_eq!(others(&world, 0), before);
    assert_eq!(world.portrait("pod"), before, "all of that one is gone");
    streams.into_iter().for_each(Stream::end);
}

#[test]
fn one_that_is_replaced_leaves_the_others_as_they_are_and_comes_with_the_next_add() {
    const OTHER: usize = 9;
    let (world, agent) = plugged();
    let streams = streams(&world);
    let before = others(&world, 0);
    // Somebody detaches it: the device vanishes, and the operator makes another ENI.
    world.ip("vpc", &format!("link del end{}", ORDER[0]));
    let mut replaced = with(claim(ORDER[0]), "/status/eni/mac", json!(mac(OTHER)));
    for (pointer, value) in [
        ("/status/eni/id", "eni-00000000000000009"),
        ("/status/attachment/id", "eni-attach-00000000000000009"),
        ("/status/ipam/addresses/0/address", "10.0.1.59"),
        ("/status/ipam/addresses/1/address", "2001:db8:1::59"),
    ] {
        replaced = with(replaced, pointer, json!(value));
    }
    agent.claim(replaced);
    wire(&world, OTHER);
    wait_until(|| world.portrait("pod") == before);
    let Reply::Added(added) = add(&agent, &world) else {
        panic!("no answer");
    };
    assert_eq!(added[0].mac, mac(OTHER));
    assert_eq!(added[0].addresses[0].address, "10.0.1.59/24");
    assert_eq!(added.len(), 4);
    streams.into_iter().for_each(Stream::end);
}

#[test]
fn annotation_that_cannot_be_read_is_refused_with_its_sentence() {
    let world = a_world();
    let agent = an_agent(&world);
    let add = Request::Add(request(&world, "eni1=app,eni1=db"));
    let Reply::Failed(error) = asked(&agent, &world, add) else {
        panic!("it was taken");
    };
    assert_eq!(error.code, 7);
    assert!(
        error.msg.contains("interface eni1 stands twice"),
        "{error:?}"
    );
}

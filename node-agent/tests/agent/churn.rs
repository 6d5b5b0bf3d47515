//! Links that come and go on the host without end: no list of them is ever whole.

use std::{
    io::Write,
    process::{Child, Command, Stdio},
};

use cni::protocol::Reply;
use node_agent_core::claim::Place;

use crate::{
    running::{Agent, a_claim, wait_until},
    world::{World, run},
};

/// So many that links come and go while the kernel lists them.
const PAIRS: usize = 800;

/// Programs that make and delete a link each until this is dropped.
struct Churn(Vec<Child>);

impl Churn {
    fn on_the_host(world: &World) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for i in 0..PAIRS {
            writeln!(file, "link add a{i} type veth peer name b{i}").unwrap();
        }
        let path = file.path().to_str().unwrap();
        run("ip", &["-n", &world.name("host"), "-batch", path]);
        Self((0..4).map(|i| churn(world, i)).collect())
    }
}

fn churn(world: &World, i: usize) -> Child {
    let mut ip = Command::new("ip")
        .args(["-n", &world.name("host"), "-force", "-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = ip.stdin.take().unwrap();
    let line = format!("link add x{i} type bridge\nlink del x{i}\n");
    // It ends with the program that reads.
    std::thread::spawn(move || while lines.write_all(line.as_bytes()).is_ok() {});
    ip
}

impl Drop for Churn {
    fn drop(&mut self) {
        for ip in &mut self.0 {
            ip.kill().unwrap();
            ip.wait().unwrap();
        }
    }
}

#[test]
fn device_is_learnt_and_plugged_while_no_list_of_links_is_whole() {
    let world = World::new();
    let churn = Churn::on_the_host(&world);
    let mut agent = Agent::start(&world);
    agent.list(vec![a_claim()]);
    assert_eq!(agent.place(), Place::Seen);
    let reply = agent.add(&world, "c1", "pod");
    assert!(matches!(reply, Reply::Added(_)), "{reply:?}");
    assert!(world.device("pod").is_some());
    let count = |words| agent.log().matches(words).count();
    let begins = || count("links come and go on the node without end");
    wait_until(|| begins() > 0);
    drop(churn);
    // Said when it begins and when it ends.
    wait_until(|| count("the links of the node can be listed whole again") == begins());
}

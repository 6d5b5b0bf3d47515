//! The socket alone: who is let in, how many, and what the engine hears of them.

use std::{
    env,
    fs::{self, File, Permissions},
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use cni::protocol::{Del, Envelope, Gc, Reply, Request, VERSION};
use node_agent::{engine::Input, socket::Socket};
use rustix::{
    io::Errno,
    process::{Gid, Uid},
    thread::{set_thread_res_gid, set_thread_res_uid},
};
use tempfile::TempDir;
use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};

use crate::running::sandbox;

const DEADLINE: Duration = Duration::from_secs(20);

/// A socket that is served, without an engine.
struct Served {
    runtime: Runtime,
    folder: TempDir,
    inputs: mpsc::Receiver<Input>,
}

impl Served {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let socket = runtime.block_on(Socket::bind(&path)).unwrap();
        let (sender, inputs) = mpsc::channel(1024);
        runtime.spawn(socket.serve(sender, false));
        Self {
            runtime,
            folder,
            inputs,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("agent.sock")
    }

    fn input(&mut self) -> Input {
        let next = async { tokio::time::timeout(DEADLINE, self.inputs.recv()).await };
        self.runtime.block_on(next).expect("no input").unwrap()
    }

    fn asked(&mut self) -> (u64, Request, oneshot::Sender<Reply>) {
        let Input::Ask {
            id, request, reply, ..
        } = self.input()
        else {
            panic!("not a request")
        };
        (id, *request, reply)
    }
}

fn say(stream: &mut UnixStream, request: Request) {
    let envelope = Envelope {
        version: VERSION,
        request,
    };
    writeln!(stream, "{}", serde_json::to_string(&envelope).unwrap()).unwrap();
}

fn saying(path: &Path, request: Request) -> UnixStream {
    let mut stream = UnixStream::connect(path).unwrap();
    say(&mut stream, request);
    stream
}

fn a_del() -> Request {
    Request::Del(Del::from(sandbox("c1")))
}

fn answer(stream: UnixStream) -> Reply {
    let mut line = String::new();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn request_goes_to_the_engine_and_its_answer_back() {
    let mut served = Served::new();
    let request = Request::Gc(Gc {
        network: "pods".into(),
        valid: Vec::new(),
    });
    let stream = saying(&served.path(), request.clone());
    let (_, asked, reply) = served.asked();
    assert_eq!(asked, request);
    reply.send(Reply::Collected).unwrap();
    assert_eq!(answer(stream), Reply::Collected);
}

#[test]
fn hang_up_is_told_to_the_engine() {
    let mut served = Served::new();
    let stream = saying(&served.path(), a_del());
    let (id, _, _reply) = served.asked();
    drop(stream);
    assert!(matches!(served.input(), Input::HungUp(gone) if gone == id));
}

#[test]
fn engine_that_ends_hangs_up_without_an_answer() {
    let mut served = Served::new();
    let mut stream = saying(&served.path(), a_del());
    drop(served.asked());
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(std::io::Read::read(&mut stream, &mut [0]).unwrap(), 0);
}

#[test]
fn no_more_than_256_are_served_at_once() {
    let mut served = Served::new();
    let mut waiting = Vec::new();
    for _ in 0..256 {
        let stream = saying(&served.path(), a_del());
        let (_, _, reply) = served.asked();
        waiting.push((stream, reply));
    }
    let last = saying(&served.path(), a_del());
    // What must not happen has no end: a moment in which it would have happened.
    let early =
        async { tokio::time::timeout(Duration::from_millis(200), served.inputs.recv()).await };
    assert!(served.runtime.block_on(early).is_err());

    let (stream, reply) = waiting.remove(0);
    reply.send(Reply::Deleted).unwrap();
    assert_eq!(answer(stream), Reply::Deleted);
    let (_, _, reply) = served.asked();
    reply.send(Reply::Deleted).unwrap();
    assert_eq!(answer(last), Reply::Deleted);
}

#[test]
fn nobody_but_root_may_ask() {
    let served = Served::new();
    // The modes of folder and file let nobody in either: this is the lock behind them.
    fs::set_permissions(served.folder.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(served.path(), Permissions::from_mode(0o666)).unwrap();
    let path = served.path();
    let reply = std::thread::spawn(move || {
        let (nobody, nogroup) = (Uid::from_raw(65534), Gid::from_raw(65534));
        set_thread_res_gid(nogroup, nogroup, nogroup).unwrap();
        set_thread_res_uid(nobody, nobody, nobody).unwrap();
        let mut stream = UnixStream::connect(path).unwrap();
        // Refused before it is read: the line may find nobody any more.
        drop(stream.write_all(b"\n"));
        answer(stream)
    });
    let reply = reply.join().unwrap();
    assert!(
        matches!(&reply, Reply::Failed(error) if error.msg.contains("only root")),
        "{reply:?}"
    );
}

/// In a process of its own, because all its descriptors are used up.
#[test]
fn agent_without_descriptors_serves_when_it_has_some_again() {
    const ALONE: &str = "ENICLAIM_TEST_ALONE";
    if env::var_os(ALONE).is_none() {
        let status = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "socket::agent_without_descriptors_serves_when_it_has_some_again",
            ])
            .env(ALONE, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let mut served = Served::new();
    let mut stream = UnixStream::connect(served.path()).unwrap();
    say(&mut stream, a_del());
    drop(served.asked().2);

    let client = rustix::net::socket(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    let mut all = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => all.push(file),
            Err(error) if error.raw_os_error() == Some(Errno::MFILE.raw_os_error()) => break,
            Err(other) => panic!("{other}"),
        }
    }
    let address = rustix::net::SocketAddrUnix::new(served.path()).unwrap();
    rustix::net::connect(&client, &address).unwrap();
    let mut stream = UnixStream::from(client);
    say(&mut stream, a_del());
    assert!(served.inputs.try_recv().is_err());
    drop(all);
    let (_, _, reply) = served.asked();
    reply.send(Reply::Deleted).unwrap();
    assert_eq!(answer(stream), Reply::Deleted);
}

#[tokio::test(start_paused = true)]
async fn second_agent_is_refused_by_name_of_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let first = Socket::bind(&path).await.unwrap();
    let Err(error) = Socket::bind(&path).await else {
        panic!("two agents at once");
    };
    let lock = path.with_extension("lock");
    assert_eq!(
        error.to_string(),
        format!("another agent holds {}; stop it first", lock.display())
    );
    drop(first);
    Socket::bind(&path).await.unwrap();
}

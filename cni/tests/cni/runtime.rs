//! A container runtime and an agent, as small as they can be.

use std::{
    io::{BufRead, BufReader, IoSliceMut, Write},
    mem::MaybeUninit,
    os::unix::process::CommandExt,
    os::{
        fd::OwnedFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::{self, JoinHandle},
};

use cni::protocol::{Envelope, Reply};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};
use tempfile::TempDir;

pub struct Run {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {:?}", self.stdout))
    }

    pub fn refused(&self, code: u32, part: &str) {
        assert!(!self.ok, "{}", self.stdout);
        let error = self.json();
        assert_eq!(error["code"], code, "{error}");
        let sentence = error["msg"].as_str().unwrap();
        assert!(
            sentence.contains(part),
            "{sentence:?} does not say {part:?}"
        );
        assert!(!sentence.contains('\n'), "one sentence: {sentence:?}");
        assert_eq!(self.stderr, "");
    }
}

/// One call of the plugin.
#[derive(Clone)]
pub struct Call {
    pub program: PathBuf,
    /// The name of the link that it is run by.
    pub name: &'static str,
    pub environment: Vec<(String, String)>,
    pub stdin: Vec<u8>,
}

/// A call as containerd makes it for a pod that asks; the agent's socket lies in `folder`.
pub fn a_call(verb: &str, folder: &Path) -> Call {
    let call = Call {
        program: env!("CARGO_BIN_EXE_eniclaim").into(),
        name: "/opt/cni/bin/eniclaim",
        environment: Vec::new(),
        stdin: Vec::new(),
    };
    call.with("CNI_COMMAND", verb)
        .with("CNI_CONTAINERID", "0a1b2c")
        .with("CNI_NETNS", "/proc/self/ns/net")
        .with("CNI_IFNAME", "eth0")
        .with("CNI_PATH", "/opt/cni/bin")
        .with("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=0a1b2c;K8S_POD_UID=u-1")
        .configured(&a_configuration(folder))
}

impl Call {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.environment.push((name.into(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(n, _)| n != name);
        self
    }

    pub fn configured(mut self, configuration: &Value) -> Self {
        self.stdin = configuration.to_string().into_bytes();
        self
    }

    pub fn called(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    pub fn run(&self) -> Run {
        let mut command = Command::new(&self.program);
        command.arg0(self.name);
        self.run_under(command)
    }

    /// Runs a command that starts the plugin, such as a tracer.
    pub fn run_under(&self, mut command: Command) -> Run {
        let mut child = command
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let text = self.stdin.clone();
        // A plugin that refuses early may close its stdin before all is written.
        let writer = thread::spawn(move || drop(stdin.write_all(&text)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Run {
            ok: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub fn a_configuration(folder: &Path) -> Value {
    json!({
        "cniVersion": "1.1.0", "name": "pods", "type": "eniclaim",
        "socket": folder.join("agent.sock"),
        "runtimeConfig": { "io.kubernetes.cri.pod-annotations": { "eniclaim.io/class": "app", "other": "x" } },
        "prevResult": previous_result(),
    })
}

pub fn previous_result() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "interfaces": [{ "name": "veth1" }, { "name": "eth0", "sandbox": "/proc/self/ns/net" }],
        "ips": [{ "address": "10.244.1.2/24", "gateway": "10.244.1.1", "interface": 1 }],
        "routes": [{ "dst": "0.0.0.0/0" }],
        "dns": { "nameservers": ["10.96.0.10"] },
    })
}

/// The configuration of a pod that does not ask.
pub fn of_another_pod(folder: &Path) -> Value {
    let mut configuration = a_configuration(folder);
    configuration["runtimeConfig"]["io.kubernetes.cri.pod-annotations"] = json!({ "other": "x" });
    configuration
}

pub fn a_folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// What the scripted agent does with one connection.
pub enum Script {
    Answer(Reply),
    Line(&'static str),
    HangUp,
}

pub struct Agent(JoinHandle<Vec<(Envelope, Option<OwnedFd>)>>);

impl Agent {
    /// Listens in `folder` and follows `script`, one entry a connection.
    pub fn listen(folder: &Path, script: Vec<Script>) -> Self {
        let listener = UnixListener::bind(folder.join("agent.sock")).unwrap();
        Self(thread::spawn(move || {
            script
                .into_iter()
                .map(|step| {
                    let (stream, _) = listener.accept().unwrap();
                    let request = receive(&stream);
                    match step {
                        Script::Answer(reply) => {
                            writeln!(&stream, "{}", serde_json::to_string(&reply).unwrap())
                                .unwrap();
                        }
                        Script::Line(line) => writeln!(&stream, "{line}").unwrap(),
                        Script::HangUp => {}
                    }
                    request
                })
                .collect()
        }))
    }

    /// What it was asked, with the descriptors that came along.
    pub fn heard(self) -> Vec<(Envelope, Option<OwnedFd>)> {
        self.0.join().unwrap()
    }
}

fn receive(stream: &UnixStream) -> (Envelope, Option<OwnedFd>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut first = [0; 1];
    recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut first)],
        &mut ancillary,
        RecvFlags::empty(),
    )
    .unwrap();
    let fd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let mut line = vec![first[0]];
    BufReader::new(stream).read_until(b'\n', &mut line).unwrap();
    (serde_json::from_slice(&line).unwrap(), fd)
}

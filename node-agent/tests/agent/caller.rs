//! A caller of the agent that can hang up, and look whether it has its answer.

use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind, IoSlice, Read},
    mem::MaybeUninit,
    os::{fd::AsFd, unix::net::UnixStream},
    time::Duration,
};

use cni::protocol::{Envelope, Reply, Request, VERSION};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::running::Agent;

const DEADLINE: Duration = Duration::from_secs(20);

/// Dropping it hangs up, as the end of a killed plugin does.
pub struct Caller(UnixStream);

impl Caller {
    /// Asks, and hands over the namespace at the path `netns`.
    pub fn ask(agent: &Agent, request: Request, netns: Option<&str>) -> Self {
        let envelope = Envelope {
            version: VERSION,
            request,
        };
        let line = serde_json::to_string(&envelope).unwrap() + "\n";
        let file = netns.map(|path| File::open(path).unwrap());
        let descriptors: Vec<_> = file.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        }
        let stream = UnixStream::connect(agent.socket()).unwrap();
        let parts = [IoSlice::new(line.as_bytes())];
        let sent = sendmsg(&stream, &parts, &mut ancillary, SendFlags::empty()).unwrap();
        assert_eq!(sent, line.len());
        Self(stream)
    }

    /// Whether there is no answer yet.
    pub fn is_waiting(&mut self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let read = self.0.read(&mut [0]);
        self.0.set_nonblocking(false).unwrap();
        read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Waits for the answer.
    pub fn answer(self) -> Reply {
        self.0.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut line = String::new();
        BufReader::new(self.0).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

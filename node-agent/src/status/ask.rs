//! `eniclaim-agent status`: asks the running agent, and prints its answer.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use cni::protocol::{LONGEST_LINE, Reply, VERSION};
use serde::{Deserialize, Serialize};

use super::{Status, table};
use crate::options::{self, Output};

/// An agent answers within a round of its engine.
const PATIENCE: Duration = Duration::from_secs(10);

/// The line that asks for the status. The plugin never sends one, so that its small binary need not know of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StatusEnvelope {
    /// As of the plugin's envelope.
    pub(crate) version: u32,
    /// The question.
    pub(crate) status: Everything,
}

/// What is asked for: everything.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Everything {}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Status(Status),
    Refused(Reply),
}

/// Asks, and prints.
pub fn run(options: &options::Status) -> anyhow::Result<()> {
    let status = ask(&options.socket)?;
    let text = match options.output {
        Output::Table => table(&status),
        Output::Json => serde_json::to_string_pretty(&status)? + "\n",
    };
    // Who reads only the beginning closes the pipe.
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn ask(socket: &Path) -> anyhow::Result<Status> {
    let at = socket.display();
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            bail!(
                "{at} is for root alone: run this as root on the node, or in the agent's container"
            )
        }
        Err(error) => bail!(
            "no agent of eniclaim answers at {at} ({error}); look at this node's pod of the eniclaim-agent DaemonSet"
        ),
    };
    let answer = exchange(&mut stream)
        .with_context(|| format!("the agent of eniclaim at {at} did not answer"))?;
    match serde_json::from_str(&answer) {
        Ok(Answer::Status(status)) => Ok(status),
        Ok(Answer::Refused(Reply::Failed(error))) => bail!("the agent of eniclaim: {}", error.msg),
        Ok(Answer::Refused(_)) | Err(_) => {
            bail!("the agent of eniclaim at {at} is of another version than this program")
        }
    }
}

fn exchange(stream: &mut UnixStream) -> io::Result<String> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let envelope = StatusEnvelope {
        version: VERSION,
        status: Everything {},
    };
    let line = serde_json::to_string(&envelope)? + "\n";
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::with_capacity(LONGEST_LINE, stream).read_line(&mut answer)?;
    Ok(answer)
}

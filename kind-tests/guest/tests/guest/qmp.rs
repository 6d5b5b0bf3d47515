//! QEMU's monitor (docs/interop/qmp-spec): one command, then its answer, with events in between.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(30);

pub struct Monitor {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Monitor {
    pub fn connect(path: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let lines = BufReader::new(stream.try_clone()?);
        let mut monitor = Self { stream, lines };
        monitor.next()?;
        monitor.ask("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// Carries out a command.
    pub fn ask(&mut self, command: &str, arguments: &Value) -> anyhow::Result<()> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.stream, "{request}")?;
        loop {
            let message = self.next()?;
            if let Some(error) = message.get("error") {
                bail!("QEMU refuses {request}: {}", error["desc"]);
            }
            if message.get("return").is_some() {
                return Ok(());
            }
        }
    }

    /// Waits for an event about a device.
    pub fn wait_for(&mut self, event: &str, device: &str) -> anyhow::Result<()> {
        loop {
            let message = self
                .next()
                .with_context(|| format!("wait for {event} of {device}"))?;
            if message["event"] == event && message["data"]["device"] == device {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> anyhow::Result<Value> {
        let mut line = String::new();
        self.lines
            .read_line(&mut line)
            .context("read from QEMU's monitor")?;
        serde_json::from_str(&line).context("QEMU's monitor ended")
    }
}

//! What the guest says to the machine's host: lines for people, and requests that begin with `@`.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    process::Stdio,
};

use anyhow::Context;

/// The second serial port; the first is the kernel's.
pub struct Console(File);

impl Console {
    pub fn open() -> anyhow::Result<Self> {
        let port = OpenOptions::new().write(true).open("/dev/ttyS1");
        port.map(Self).context("open the second serial port")
    }

    /// The same port once more.
    pub fn another(&self) -> anyhow::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Where a program writes what people read.
    pub fn output(&self) -> anyhow::Result<Stdio> {
        Ok(self.0.try_clone()?.into())
    }

    pub fn say(&mut self, line: &str) -> anyhow::Result<()> {
        Ok(writeln!(self.0, "{line}")?)
    }

    /// Asks for the NIC to be put into a slot of the running machine.
    pub fn plug_nic(&mut self) -> anyhow::Result<()> {
        self.say("@plug")
    }

    /// Asks for the NIC to be taken out.
    pub fn unplug_nic(&mut self) -> anyhow::Result<()> {
        self.say("@unplug")
    }

    pub fn end(&mut self, passed: bool) -> anyhow::Result<()> {
        self.say(if passed { "@passed" } else { "@failed" })
    }
}

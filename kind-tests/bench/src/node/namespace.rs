//! Network namespaces with names, gone when they are dropped.

use std::{
    fs::File,
    io::Write,
    os::fd::{AsFd, BorrowedFd},
    process::{Command, Stdio},
    thread,
};

use anyhow::Context;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::run;

/// A network namespace.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// A new one with a loopback device that is up.
    pub fn new(short: &str) -> anyhow::Result<Self> {
        let name = format!("eniclaim-bench-{}-{short}", std::process::id());
        run("ip", &["netns", "add", &name])?;
        let file = File::open(format!("/run/netns/{name}"))
            .with_context(|| format!("open the network namespace {name}"))?;
        let namespace = Self { name, file };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where a runtime would have mounted it.
    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// Lines of `ip`, in here, in one process.
    pub fn ip(&self, lines: &str) -> anyhow::Result<()> {
        let mut child = Command::new("ip")
            .args(["-n", &self.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .context("start ip")?;
        let mut stdin = child.stdin.take().context("its standard input")?;
        stdin.write_all(lines.as_bytes()).context("write to ip")?;
        drop(stdin);
        let status = child.wait().context("wait for ip")?;
        anyhow::ensure!(status.success(), "ip -n {}: {lines}", self.name);
        Ok(())
    }

    /// Works on a thread in here. Threads and processes that it starts are in here, too.
    pub fn inside<T: Send>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        let enter = || move_into_link_name_space(self.as_fd(), Some(LinkNameSpaceType::Network));
        let worked = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter().with_context(|| format!("enter the network namespace {}", self.name))?;
                work()
            });
            thread.join()
        });
        worked.map_err(|_| anyhow::anyhow!("a thread in {} panicked", self.name))?
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // One that is gone already is what was wanted.
        let _ = run("ip", &["netns", "del", &self.name]);
    }
}

//! A CNI plugin, started as a container runtime starts it.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::Context;
use serde_json::Value;

use crate::node::{claims::Pod, namespace::Namespace};

/// A plugin with the configuration of its network.
pub struct Plugin {
    program: PathBuf,
    /// Where it finds other plugins.
    path: PathBuf,
    configuration: Vec<u8>,
    /// What else is in its environment.
    environment: Vec<(&'static str, String)>,
}

/// One attachment of a container, as environment variables.
pub struct Container {
    /// `CNI_CONTAINERID`.
    pub id: String,
    /// `CNI_NETNS`.
    pub netns: String,
    /// `CNI_IFNAME`.
    pub if_name: &'static str,
    /// `CNI_ARGS`.
    pub args: String,
}

impl Container {
    /// The container of a pod, in a namespace of its own.
    pub fn new(netns: &Namespace, pod: Pod, if_name: &'static str) -> Self {
        Self {
            id: netns.name().to_owned(),
            netns: netns.path(),
            if_name,
            args: pod.args(),
        }
    }
}

impl Plugin {
    /// A plugin by its path.
    pub fn new(program: PathBuf, configuration: &Value) -> Self {
        let path = program.parent().map_or_else(PathBuf::new, Path::to_owned);
        Self {
            program,
            path,
            configuration: configuration.to_string().into_bytes(),
            environment: Vec::new(),
        }
    }

    /// With one more variable in its environment.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// From the start of the process until its end; in seconds. It must succeed.
    pub fn time(&self, verb: &str, container: &Container) -> anyhow::Result<f64> {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", &container.id)
            .env("CNI_NETNS", &container.netns)
            .env("CNI_IFNAME", container.if_name)
            .env("CNI_ARGS", &container.args)
            .env("CNI_PATH", &self.path)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut said = String::new();
        let start = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut stdin = stdin.context("its standard input")?;
        // A program that reads nothing may be gone already; whether it did its work its exit status says.
        let _ = stdin.write_all(&self.configuration);
        drop(stdin);
        let mut stdout = stdout.context("its standard output")?;
        stdout.read_to_string(&mut said)?;
        let status = child.wait()?;
        let seconds = start.elapsed().as_secs_f64();
        anyhow::ensure!(
            status.success(),
            "{} {verb}: {status}: {said}",
            self.program.display()
        );
        Ok(seconds)
    }
}

//! A task of a container agent, and the runtime that calls the plugin for it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use cni::plugin;
use serde_json::{Value, json};

use crate::{running::Agent, world::World};

/// What a runtime calls the plugin with.
pub struct Task<'a> {
    socket: PathBuf,
    netns: String,
    container: &'a str,
    if_name: &'a str,
    program: &'a str,
}

impl<'a> Task<'a> {
    /// In the namespace `task`.
    pub fn new(world: &World, agent: &Agent, container: &'a str, if_name: &'a str) -> Self {
        Self::at(&agent.socket(), container, if_name).in_namespace(world, "task")
    }

    /// In no namespace yet, with an agent that listens here.
    pub fn at(socket: &Path, container: &'a str, if_name: &'a str) -> Self {
        Self {
            socket: socket.to_owned(),
            netns: String::new(),
            container,
            if_name,
            program: "eniclaim",
        }
    }

    pub fn in_namespace(mut self, world: &World, short: &str) -> Self {
        self.netns = world.path(short);
        self
    }

    /// By the name of a plugin that is replaced.
    pub fn called(mut self, program: &'a str) -> Self {
        self.program = program;
        self
    }

    /// What it prints, and whether it works.
    pub fn run(&self, verb: &str, configuration: &Value) -> (bool, Value) {
        let environment: BTreeMap<&str, &str> = [
            ("CNI_COMMAND", verb),
            ("CNI_CONTAINERID", self.container),
            ("CNI_NETNS", &self.netns),
            ("CNI_IFNAME", self.if_name),
        ]
        .into();
        let mut configuration = configuration.clone();
        configuration["socket"] = json!(self.socket);
        let lookup = |name: &str| environment.get(name).map(OsString::from);
        let outcome = plugin::run(
            OsStr::new(self.program),
            lookup,
            &mut configuration.to_string().as_bytes(),
        );
        let mut said = Vec::new();
        outcome.print(&mut said).unwrap();
        let said = serde_json::from_slice(&said).unwrap_or(Value::Null);
        (outcome.is_success(), said)
    }

    pub fn add(&self, configuration: &Value) -> Value {
        let (is_success, said) = self.run("ADD", configuration);
        assert!(is_success, "{said}");
        said
    }

    pub fn refused(&self, configuration: &Value) -> (u64, String) {
        let (is_success, said) = self.run("ADD", configuration);
        assert!(!is_success, "{said}");
        let msg = said["msg"].as_str().unwrap().to_owned();
        (said["code"].as_u64().unwrap(), msg)
    }

    pub fn del(&self, configuration: &Value) {
        assert_eq!(self.run("DEL", configuration), (true, Value::Null));
    }
}

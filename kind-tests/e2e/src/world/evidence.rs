//! What a failed scenario leaves for whoever looks for the cause: objects, Events, logs, EC2's calls.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde_json::Value;

use super::{SYSTEM, World};

/// Which objects are kept.
const OBJECTS: &[&str] = &[
    "pods",
    "events",
    "nodes",
    "jobs",
    "deployments",
    "eniclaims",
    "eniclasses",
    "eninodes",
    "leases",
];

impl World {
    /// Writes all that is known to `target/e2e-logs/<scenario>`, over what an earlier run left there; gives the folder.
    pub fn keep_evidence(&self, scenario: &str) -> anyhow::Result<PathBuf> {
        let folder = self.repository.join("target/e2e-logs").join(scenario);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("logs"))?;
        for kind in OBJECTS {
            self.keep(
                &folder,
                &format!("{kind}.txt"),
                &["get", kind, "-A", "-o", "wide"],
            )?;
            self.keep(
                &folder,
                &format!("{kind}.yaml"),
                &["get", kind, "-A", "-o", "yaml"],
            )?;
        }
        for path in ["calls", "audit", "snapshot"] {
            let seen = self.cluster.sim("GET", &format!("/sim/{path}"), None);
            let seen = seen.unwrap_or_else(|error| Value::String(error.to_string()));
            fs::write(folder.join(format!("sim-{path}.json")), format!("{seen:#}"))?;
        }
        self.keep_pod_logs(&folder)?;
        let logs = self.cluster.state_dir().join("log");
        for log in fs::read_dir(&logs).context("the cluster's logs")?.flatten() {
            fs::copy(log.path(), folder.join("logs").join(log.file_name()))?;
        }
        Ok(folder)
    }

    /// The logs of operator and agents, and those of their containers before.
    fn keep_pod_logs(&self, folder: &Path) -> anyhow::Result<()> {
        let names = ["-n", SYSTEM, "get", "pods", "-o", "name"];
        for pod in self.kubectl(&names).unwrap_or_default().lines() {
            let file = pod.replace('/', "-");
            let logs = ["-n", SYSTEM, "logs", pod, "--timestamps"];
            self.keep(folder, &format!("{file}.log"), &logs)?;
            let previous = [&logs[..], &["--previous"]].concat();
            self.keep(folder, &format!("{file}-previous.log"), &previous)?;
        }
        Ok(())
    }

    fn keep(&self, folder: &Path, file: &str, question: &[&str]) -> anyhow::Result<()> {
        let answer = self
            .kubectl(&[question, &["--request-timeout=5s"]].concat())
            .unwrap_or_else(|error| format!("{error:#}"));
        Ok(fs::write(folder.join(file), answer)?)
    }
}

//! What a failed run leaves for whoever looks for the cause: objects, Events, logs, EC2's calls.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    Cluster, checkout,
    error::{Result, at},
};

/// Which objects are kept.
const OBJECTS: &[&str] = &[
    "pods",
    "events",
    "nodes",
    "jobs",
    "deployments",
    "daemonsets",
    "eniclaims",
    "eniclasses",
    "eninodes",
    "leases",
];
/// Whose pods' logs are kept by themselves; the nodes have those of all pods.
const SYSTEM: &str = "eniclaim-system";

impl Cluster {
    /// Writes all that is known to `target/e2e-logs/<run>`, over what an earlier run left there; gives the folder.
    pub fn keep_evidence(&self, run: &str) -> Result<PathBuf> {
        let folder = checkout::folder("e2e-logs")?.join(run);
        if folder.exists() {
            at(&folder, fs::remove_dir_all(&folder))?;
        }
        at(&folder, fs::create_dir_all(&folder))?;
        for path in ["calls", "audit", "snapshot"] {
            let seen = self.sim("GET", &format!("/sim/{path}"), None);
            let seen = seen.unwrap_or_else(|error| Value::String(error.to_string()));
            write(&folder, &format!("sim-{path}.json"), &format!("{seen:#}"))?;
        }
        // A server that is not there would be waited for each time.
        if self.answers(&["get", "--raw", "/readyz", "--request-timeout=5s"]) {
            self.keep_objects(&folder)?;
            self.keep_pod_logs(&folder)?;
        }
        copy(&self.state.join("log"), &folder.join("logs"))?;
        for node in &self.nodes {
            let pods = self.state.join(node.name()).join("log/pods");
            copy(&pods, &folder.join("logs").join(node.name()))?;
        }
        checkout::give_all(&folder)?;
        Ok(folder)
    }

    fn keep_objects(&self, folder: &Path) -> Result<()> {
        for kind in OBJECTS {
            for (ending, format) in [("txt", "wide"), ("yaml", "yaml")] {
                let question = ["get", kind, "-A", "-o", format];
                self.keep_answer(folder, &format!("{kind}.{ending}"), &question)?;
            }
        }
        Ok(())
    }

    /// The logs of operator and agents, and those of their containers before.
    fn keep_pod_logs(&self, folder: &Path) -> Result<()> {
        let names = self.kubectl(&["-n", SYSTEM, "get", "pods", "-o", "name"])?;
        for pod in String::from_utf8_lossy(&names.stdout).lines() {
            let file = pod.replace('/', "-");
            let logs = ["-n", SYSTEM, "logs", pod, "--timestamps"];
            self.keep_answer(folder, &format!("{file}.log"), &logs)?;
            let previous = [&logs[..], &["--previous"]].concat();
            self.keep_answer(folder, &format!("{file}-previous.log"), &previous)?;
        }
        Ok(())
    }

    /// What kubectl says, be it why it cannot.
    fn keep_answer(&self, folder: &Path, file: &str, question: &[&str]) -> Result<()> {
        let answer = self.kubectl(&[question, &["--request-timeout=5s"]].concat())?;
        let answer = [answer.stdout, answer.stderr].concat();
        write(folder, file, &String::from_utf8_lossy(&answer))
    }
}

fn write(folder: &Path, file: &str, text: &str) -> Result<()> {
    let path = folder.join(file);
    at(&path, fs::write(&path, text))
}

/// Copies the files of a folder and of those below it, as far as there are any.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        let kind = at(&path, entry.file_type())?;
        if kind.is_dir() {
            copy(&path, &to)?;
        } else if kind.is_file() {
            if let Some(parent) = to.parent() {
                at(parent, fs::create_dir_all(parent))?;
            }
            match fs::copy(&path, &to) {
                // A log that was rotated away meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(at(&path, copied)?),
            }
        }
    }
    Ok(())
}

//! A cluster, and the programs by which the tests install the charts there.

use std::{fs, path::Path};

use cluster::Cluster;

/// Enough of the Prometheus operator for the API server to take a `ServiceMonitor` and a `PrometheusRule`.
pub const PROMETHEUS: &str = include_str!("prometheus.yaml");

pub struct Site(pub Cluster);

impl Site {
    /// Helm's standard output, or what it said when it failed.
    pub fn helm(&self, command: &str) -> Result<String, String> {
        let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts");
        let command = command.replace(" charts/", &format!(" {}/", charts.display()));
        let args: Vec<&str> = command.split(' ').collect();
        said(&self.0.helm(&args).unwrap())
    }

    pub fn kubectl(&self, command: &str) -> String {
        self.try_kubectl(command).unwrap()
    }

    pub fn try_kubectl(&self, command: &str) -> Result<String, String> {
        let args: Vec<&str> = command.split(' ').collect();
        said(&self.0.kubectl(&args).unwrap())
    }

    /// Path of a file with this text.
    pub fn file(&self, name: &str, text: &str) -> String {
        let file = self.0.state_dir().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    pub fn apply(&self, text: &str) {
        self.kubectl(&format!("apply -f {}", self.file("applied.yaml", text)));
    }

    pub fn await_kinds(&self) {
        self.kubectl(
            "wait --for=condition=Established --all --timeout=60s customresourcedefinitions",
        );
    }
}

/// What a program printed, or all that it said when it failed.
pub fn said(output: &std::process::Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr) + &text(&output.stdout))
    }
}

//! The charts on a real API server, by Helm: in the right order and in wrong ones, with every optional value, and again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{fs, path::Path};

use cluster::Cluster;

/// Everything that is off or empty by default.
const EVERY_VALUE: &str = include_str!("installed/every-value.yaml");
/// Enough of the Prometheus operator for the API server to take a `ServiceMonitor`.
const SERVICE_MONITOR: &str = include_str!("installed/service-monitor.yaml");

struct Site(Cluster);

impl Site {
    /// Helm's standard output, or what it said when it failed.
    fn helm(&self, command: &str) -> Result<String, String> {
        let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts");
        let command = command.replace(" charts/", &format!(" {}/", charts.display()));
        let args: Vec<&str> = command.split(' ').collect();
        said(self.0.helm(&args).unwrap())
    }

    fn kubectl(&self, command: &str) -> String {
        let args: Vec<&str> = command.split(' ').collect();
        said(self.0.kubectl(&args).unwrap()).unwrap()
    }

    /// Path of a file with this text.
    fn file(&self, name: &str, text: &str) -> String {
        let file = self.0.state_dir().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// Helm sends hooks only when it is told to run them; and an unknown field that the API server drops is no error to it.
    fn takes_every_field(&self, values: &str) {
        let rendered = |more: &str| {
            let template = "template eniclaim charts/eniclaim --namespace eniclaim-system";
            let text = self.helm(&format!("{template} --values {values} {more}"));
            self.file("rendered.yaml", &text.unwrap())
        };
        let strict = "--validate=strict --filename";
        let hooks = rendered("--show-only templates/tests/agents.yaml");
        self.kubectl(&format!("create {strict} {hooks}"));
        self.kubectl(&format!("delete --wait=false --filename {hooks}"));
        let all = rendered("--skip-tests");
        self.kubectl(&format!(
            "apply --dry-run=server --force-conflicts --server-side {strict} {all}"
        ));
    }

    fn await_kinds(&self) {
        self.kubectl(
            "wait --for=condition=Established --all --timeout=60s customresourcedefinitions",
        );
    }
}

fn said(output: std::process::Output) -> Result<String, String> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

const INSTALL: &str =
    "install eniclaim charts/eniclaim --namespace eniclaim-system --create-namespace";

#[test]
fn charts_are_installed_upgraded_uninstalled_and_installed_again() {
    let site = Site(Cluster::api_server("installed").unwrap());
    let early = site.helm(INSTALL).unwrap_err();
    assert!(early.contains("install the chart eniclaim-crds"), "{early}");

    site.helm("install eniclaim-crds charts/eniclaim-crds")
        .unwrap();
    site.await_kinds();
    let notes = site.helm(INSTALL).unwrap();
    assert!(
        !notes.contains("admission policy is not installed"),
        "{notes}"
    );
    site.kubectl("get mutatingadmissionpolicy eniclaim");

    let second = site
        .helm("install other charts/eniclaim --namespace default")
        .unwrap_err();
    assert!(
        second.contains("release eniclaim in the namespace eniclaim-system"),
        "{second}"
    );

    site.kubectl(&format!(
        "create -f {}",
        site.file("monitor.yaml", SERVICE_MONITOR)
    ));
    site.await_kinds();
    let values = site.file("values.yaml", EVERY_VALUE);
    site.helm(&format!(
        "upgrade eniclaim charts/eniclaim --namespace eniclaim-system --values {values}"
    ))
    .unwrap();
    site.kubectl("--namespace eniclaim-system get servicemonitor eniclaim");
    site.takes_every_field(&values);

    site.helm("uninstall eniclaim --namespace eniclaim-system")
        .unwrap();
    site.helm("uninstall eniclaim-crds").unwrap();
    let kept = site.kubectl("get customresourcedefinitions --output name");
    for kind in ["eniclaims", "eniclasses", "eninodes"] {
        assert!(kept.contains(&format!("{kind}.eniclaim.io")), "{kept}");
    }
    site.helm("install eniclaim-crds charts/eniclaim-crds")
        .unwrap();
    site.helm(INSTALL).unwrap();
    site.0.down().unwrap();
}

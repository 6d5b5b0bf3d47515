//! The charts on a real API server, by Helm: in the right order and in wrong ones, with every optional value, and again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "installed/drained.rs"]
mod drained;
#[path = "installed/on_nodes.rs"]
mod on_nodes;
#[path = "installed/site.rs"]
mod site;

use std::{sync::Mutex, thread, time::Duration};

use cluster::Cluster;
use site::{PROMETHEUS, Site};

/// Everything that is off or empty by default.
const EVERY_VALUE: &str = include_str!("installed/every-value.yaml");
/// One cluster after the other.
static ONE: Mutex<()> = Mutex::new(());

impl Site {
    /// Helm sends hooks only when it is told to run them; and an unknown field that the API server drops is no error to it.
    fn takes_every_field(&self, values: &str) {
        let rendered = |more: &str| {
            let template = "template eniclaim charts/eniclaim --namespace eniclaim-system";
            let text = self.helm(&format!("{template} --values {values} {more}"));
            self.file("rendered.yaml", &text.unwrap())
        };
        let strict = "--validate=strict --filename";
        for hooks in ["tests/agents.yaml", "drain.yaml"] {
            let hooks = rendered(&format!("--show-only templates/{hooks}"));
            self.kubectl(&format!("create {strict} {hooks}"));
            self.kubectl(&format!("delete --wait=false --filename {hooks}"));
        }
        let all = rendered("--skip-tests");
        self.kubectl(&format!(
            "apply --dry-run=server --force-conflicts --server-side {strict} {all}"
        ));
    }
}

impl Site {
    /// Nobody runs the hook here: as long as it hangs, nothing is deleted.
    fn is_uninstalled_after_helm_gave_up(&self) {
        let uninstall = "uninstall eniclaim --namespace eniclaim-system --timeout";
        let hung = self.helm(&format!("{uninstall} 2s")).unwrap_err();
        assert!(hung.contains("eniclaim-drain"), "{hung}");
        self.kubectl("--namespace eniclaim-system get deployment eniclaim-operator");
        // What the chart's README says of this moment.
        let upgrade = "upgrade eniclaim charts/eniclaim --namespace eniclaim-system --reuse-values";
        let refused = self.helm(upgrade).unwrap_err();
        assert!(refused.contains("has no deployed releases"), "{refused}");
        self.helm("rollback eniclaim 2 --namespace eniclaim-system --force-conflicts")
            .unwrap();
        // The drains before had ended operator and agents.
        let operator = self.field("deployment/eniclaim-operator", ".spec.replicas");
        let agents = self.field("daemonset/eniclaim-agent", ".spec.template.spec");
        assert_ne!(operator, "0");
        assert!(!agents.contains("eniclaim.io/uninstalled"), "{agents}");
        self.helm(upgrade).unwrap();

        let hung = self.helm(&format!("{uninstall} 2s")).unwrap_err();
        assert!(hung.contains("eniclaim-drain"), "{hung}");
        let job =
            "--namespace eniclaim-system get job eniclaim-drain --output jsonpath={.metadata.uid}";
        let before = self.kubectl(job);
        thread::scope(|scope| {
            let again = scope.spawn(|| self.helm(&format!("{uninstall} 60s")));
            let is_new = || self.try_kubectl(job).is_ok_and(|uid| uid != before);
            self.0
                .poll("another Job", Duration::from_secs(30), is_new)
                .unwrap();
            self.kubectl(&format!(
                "--namespace eniclaim-system patch job eniclaim-drain {DONE}"
            ));
            again.join().unwrap().unwrap();
        });
    }
}

/// As the controller of Jobs says it.
const DONE: &str = r#"--subresource=status --type=merge --patch={"status":{"startTime":"2026-01-01T00:00:00Z","completionTime":"2026-01-01T00:00:01Z","succeeded":1,"conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete","status":"True"}]}}"#;
const INSTALL: &str =
    "install eniclaim charts/eniclaim --namespace eniclaim-system --create-namespace";

#[test]
fn charts_are_installed_upgraded_uninstalled_and_installed_again() {
    let _one = ONE.lock().unwrap();
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

    site.apply(PROMETHEUS);
    site.await_kinds();
    let values = site.file("values.yaml", EVERY_VALUE);
    site.helm(&format!(
        "upgrade eniclaim charts/eniclaim --namespace eniclaim-system --values {values}"
    ))
    .unwrap();
    for object in [
        "servicemonitor/eniclaim",
        "prometheusrule/eniclaim",
        "configmap/eniclaim-dashboard",
    ] {
        site.kubectl(&format!("--namespace eniclaim-system get {object}"));
    }
    site.takes_every_field(&values);
    site.is_drained_step_by_step();

    site.is_uninstalled_after_helm_gave_up();
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

//! etcd, the API server, the controller manager and the scheduler, in the control plane's namespace.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::{
    binaries::Binaries,
    error::{Result, at},
    pki::{Authority, service_account_keys},
    process::Daemons,
    vpc::netns_path,
};

/// The address of the control plane in the VPC.
pub(crate) const ADDRESS: &str = "10.0.0.10";
/// Service addresses of each family; the first one is the API server's. Pods have IPv4 alone, until somebody gives their network IPv6.
const SERVICES: &str = "10.96.0.0/16,fd00:10:96::/112";
const API_SERVICE: &str = "10.96.0.1";
const ETCD: &str = "http://127.0.0.1:2379";

/// The URL of the API server.
pub(crate) fn url() -> String {
    format!("https://{ADDRESS}:6443")
}

/// One JSON object a line for each write that the API server answered.
pub(crate) fn audit_log(state: &Path) -> PathBuf {
    state.join("log/audit.log")
}

/// Who wrote which object how, without bodies; leases, which are renewed all the time, are left out.
fn audit_policy() -> serde_json::Value {
    json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "verbs": ["get", "list", "watch"]},
            {"level": "None", "resources": [{"group": "coordination.k8s.io"}]},
            {"level": "Metadata"},
        ],
    })
}

/// The control plane of one cluster.
pub(crate) struct ControlPlane<'a> {
    pub(crate) netns: String,
    pub(crate) state: &'a Path,
    pub(crate) binaries: &'a Binaries,
    pub(crate) daemons: &'a Daemons,
}

impl ControlPlane<'_> {
    /// Writes certificates, starts etcd and the API server.
    pub(crate) fn start_api(&self, authority: &Authority) -> Result<()> {
        let hosts = [ADDRESS, API_SERVICE, "127.0.0.1", "kubernetes.default.svc"];
        authority.identity(&self.folder("apiserver"), "kube-apiserver", &hosts)?;
        authority.identity(&self.folder("admin"), "system:masters/admin", &[])?;
        authority.identity(
            &self.folder("controller-manager"),
            "system:kube-controller-manager",
            &[],
        )?;
        authority.identity(&self.folder("scheduler"), "system:kube-scheduler", &[])?;
        service_account_keys(&self.state.join("pki"))?;
        let policy = self.audit_policy();
        at(&policy, fs::write(&policy, audit_policy().to_string()))?;
        self.daemons.start("etcd", &mut self.etcd())?;
        self.daemons
            .start("kube-apiserver", &mut self.apiserver())?;
        Ok(())
    }

    /// Starts what needs an API server that answers.
    pub(crate) fn start_controllers(&self) -> Result<()> {
        self.daemons
            .start("kube-controller-manager", &mut self.controller_manager())?;
        self.daemons
            .start("kube-scheduler", &mut self.scheduler())?;
        Ok(())
    }

    fn folder(&self, identity: &str) -> PathBuf {
        self.state.join("pki").join(identity)
    }

    fn audit_policy(&self) -> PathBuf {
        self.state.join("audit-policy.json")
    }

    fn program(&self, folder: &Path, name: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", netns_path(&self.netns).display()))
            .arg(folder.join(name));
        command
    }

    fn etcd(&self) -> Command {
        let mut command = self.program(&self.binaries.etcd, "etcd");
        command.args([
            "--listen-client-urls",
            ETCD,
            "--advertise-client-urls",
            ETCD,
            "--unsafe-no-fsync",
            "--data-dir",
        ]);
        command.arg(self.state.join("etcd"));
        command
    }

    fn apiserver(&self) -> Command {
        let pki = |name: &str| self.state.join("pki").join(name);
        let mut command = self.program(&self.binaries.kubernetes, "kube-apiserver");
        command
            .args([
                "--etcd-servers",
                ETCD,
                "--advertise-address",
                ADDRESS,
                "--service-cluster-ip-range",
                SERVICES,
            ])
            .args([
                "--authorization-mode",
                "Node,RBAC",
                "--enable-admission-plugins",
                "NodeRestriction",
            ])
            // Names of nodes resolve nowhere.
            .args([
                "--kubelet-preferred-address-types",
                "InternalIP",
                "--allow-privileged",
            ])
            .args([
                "--service-account-issuer",
                "https://kubernetes.default.svc",
                "--cert-dir",
            ])
            .arg(self.folder("apiserver"))
            .arg("--audit-policy-file")
            .arg(self.audit_policy())
            .arg("--audit-log-path")
            .arg(audit_log(self.state));
        for (flag, file) in [
            ("--tls-cert-file", "apiserver/tls.crt"),
            ("--tls-private-key-file", "apiserver/tls.key"),
            ("--client-ca-file", "apiserver/ca.crt"),
            ("--kubelet-client-certificate", "admin/tls.crt"),
            ("--kubelet-client-key", "admin/tls.key"),
            ("--service-account-key-file", "sa.pub"),
            ("--service-account-signing-key-file", "sa.key"),
        ] {
            command.arg(flag).arg(pki(file));
        }
        command
    }

    fn controller_manager(&self) -> Command {
        let mut command = self.program(&self.binaries.kubernetes, "kube-controller-manager");
        command
            .args([
                "--use-service-account-credentials",
                "--leader-elect=false",
                "--bind-address",
                "127.0.0.1",
            ])
            // With the default of 20 it takes five seconds until its controllers run.
            .args([
                "--kube-api-qps=1000",
                "--kube-api-burst=1000",
                "--kubeconfig",
            ])
            .arg(self.folder("controller-manager").join("kubeconfig"))
            .arg("--root-ca-file")
            .arg(self.folder("apiserver").join("ca.crt"))
            .arg("--service-account-private-key-file")
            .arg(self.state.join("pki/sa.key"))
            .arg("--cert-dir")
            .arg(self.folder("controller-manager"));
        command
    }

    fn scheduler(&self) -> Command {
        let mut command = self.program(&self.binaries.kubernetes, "kube-scheduler");
        command.args([
            "--leader-elect=false",
            "--bind-address",
            "127.0.0.1",
            "--kubeconfig",
        ]);
        command.arg(self.folder("scheduler").join("kubeconfig"));
        command
    }
}

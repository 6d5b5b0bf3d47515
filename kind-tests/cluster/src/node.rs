//! One node: a mount namespace over its network namespace, with containerd, kubelet and kube-proxy in it.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

use crate::{
    binaries::Binaries,
    cgroups,
    error::{Result, at},
    made::{Made, Thing},
    pki::Authority,
    process::{Daemons, output, run},
    signals,
    vpc::{Instance, netns_path},
};

/// The CNI plugins that a node has from the start.
const PLUGINS: &[&str] = &["ptp", "host-local", "host-device", "loopback", "portmap"];

/// Handlers of the runtime whose pods are in another network than the node's first one. The lists of the handler `eni` are in
/// `/etc/cni/eni.d`; none is there from the start.
const HANDLERS: &[&str] = &["eni", "host-device"];

/// A node of a cluster.
#[derive(Debug, Clone)]
pub struct Node {
    name: String,
    /// Counted from 1: part of the node's address and of its pods' network.
    number: usize,
    state: PathBuf,
}

impl Node {
    /// The node with this number of the cluster at `state`, whether it exists or not.
    pub(crate) fn new(prefix: &str, state: &Path, number: usize) -> Self {
        Self {
            name: format!("{prefix}-n{number}"),
            number,
            state: state.to_owned(),
        }
    }

    /// The name of the Node object, of the network namespace and of the control group.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// The node's address in the VPC.
    pub fn address(&self) -> String {
        format!("10.0.1.{}", 10 + self.number)
    }

    /// The network of the node's pods.
    pub(crate) fn pods(&self) -> String {
        format!("10.244.{}.0/24", self.number)
    }

    /// Runs a program on the node, in its network and mount namespaces, to its end.
    pub fn exec(&self, command: &[&str]) -> Result<Output> {
        output(self.enter().args(command))
    }

    /// A command that runs on the node; program and arguments are to be added.
    pub(crate) fn enter(&self) -> Command {
        let path = env::var("PATH").unwrap_or_default();
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", netns_path(&self.name).display()))
            .arg(format!("--mount={}", self.mounts().display()))
            .env("PATH", format!("/opt/kubernetes:/opt/containerd:{path}"));
        command
    }

    /// The handle of the node's mount namespace.
    fn mounts(&self) -> PathBuf {
        self.state.join("mounts").join(&self.name)
    }

    fn folder(&self) -> PathBuf {
        self.state.join(&self.name)
    }

    /// Writes the node's files, makes its control group and its mount namespace.
    pub(crate) fn prepare(
        &self,
        instance: &Instance,
        authority: &Authority,
        binaries: &Binaries,
    ) -> Result<()> {
        self.write_files(instance, binaries)?;
        let identity = format!("system:nodes/system:node:{}", self.name);
        authority.identity(
            &self.folder().join("etc/kubernetes/kubelet"),
            &identity,
            &[&self.name, &self.address()],
        )?;
        authority.identity(
            &self.folder().join("etc/kubernetes/kube-proxy"),
            "system:kube-proxy",
            &[],
        )?;
        let handle = self.mounts();
        at(&handle, fs::write(&handle, ""))?;
        let _gate = signals::gate();
        Made::of(&self.state).record(Thing::Cgroup, &self.name)?;
        cgroups::make(&self.name)?;
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", netns_path(&self.name).display()))
            .arg("unshare")
            .arg(format!("--mount={}", handle.display()))
            .args([
                "--propagation",
                "slave",
                "sh",
                "-euc",
                include_str!("node.sh"),
                "node.sh",
            ])
            .args([&self.folder(), &binaries.kubernetes, &binaries.containerd]);
        run(&mut command, Stdio::null()).map(drop)
    }

    fn write_files(&self, instance: &Instance, binaries: &Binaries) -> Result<()> {
        let root = self.folder();
        for folder in [
            "etc/cni/net.d",
            "etc/containerd",
            "etc/kubernetes/manifests",
            "work",
            "sysctl",
            "log",
            "lib",
        ] {
            at(root.join(folder), fs::create_dir_all(root.join(folder)))?;
        }
        for folder in ["opt/cni/bin", "opt/kubernetes", "opt/containerd"] {
            at(root.join(folder), fs::create_dir_all(root.join(folder)))?;
        }
        for handler in HANDLERS {
            let folder = root.join("etc/cni").join(format!("{handler}.d"));
            at(&folder, fs::create_dir_all(&folder))?;
        }
        for plugin in PLUGINS {
            let path = root.join("opt/cni/bin").join(plugin);
            at(&path, fs::copy(binaries.cni_plugins.join(plugin), &path))?;
        }
        let files = [
            ("etc/cni/net.d/10-pods.conflist", self.network().to_string()),
            ("etc/containerd/config.toml", containerd()),
            (
                "etc/kubernetes/kubelet.json",
                self.kubelet(instance).to_string(),
            ),
            ("etc/kubernetes/kube-proxy.json", self.proxy().to_string()),
            // The VPC's own resolver, whether it answers or not: nothing outside the VPC is ever asked.
            ("etc/resolv.conf", "nameserver 10.0.0.2\n".to_owned()),
        ];
        for (name, text) in files {
            at(root.join(name), fs::write(root.join(name), text))?;
        }
        Ok(())
    }

    /// The primary network of the pods.
    fn network(&self) -> Value {
        json!({
            "cniVersion": "1.1.0", "name": "pods",
            "plugins": [{"type": "ptp", "mtu": 9001, "ipam": {
                "type": "host-local", "ranges": [[{"subnet": self.pods()}]], "routes": [{"dst": "0.0.0.0/0"}],
            }}],
        })
    }

    fn kubelet(&self, instance: &Instance) -> Value {
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "cgroupDriver": "cgroupfs", "cgroupRoot": format!("/{}", self.name), "failCgroupV1": false,
            "enforceNodeAllocatable": [], "failSwapOn": false, "makeIPTablesUtilChains": false,
            "authentication": {
                "anonymous": {"enabled": false}, "webhook": {"enabled": false},
                "x509": {"clientCAFile": "/etc/kubernetes/kubelet/ca.crt"},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "tlsCertFile": "/etc/kubernetes/kubelet/tls.crt", "tlsPrivateKeyFile": "/etc/kubernetes/kubelet/tls.key",
            "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local",
            "staticPodPath": "/etc/kubernetes/manifests",
            "providerID": format!("aws:///{}/{}", instance.zone, instance.id),
            // Tests kill containers on purpose and should not wait five minutes for them.
            "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
            // Full or not, the disk is not the cluster's alone: no image is deleted for it.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
        })
    }

    fn proxy(&self) -> Value {
        json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
            "mode": "nftables", "clusterCIDR": "10.244.0.0/16", "hostnameOverride": self.name,
            "clientConnection": {"kubeconfig": "/etc/kubernetes/kube-proxy/kubeconfig"},
            // Zero leaves the machine's own limits as they are.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            "nftables": {"minSyncPeriod": "100ms"},
        })
    }

    pub(crate) fn start_containerd(&self, daemons: &Daemons) -> Result<()> {
        daemons
            .start(
                &format!("{}-containerd", self.name),
                self.enter().arg("containerd"),
            )
            .map(drop)
    }

    pub(crate) fn start_kube_proxy(&self, daemons: &Daemons) -> Result<()> {
        let mut command = self.enter();
        command.args(["kube-proxy", "--config", "/etc/kubernetes/kube-proxy.json"]);
        daemons
            .start(&self.kube_proxy_name(), &mut command)
            .map(drop)
    }

    pub(crate) fn start_kubelet(&self, daemons: &Daemons) -> Result<()> {
        let mut command = self.enter();
        command
            .args([
                "kubelet",
                "--config",
                "/etc/kubernetes/kubelet.json",
                "--kubeconfig",
                "/etc/kubernetes/kubelet/kubeconfig",
            ])
            .args([
                "--hostname-override",
                &self.name,
                "--node-ip",
                &self.address(),
            ])
            .args([
                "--node-labels",
                "topology.kubernetes.io/zone=us-east-1a,topology.kubernetes.io/region=us-east-1",
            ]);
        daemons.start(&self.kubelet_name(), &mut command).map(drop)
    }

    pub(crate) fn kube_proxy_name(&self) -> String {
        format!("{}-kube-proxy", self.name)
    }

    pub(crate) fn kubelet_name(&self) -> String {
        format!("{}-kubelet", self.name)
    }
}

/// What containerd is told: the runtime of all pods, and the handlers.
fn containerd() -> String {
    let mut text = CONTAINERD.to_owned();
    for handler in HANDLERS {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            r#"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.{handler}]
  runtime_type = "io.containerd.runc.v2"
  cni_conf_dir = "/etc/cni/{handler}.d"
"#
        );
    }
    text
}

/// No `AppArmor`: containerd would load a profile that stays in the machine's kernel. Everything else is where containerd has it by default. Without `CAP_SYS_RESOURCE`, as in many sandboxes, runc cannot
/// lower a process's OOM score and dies with "can't get final child's PID from pipe: EOF".
const CONTAINERD: &str = r#"version = 3
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "localhost/eniclaim/pause:1"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  disable_apparmor = true
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
"#;

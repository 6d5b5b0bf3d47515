//! A release on real nodes: EC2 over TLS with a CA of one's own, credentials as IRSA gives them, every optional value; and its
//! end, after which the nodes are as they were.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use cluster::{Cluster, Options};
use serde_json::Value;

use super::site::{PROMETHEUS, Site, said};

const VALUES: &str = include_str!("on-nodes.yaml");
const ROLE: &str = "arn:aws:iam::123456789012:role/eniclaim";
const SYSTEM: &str = "eniclaim-system";
/// Files that the agent might leave, and what kubelet is told.
const NODE: &str = "
    find /opt/cni/bin /etc/cni/net.d -type f ! -name '.*' -exec sha256sum {} + | sort
    find /etc/cni/net.d /run -maxdepth 1 -type d ! -name 'kubernetes' | grep -E 'eniclaim|net.d' | sort";

/// What a class and a pod that asks for it are.
const CLASS_AND_POD: &str = "
apiVersion: eniclaim.io/v1alpha1
kind: EniClass
metadata: {name: app}
spec:
  namespaceSelector: {}
  subnets: {ids: [subnet-000000000000000a1]}
  securityGroups: {ids: [sg-000000000000000a2]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {eniclaim.io/class: app}}
spec:
  terminationGracePeriodSeconds: 1
  tolerations: [{operator: Exists}]
  containers:
    - name: probe
      image: localhost/eniclaim/probe:dev
      args: [serve]
      readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
";

/// Folder of the test CA; the simulator makes it.
struct Tls(PathBuf);

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn release_with_every_value_serves_and_leaves_the_nodes_as_they_were() {
    let _one = super::ONE.lock().unwrap();
    let tls = Tls(env::temp_dir().join(format!("eniclaim-tls-{}", process::id())));
    fs::create_dir_all(&tls.0).unwrap();
    let site = Site(Cluster::up(options(&tls.0)).unwrap());
    site.sts();
    let values = site.prepare(&tls.0);
    let before = site.nodes();

    site.helm("install eniclaim-crds charts/eniclaim-crds --wait")
        .unwrap();
    let install =
        format!("install eniclaim charts/eniclaim --namespace {SYSTEM} --values {values}");
    site.helm(&install).unwrap();
    site.kubectl(&format!(
        "-n {SYSTEM} rollout status deployment/eniclaim-operator --timeout=90s"
    ));
    site.helm(&format!("test eniclaim --namespace {SYSTEM} --logs"))
        .unwrap();
    site.roles_of_the_cluster_reach_our_objects();
    site.operator_has_roots();

    site.apply(CLASS_AND_POD);
    site.kubectl("wait pod/web --for=condition=Ready --timeout=60s");
    site.kubectl("wait eniclaims --all --for=condition=Ready --timeout=60s");
    site.refuses_while_a_pod_has_its_eni();

    site.kubectl("delete pod web --wait=true --timeout=60s");
    let ended = site.helm(&format!(
        "uninstall eniclaim --namespace {SYSTEM} --timeout 5m"
    ));
    ended.unwrap_or_else(|said| panic!("{said}\n{}", site.drain_log()));
    assert_eq!(site.nodes(), before);
    let snapshot = site.0.sim("GET", "/sim/snapshot", None).unwrap();
    let ours = |eni: &&Value| eni["tags"].get("eniclaim.io/claim-uid").is_some();
    assert_eq!(snapshot["enis"].as_array().unwrap().iter().find(ours), None);
    assert_eq!(site.kubectl("get eninodes --output name"), "");
    assert_eq!(
        site.kubectl(&format!("-n {SYSTEM} get pods,jobs,leases --output name")),
        ""
    );
    site.0.down().unwrap();
}

fn options(tls: &Path) -> Options {
    let folder = format!("--tls-folder={}", tls.display());
    let short = [
        "--create-delay=200ms",
        "--attach-delay=200ms",
        "--detach-delay=200ms",
    ];
    Options {
        name: "whole".to_owned(),
        vpc_sim_args: short
            .iter()
            .map(|&arg| arg.to_owned())
            .chain([folder])
            .collect(),
        ..Options::default()
    }
}

impl Site {
    /// An instance of the VPC that plays STS.
    fn sts(&self) {
        let (subnet, group) = ("subnet-000000000000000a0", "sg-000000000000000a1");
        let netns = self.0.peer("sts", "10.0.0.30", subnet, &[group]).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/installed/sts.py");
        let command = ["python3", script.to_str().unwrap(), "8081", ROLE];
        self.0.spawn_in(&netns, "sts", &command).unwrap();
    }

    /// What the values name; gives the file of the values.
    fn prepare(&self, tls: &Path) -> String {
        let [operator, agent, _] = ["operator", "agent", "probe"].map(|name| self.image(name));
        self.apply(PROMETHEUS);
        self.await_kinds();
        self.kubectl("label nodes --all example.com/a=b");
        self.kubectl("taint nodes --all example.com/a=b:NoSchedule");
        self.kubectl(&format!("create namespace {SYSTEM}"));
        self.kubectl(&format!("-n {SYSTEM} create serviceaccount existing"));
        let ca = tls.join("ca.crt");
        self.kubectl(&format!(
            "-n {SYSTEM} create configmap ca --from-file={}",
            ca.display()
        ));
        let values = VALUES.replace("digest: OPERATOR", &format!("digest: \"{operator}\""));
        let values = values.replace("digest: AGENT", &format!("digest: \"{agent}\""));
        self.file("values.yaml", &values)
    }

    /// Builds one of the project's images and loads it; gives its digest, by which a node knows it, too.
    fn image(&self, name: &str) -> String {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let dockerfile = match name {
            "probe" => "kind-tests/e2e/Dockerfile",
            _ => "Dockerfile",
        };
        let (context, dockerfile) = (
            repository.join("target/images"),
            repository.join(dockerfile),
        );
        let image = format!("localhost/eniclaim/{name}");
        let tag = format!("{image}:dev");
        let archive = self
            .0
            .build_image(&dockerfile, Some(name), &context, &tag)
            .unwrap();
        self.0.load_image(&archive).unwrap();
        let mut digest = String::new();
        for node in self.0.nodes() {
            let ctr = |args: &[&str]| {
                let command = [&["ctr", "--namespace", "k8s.io", "images"], args].concat();
                said(&node.exec(&command).unwrap()).unwrap()
            };
            let listed = ctr(&["ls", &format!("name=={tag}")]);
            let mut words = listed.split_whitespace();
            let found = words.find(|word| word.starts_with("sha256:"));
            found.unwrap().clone_into(&mut digest);
            ctr(&["tag", &tag, &format!("{image}@{digest}")]);
        }
        digest
    }

    /// The cluster's own roles view and edit have what ours add to them.
    fn roles_of_the_cluster_reach_our_objects(&self) {
        for role in ["view", "edit"] {
            self.kubectl(&format!(
                "create clusterrolebinding can-{role} --clusterrole={role} --user=can-{role}"
            ));
        }
        let may = |user: &str, verb: &str, what: &str| {
            let question = format!("auth can-i {verb} {what}.eniclaim.io --as={user}");
            self.try_kubectl(&question)
                .is_ok_and(|said| said.trim() == "yes")
        };
        for user in ["can-view", "can-edit"] {
            for what in ["eniclaims", "eniclasses", "eninodes"] {
                self.0
                    .poll(
                        &format!("{user} to read {what}"),
                        Duration::from_secs(30),
                        || may(user, "get", what),
                    )
                    .unwrap();
            }
            for verb in ["update", "patch"] {
                assert!(!may(user, verb, "eniclaims"), "{user} {verb}");
            }
        }
        for verb in ["create", "delete"] {
            assert!(may("can-edit", verb, "eniclaims"), "{verb}");
            assert!(!may("can-view", verb, "eniclaims"), "{verb}");
        }
        self.kubectl("delete clusterrolebinding can-view can-edit");
    }

    /// Here another CA stands before EC2; elsewhere the operator verifies EC2's certificate with what is in its image.
    fn operator_has_roots(&self) {
        let script = "
            image=$(mktemp -d)
            ctr --namespace k8s.io images mount localhost/eniclaim/operator:dev $image >/dev/null
            grep --count 'BEGIN CERTIFICATE' $image/etc/ssl/certs/ca-certificates.crt || true
            ctr --namespace k8s.io images unmount --rm $image >/dev/null
            rmdir $image";
        let counted = self.0.node(0).exec(&["sh", "-euc", script]).unwrap();
        let counted = said(&counted).unwrap();
        let roots: u32 = counted.trim().parse().unwrap_or_default();
        assert!(
            roots > 50,
            "the image has {roots} certificates of authorities"
        );
    }

    /// Nothing changes by a refusal.
    fn refuses_while_a_pod_has_its_eni(&self) {
        let refused = self
            .helm(&format!("uninstall eniclaim --namespace {SYSTEM}"))
            .unwrap_err();
        let sentence = "pods have ENIs (1): default/web; delete these pods and uninstall again";
        let log = self.drain_log();
        assert!(log.contains(sentence), "{log}\n{refused}");
        // It is for people.
        let cure = format!("by `kubectl --namespace {SYSTEM} annotate --overwrite deployment");
        let sentence = format!("ended error={sentence}");
        assert!(log.contains(&sentence) && log.contains(&cure), "{log}");
        // Helm prints the log of the hook.
        assert!(refused.contains("eniclaim-drain"), "{refused}");
        let replicas = "-n eniclaim-system get deployment eniclaim-operator --output jsonpath={.status.readyReplicas}";
        assert_eq!(self.kubectl(replicas), "2");
        self.helm(&format!("test eniclaim --namespace {SYSTEM}"))
            .unwrap();
        self.kubectl("wait eniclaims --all --for=condition=Ready --timeout=1s");
    }

    fn drain_log(&self) -> String {
        self.try_kubectl(&format!("-n {SYSTEM} logs job/eniclaim-drain"))
            .unwrap_or_else(|said| said)
    }

    /// Files, labels and resources of all nodes.
    fn nodes(&self) -> String {
        let files = self.0.nodes().iter().map(|node| {
            let listed = said(&node.exec(&["sh", "-euc", NODE]).unwrap());
            format!("{}:\n{}", node.name(), listed.unwrap_or_else(|said| said))
        });
        let mut seen: String = files.collect();
        let mut objects = String::new();
        let what = "get nodes --output jsonpath={range.items[*]}{.metadata.labels}{.status.capacity}{.status.allocatable}{end}";
        // Kubelet takes what is gone from its capacity out of allocatable with its next report.
        let settled = self.0.poll(
            "the nodes' resources to settle",
            Duration::from_secs(30),
            || {
                objects = self.kubectl(what);
                !objects.contains("eniclaim.io")
            },
        );
        settled.unwrap_or_else(|error| panic!("{error}: {objects}"));
        // How much of it is free differs.
        seen.push_str(&objects.replace(|c: char| c.is_ascii_digit(), "0"));
        seen
    }
}

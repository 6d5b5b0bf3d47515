//! `eniclaim-operator drain` against an API server alone: while a pod has a claim, without custom resources, and without EC2.

use std::path::Path;

use super::site::{Site, said};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {eniclaim.io/class: app}}
spec: {containers: [{name: web, image: web}]}
";
const OPERATOR: &str = "system:serviceaccount:eniclaim-system:eniclaim-operator";
const CLAIM: &str = "
apiVersion: eniclaim.io/v1alpha1
kind: EniClaim
metadata: {name: web-0, finalizers: [eniclaim.io/eni]}
spec: {className: app, owner: {kind: Pod, name: web, uid: UID}}
";
const NODE: &str = r#"
apiVersion: v1
kind: Node
metadata: {name: n1, labels: {class.eniclaim.io/app: "true", example.com/a: b}}
---
apiVersion: eniclaim.io/v1alpha1
kind: EniNode
metadata: {name: n1}
spec: {}
"#;
const RESOURCE: &str = r#"--subresource=status --type=merge --patch={"status":{"capacity":{"eniclaim.io/eni":"7","cpu":"2"},"allocatable":{"eniclaim.io/eni":"7","cpu":"2"}}}"#;

impl Site {
    /// What drain says when it fails; EC2 never answers here.
    fn drain(&self, pods: &str) -> Result<String, String> {
        let operator =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/images/eniclaim-operator");
        let kubeconfig = self.0.state_dir().join("pki/admin/kubeconfig");
        let command = [
            "env",
            &format!("KUBECONFIG={}", kubeconfig.display()),
            "AWS_REGION=us-east-1",
            "AWS_ACCESS_KEY_ID=a",
            "AWS_SECRET_ACCESS_KEY=b",
            "AWS_ENDPOINT_URL_EC2=http://127.0.0.1:9",
            operator.to_str().unwrap(),
            "drain",
            "--timeout=1s",
            &format!("--pods={pods}"),
        ];
        let netns = format!("{}-cp", self.0.prefix());
        said(&self.0.in_netns(&netns, &command).unwrap())
    }

    pub fn field(&self, object: &str, path: &str) -> String {
        self.kubectl(&format!(
            "--namespace eniclaim-system get {object} --output jsonpath={{{path}}}"
        ))
    }

    pub fn is_drained_step_by_step(&self) {
        self.kubectl("create serviceaccount default");
        self.apply(POD);
        let uid = self.kubectl("get pod web --output jsonpath={.metadata.uid}");
        // The operator alone makes claims for pods.
        let claim = self.file("claim.yaml", &CLAIM.replace("UID", &uid));
        self.kubectl(&format!("create --as={OPERATOR} -f {claim}"));
        let refused = self.drain("refuse").unwrap_err();
        assert!(
            refused.contains("pods have ENIs (1): default/web"),
            "{refused}"
        );
        let replicas = || self.field("deployment/eniclaim-operator", ".spec.replicas");
        assert_eq!(replicas(), "2");

        // In the wrong order: once the kind is gone, EC2 alone can tell, and the pod only waits.
        self.kubectl(
            r#"patch eniclaims web-0 --type=merge --patch={"metadata":{"finalizers":null}}"#,
        );
        self.kubectl("delete customresourcedefinition eniclaims.eniclaim.io");
        let waits = self.drain("refuse").unwrap_err();
        assert!(
            waits.contains("pods wait for ENIs (1): default/web"),
            "{waits}"
        );
        self.kubectl("delete pod web --now");
        let unknown = self.drain("wait").unwrap_err();
        assert!(
            unknown.contains("whether EC2 has ENIs of this cluster is not known"),
            "{unknown}"
        );
        assert_eq!(replicas(), "2");

        self.apply(NODE);
        self.kubectl(&format!("patch node n1 {RESOURCE}"));
        self.drain("abandon").unwrap();
        assert_eq!(replicas(), "0");
        let agents = self.field(
            "daemonset/eniclaim-agent",
            ".spec.template.spec.nodeSelector",
        );
        assert!(agents.contains("eniclaim.io/uninstalled"), "{agents}");
        let node = self.kubectl("get node n1 --output jsonpath={.metadata.labels}{.status}");
        assert!(
            !node.contains("eniclaim.io") && node.contains("example.com/a"),
            "{node}"
        );
        assert!(node.contains("cpu"), "{node}");
        assert_eq!(self.kubectl("get eninodes --output name"), "");
        // Again, as after a hook that failed half-way.
        self.drain("abandon").unwrap();
        self.helm("upgrade eniclaim-crds charts/eniclaim-crds")
            .unwrap();
        self.await_kinds();
    }
}

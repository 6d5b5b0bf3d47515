//! Names that users, operator, agent and plugin agree on.

/// API group of every kind of ours.
pub const GROUP: &str = "eniclaim.io";
/// The only version served today.
pub const VERSION: &str = "v1alpha1";

/// Label **and** annotation by which a pod asks for an ENI of the class it names.
/// The label is what the operator selects by, the annotation is what the CNI plugin sees.
pub const CLASS: &str = "eniclaim.io/class";
/// Annotation by which a pod asks for several ENIs: `<interface>=<class>` of each, separated by commas. Beside it [`CLASS`] is the
/// class of the first.
pub const INTERFACES: &str = "eniclaim.io/interfaces";
/// Annotation by which a pod names the claim that it uses, of its namespace, instead of getting one of its own.
pub const CLAIM: &str = "eniclaim.io/claim";
/// Annotation by which a pod of a `StatefulSet` uses the claim of its own name, which is made where there is none and outlives
/// the pod: `Retain`, or `Delete` where it goes with the `StatefulSet`.
pub const PERSISTENT: &str = "eniclaim.io/persistent";
/// Extended resource of a node: how many ENIs of ours it can hold. One is used per interface of a pod.
pub const RESOURCE: &str = "eniclaim.io/eni";
/// Prefix of the node label `class.eniclaim.io/<class>: "true"`: the class can work on this node.
pub const CLASS_LABEL_PREFIX: &str = "class.eniclaim.io/";
/// Finalizer of a claim: held until its ENI is gone from EC2.
pub const FINALIZER: &str = "eniclaim.io/eni";
/// Annotation of a claim that names the attachment to be detached by force: `<attachment id>`.
pub const FORCE_DETACH: &str = "eniclaim.io/force-detach";
/// Annotation of a claim that names the ENI to be forgotten without proof that it is deleted: `<eni id>`.
pub const FORCE_FORGET: &str = "eniclaim.io/force-forget";
/// Annotation of a pod that lists its networks, as the Network Plumbing Working Group defines it.
pub const NETWORK_STATUS: &str = "k8s.v1.cni.cncf.io/network-status";
/// Condition of a pod: all its interfaces are there. A readiness gate may name it.
pub const POD_READY: &str = "eniclaim.io/Ready";
/// Taint by which a person says that a node is shut down and its devices may be pulled (Kubernetes, non-graceful shutdown).
pub const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// Field manager under which the operator applies its part of a status.
pub const OPERATOR: &str = "eniclaim-operator";
/// Field manager under which a node's agent applies its part of a status.
pub const AGENT: &str = "eniclaim-agent";
/// Annotation of kubelet on the object of a static pod: the UID that it gave the pod, under which the runtime knows it.
pub const MIRROR: &str = "kubernetes.io/config.mirror";

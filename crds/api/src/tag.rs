//! AWS tags: those that the operator writes at creation, and those by which people tell it something. An ENI without our [`CLUSTER`] is never touched.

/// The cluster that owns the ENI (chart value `clusterId`).
pub const CLUSTER: &str = "eniclaim.io/cluster";
/// UID of the cluster's namespace kube-system: two clusters of one name do not sweep each other's ENIs.
pub const CLUSTER_UID: &str = "eniclaim.io/cluster-uid";
/// UID of the claim that owns the ENI: the proof of ownership.
pub const CLAIM_UID: &str = "eniclaim.io/claim-uid";
/// `<namespace>/<name>` of the claim, for people.
pub const CLAIM: &str = "eniclaim.io/claim";
/// Class of the claim, for people and bills.
pub const CLASS: &str = "eniclaim.io/class";
/// When the Create request was frozen, RFC 3339: EC2 itself returns no creation time.
pub const CREATED_AT: &str = "eniclaim.io/created-at";
/// Which incarnation of the claim made the ENI.
pub const INCARNATION: &str = "eniclaim.io/incarnation";
/// On an ENI that outlives its pods: should its claim be lost, the sweep reports it and does not delete it.
pub const PERSISTENT: &str = "eniclaim.io/persistent";
/// Whoever puts it on an ENI, with any value, freezes the ENI's security groups: neither an edited class nor the drift policy
/// changes them.
pub const HOLD: &str = "eniclaim.io/hold";
/// On an ENI that was kept for a person: the sweep only reports it.
pub const RETAINED: &str = "eniclaim.io/retained";
/// The AWS VPC CNI leaves ENIs alone that carry this tag with the value `true`.
pub const NO_MANAGE: &str = "node.k8s.amazonaws.com/no_manage";
/// What the EC2 console shows.
pub const NAME: &str = "Name";

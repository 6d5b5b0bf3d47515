//! Where the admission policy is installed.

use super::helm::{find, render};

/// How Helm is told what a cluster serves.
const SERVED: [&str; 2] = [
    "--api-versions",
    "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy",
];

#[test]
fn only_auto_looks_at_what_the_cluster_serves() {
    for (value, served, installed) in [
        ("\"auto\"", true, true),
        ("\"auto\"", false, false),
        ("true", false, true),
        ("\"true\"", false, true),
        ("false", true, false),
        ("\"false\"", true, false),
    ] {
        let cluster: &[&str] = if served { &SERVED } else { &[] };
        let objects = render(&[&format!("admissionPolicy={value}")], cluster).unwrap();
        for kind in ["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"] {
            let is = find(&objects, kind, "eniclaim").is_some();
            assert_eq!(is, installed, "{kind} by {value}, served: {served}");
        }
    }
    let objects = render(&[], &SERVED).unwrap();
    assert!(find(&objects, "MutatingAdmissionPolicy", "eniclaim").is_some());
}

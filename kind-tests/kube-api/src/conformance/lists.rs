//! Lists and watches, by page, selector and version.

use serde_json::Value;

use super::{
    Step,
    die::Die,
    script::{CLAIMS, EVENTS, LEASES, NODES, PODS, REPORTS, plain},
};
use crate::{Method, Request};

pub(super) fn list_step(die: &mut Die) -> Step {
    let query = die.pick(
        &[
            "",
            "limit=1",
            "limit=2",
            "limit=2&continue=nonsense",
            "labelSelector=tier",
            "labelSelector=tier%3Da",
            "labelSelector=tier%20in%20(a,b)",
            "labelSelector=!tier",
            "labelSelector=tier%20notin%20(a)&limit=1",
            "labelSelector=tier%20of%20(a)",
            "fieldSelector=metadata.name%3Dx",
            "fieldSelector=metadata.name!%3Dx,metadata.namespace%3Dconformance",
            "fieldSelector=status.nodeName%3Dnowhere",
            "fieldSelector=spec.className%3Dconformance",
        ],
        "",
    );
    let path = die.pick(
        &[
            CLAIMS,
            CLAIMS,
            CLAIMS,
            CLAIMS,
            "/apis/eniclaim.io/v1alpha1/eniclaims",
        ],
        CLAIMS,
    );
    let mut request = Request::new(Method::Get, path, Value::Null).with_query(query);
    if die.roll(8) == 0 {
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
            .clone_into(&mut request.accept);
    }
    Step {
        continues: query.starts_with("limit") && !query.contains('&') && die.roll(2) == 0,
        ..plain(request)
    }
}

fn watch(path: &str, query: &str) -> Request {
    Request::new(Method::Get, path, Value::Null).with_query(query)
}

/// Watches that say themselves where they begin.
pub(super) fn looks() -> Vec<Request> {
    let initial =
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    vec![
        watch(CLAIMS, "resourceVersion=0"),
        watch(CLAIMS, "labelSelector=tier"),
        watch(CLAIMS, initial),
        watch(REPORTS, initial),
        watch(CLAIMS, "resourceVersion=1"),
        watch(CLAIMS, "sendInitialEvents=true"),
        watch(CLAIMS, "fieldSelector=spec.className%3Dconformance"),
        watch(CLAIMS, "labelSelector=tier%20of%20(a)"),
    ]
}

/// Watches from before the first step to after the last one.
pub(super) fn watches() -> Vec<Request> {
    vec![
        watch(CLAIMS, ""),
        watch("/apis/eniclaim.io/v1alpha1/eniclaims", ""),
        watch(CLAIMS, "labelSelector=tier"),
        watch(CLAIMS, "labelSelector=tier%20in%20(a,b)"),
        watch(CLAIMS, "labelSelector=tier!%3Da"),
        watch(CLAIMS, "fieldSelector=metadata.name%3Dx"),
        watch(CLAIMS, "fieldSelector=status.nodeName%3Dnowhere"),
        watch(PODS, "labelSelector=tier%3Da"),
        watch(LEASES, ""),
        watch(REPORTS, ""),
        watch(EVENTS, ""),
        watch(NODES, ""),
    ]
}

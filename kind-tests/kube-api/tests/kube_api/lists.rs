//! Lists by page and selector, watches and their ends.

use kube_api::{
    Api, Id, Method, Request, Watch,
    json::{at as field, list, put, text},
};
use serde_json::{Value, json};

use super::makers::{CLAIMS, a_claim, a_server, ask, at, granted, make, merge, refused};

fn names(list_: &Value) -> Vec<&str> {
    list(list_, "items")
        .iter()
        .map(|o| text(o, "metadata.name"))
        .collect()
}

fn get(query: &str) -> Request {
    Request::new(Method::Get, CLAIMS, Value::Null).with_query(query)
}

fn tiered(api: &mut Api, name: &str, tier: &str) {
    let mut claim = a_claim(name);
    put(&mut claim, "metadata.labels", json!({ "tier": tier }));
    make(api, claim);
}

fn watch(api: &mut Api, query: &str) -> Watch {
    let version = api.version();
    let request = get(&format!("watch=true&resourceVersion={version}&{query}"));
    api.watch(&request, at(0)).unwrap()
}

fn shown(api: &Api, watch: &mut Watch, second: i64) -> Vec<String> {
    let events = api.poll(watch, at(second)).events;
    let event = |e: &Value| format!("{} {}", text(e, "type"), text(e, "object.metadata.name"));
    events.iter().map(event).collect()
}

#[test]
fn selectors_choose_by_labels_and_fields() {
    let mut api = a_server();
    tiered(&mut api, "a", "a");
    tiered(&mut api, "b", "b");
    make(&mut api, a_claim("c"));
    for (query, expected) in [
        ("labelSelector=tier", vec!["a", "b"]),
        ("labelSelector=!tier", vec!["c"]),
        ("labelSelector=tier%3Da", vec!["a"]),
        ("labelSelector=tier!%3Da", vec!["b", "c"]),
        (
            "labelSelector=tier%20in%20(a,b),tier%20notin%20(b)",
            vec!["a"],
        ),
        ("fieldSelector=metadata.name%3Db", vec!["b"]),
    ] {
        assert_eq!(names(&granted(&mut api, &get(query))), expected, "{query}");
    }
}

#[test]
fn pages_are_of_one_version() {
    let mut api = a_server();
    for name in ["a", "b", "c"] {
        make(&mut api, a_claim(name));
    }
    let first = granted(&mut api, &get("limit=2"));
    assert_eq!(
        (names(&first), field(&first, "metadata.remainingItemCount")),
        (vec!["a", "b"], &json!(1))
    );
    api.delete_id(&Id::new("eniclaims.eniclaim.io", "shop", "c"), at(1));
    make(&mut api, a_claim("d"));
    let token = text(&first, "metadata.continue").to_owned();
    let second = granted(&mut api, &get(&format!("limit=2&continue={token}")));
    assert_eq!(names(&second), ["c"]);
    assert_eq!(
        field(&second, "metadata.resourceVersion"),
        field(&first, "metadata.resourceVersion")
    );
    api.compact();
    refused(
        &ask(&mut api, &get(&format!("limit=2&continue={token}"))),
        410,
        "Expired",
        "too old",
    );
}

#[test]
fn a_watch_shows_what_enters_and_what_leaves_its_selector() {
    let mut api = a_server();
    let mut all = watch(&mut api, "");
    let mut a = watch(&mut api, "labelSelector=tier%3Da");
    tiered(&mut api, "x", "b");
    for tier in ["a", "a2", "a"] {
        granted(
            &mut api,
            &merge(
                &format!("{CLAIMS}/x"),
                json!({ "metadata": { "labels": { "tier": tier } } }),
            ),
        );
    }
    api.delete_id(&Id::new("eniclaims.eniclaim.io", "shop", "x"), at(1));
    assert_eq!(
        shown(&api, &mut all, 1),
        [
            "ADDED x",
            "MODIFIED x",
            "MODIFIED x",
            "MODIFIED x",
            "DELETED x"
        ]
    );
    assert_eq!(
        shown(&api, &mut a, 1),
        ["ADDED x", "DELETED x", "ADDED x", "DELETED x"]
    );
    assert_eq!(shown(&api, &mut a, 2), [] as [&str; 0]);
}

#[test]
fn a_watch_ends_is_marked_and_expires() {
    let mut api = a_server();
    let mut marked = watch(&mut api, "allowWatchBookmarks=true&timeoutSeconds=290");
    assert_eq!(marked.wakes(), at(60));
    let bookmark = api.poll(&mut marked, at(60));
    assert_eq!(bookmark.events[0]["type"], "BOOKMARK");
    assert_eq!(
        text(&bookmark.events[0], "object.metadata.resourceVersion"),
        api.version().to_string()
    );
    assert!(api.poll(&mut marked, at(290)).ended);
    let mut old = watch(&mut api, "");
    make(&mut api, a_claim("x"));
    api.compact();
    let gone = api.poll(&mut old, at(1));
    assert!(
        gone.ended && field(&gone.events[0], "object.code") == 410,
        "{gone:?}"
    );
}

#[test]
fn a_watch_from_the_start_begins_with_what_is_there() {
    let mut api = a_server();
    make(&mut api, a_claim("x"));
    let request = get(
        "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
    );
    let mut watch = api.watch(&request, at(0)).unwrap();
    let events = api.poll(&mut watch, at(0)).events;
    assert_eq!(events[0]["type"], "ADDED");
    assert_eq!(
        events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
}

#[test]
fn versions_go_back_with_a_backup() {
    let mut api = a_server();
    make(&mut api, a_claim("x"));
    let backup = api.snapshot();
    make(&mut api, a_claim("y"));
    let version = api.version();
    let mut open = watch(&mut api, "");
    api.restore(backup);
    assert!(api.version() < version && api.poll(&mut open, at(1)).ended);
    assert_eq!(names(&granted(&mut api, &get(""))), ["x"]);
    refused(
        &ask(&mut api, &get(&format!("resourceVersion={version}"))),
        504,
        "Timeout",
        "Too large resource version",
    );
    let uid = make(&mut api, a_claim("y"));
    assert_ne!(text(&uid, "metadata.uid"), "", "UIDs never come twice");
}

/// A page that is full does not look further for what is selected (`GetList` of storage/etcd3/store.go).
#[test]
fn a_full_page_goes_on_where_anything_is_left() {
    let mut api = a_server();
    tiered(&mut api, "a", "a");
    tiered(&mut api, "b", "b");
    let first = granted(&mut api, &get("limit=1&labelSelector=tier%3Da"));
    assert_eq!(names(&first), ["a"]);
    let token = text(&first, "metadata.continue").to_owned();
    assert!(!token.is_empty() && field(&first, "metadata.remainingItemCount").is_null());
    let rest = granted(
        &mut api,
        &get(&format!("limit=1&labelSelector=tier%3Da&continue={token}")),
    );
    assert_eq!(
        (names(&rest).len(), text(&rest, "metadata.continue")),
        (0, "")
    );
}

#[test]
fn only_selectable_fields_select() {
    let mut api = a_server();
    let selected = |field: &str| get(&format!("fieldSelector={field}%3Dx"));
    granted(&mut api, &selected("status.nodeName"));
    let answer = ask(&mut api, &selected("spec.className"));
    refused(
        &answer,
        400,
        "BadRequest",
        "field label not supported: spec.className",
    );
}

/// apimachinery/pkg/apis/internalversion/validation/validation.go
#[test]
fn initial_events_need_their_match() {
    let mut api = a_server();
    let refusal = api
        .watch(&get("watch=1&sendInitialEvents=true"), at(0))
        .unwrap_err();
    assert_eq!((refusal.code, refusal.reason), (422, "Invalid"));
}

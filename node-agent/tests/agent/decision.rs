//! Which files make the plugin part of the network, as a table: what lies in the folder, and what follows.

use std::collections::BTreeMap;

use node_agent::install::{
    CniChain,
    decision::{By, Change, DropIns, NetD, Reason, changes, decide},
};
use serde_json::{Value, json};

/// A folder with these files; a path with a slash is a drop-in of ours.
fn a_folder(files: &[(&str, Value)]) -> NetD {
    let mut net_d = NetD::default();
    for (path, content) in files {
        let content = match content {
            Value::String(text) => text.clone().into_bytes(),
            json => json.to_string().into_bytes(),
        };
        match path.split_once('/') {
            Some((folder, _)) => net_d.drop_ins.insert(folder.to_owned(), content),
            None => net_d.top.insert((*path).to_owned(), content),
        };
    }
    net_d
}

fn a_list(name: &str) -> Value {
    json!({ "cniVersion": "0.4.0", "name": name, "plugins": [{ "type": "ptp" }] })
}

fn ours() -> Value {
    json!({ "type": "eniclaim", "capabilities": { "io.kubernetes.cri.pod-annotations": true } })
}

fn with(mut list: Value, key: &str, value: Value) -> Value {
    list[key] = value;
    list
}

/// How the folder becomes ours, and which of the files are written and removed; or why not, and a part of what is said.
type Outcome = Result<(By, &'static [&'static str]), (Reason, &'static str)>;

fn check(
    what: &str,
    files: &[(&str, Value)],
    chain: CniChain,
    drop_ins: DropIns,
    outcome: &Outcome,
) {
    let net_d = a_folder(files);
    match (decide(&net_d, chain, drop_ins), outcome) {
        (Ok(wanted), Ok((by, due))) => {
            let done = changes(&net_d, &wanted)
                .into_iter()
                .map(|change| match change {
                    Change::Put(path, _) => format!("+{}", path.display()),
                    Change::Remove(path) => format!("-{}", path.display()),
                });
            assert_eq!(
                (wanted.by, done.collect::<Vec<_>>()),
                (*by, due.iter().map(ToString::to_string).collect()),
                "{what}"
            );
        }
        (Err(refused), Err((reason, part))) => {
            assert_eq!(refused.reason, *reason, "{what}");
            assert!(
                refused.message.contains(part),
                "{what}: {:?} does not say {part:?}",
                refused.message
            );
        }
        (found, _) => panic!("{what}: {found:?} instead of {outcome:?}"),
    }
}

const DROP_IN: &[&str] = &["+pods/90-eniclaim.conf"];
const CONFLIST: &[&str] = &["+00-eniclaim.conflist"];

#[test]
fn drop_in_joins_the_first_list_whatever_its_version() {
    use {CniChain::*, DropIns::*};
    let joined: Outcome = Ok((By::DropIn, DROP_IN));
    for version in ["0.1.0", "0.3.0", "1.1.0", "9.9.9"] {
        let list = with(a_list("pods"), "cniVersion", json!(version));
        check(version, &[("10-pods.conflist", list)], Auto, Read, &joined);
    }
    let no_version = json!({ "name": "pods", "plugins": [{ "type": "ptp" }] });
    check(
        "none",
        &[("10-pods.conflist", no_version)],
        Auto,
        Read,
        &joined,
    );
    let only_drop_ins = json!({ "name": "pods" });
    check(
        "no plugins",
        &[("10-pods.conflist", only_drop_ins)],
        Auto,
        Read,
        &joined,
    );
    let two = [("10-pods.conflist", a_list("pods")), ("05.txt", json!("x"))];
    check("unknown yet", &two[..1], Auto, Unknown, &joined);
    check("by order", &two[..1], DropIn, Ignored, &joined);
    let others = [
        ("10-pods.conflist", a_list("pods")),
        ("20-other.conflist", a_list("other")),
    ];
    check("first of two", &others, Auto, Read, &joined);
    let written = [
        ("10-pods.conflist", a_list("pods")),
        ("pods/", json!(format!("{:#}\n", ours()))),
    ];
    check("as it is", &written, Auto, Read, &Ok((By::DropIn, &[])));
    let changed = [("10-pods.conflist", a_list("pods")), ("pods/", json!("{}"))];
    check("changed by somebody", &changed, Auto, Read, &joined);
}

#[test]
fn drop_in_follows_the_list_that_takes_the_first_place() {
    let files = [
        ("05-new.conflist", a_list("new")),
        ("10-pods.conflist", a_list("pods")),
        ("pods/", json!(format!("{:#}\n", ours()))),
    ];
    let followed: Outcome = Ok((
        By::DropIn,
        &["+new/90-eniclaim.conf", "-pods/90-eniclaim.conf"],
    ));
    check("05-new", &files, CniChain::Auto, DropIns::Read, &followed);
}

#[test]
fn own_list_is_for_runtimes_that_read_no_drop_ins_and_for_single_plugins() {
    use {CniChain::*, DropIns::*};
    let pods = ("10-pods.conflist", a_list("pods"));
    let drop_in = ("pods/", json!(format!("{:#}\n", ours())));
    let list: Outcome = Ok((By::Conflist, CONFLIST));
    let one = [pods.clone()];
    check("seen", &one, Auto, Ignored, &list);
    check("by order", &one, Conflist, Read, &list);
    let moved: Outcome = Ok((
        By::Conflist,
        &["+00-eniclaim.conflist", "-pods/90-eniclaim.conf"],
    ));
    check(
        "the list first",
        &[pods.clone(), drop_in],
        Auto,
        Ignored,
        &moved,
    );
    let single = json!({ "cniVersion": "0.3.1", "name": "pods", "type": "ptp" });
    check(
        "a lone .conf",
        &[("10-pods.conf", single)],
        Auto,
        Read,
        &list,
    );
    let of_before = [
        pods.clone(),
        ("00-eniclaim.conflist", json!("of an older base")),
    ];
    check(
        "after a restart it is still the way, and made again",
        &of_before,
        Auto,
        Unknown,
        &list,
    );
    let back: Outcome = Ok((
        By::DropIn,
        &["+pods/90-eniclaim.conf", "-00-eniclaim.conflist"],
    ));
    check(
        "a runtime that reads drop-ins",
        &of_before,
        Auto,
        Read,
        &back,
    );
    let inlined = with(a_list("pods"), "loadOnlyInlinedPlugins", json!(true));
    check(
        "by order against drop-ins",
        &[("10-pods.conflist", inlined)],
        Conflist,
        Unknown,
        &list,
    );
}

#[test]
fn own_list_is_the_base_with_the_plugin_at_its_end() {
    let made_of = |name: &str, base: Value| -> Value {
        let wanted = decide(
            &a_folder(&[(name, base)]),
            CniChain::Conflist,
            DropIns::Unknown,
        )
        .unwrap();
        let files: BTreeMap<_, _> = wanted.files;
        serde_json::from_slice(&files[std::path::Path::new("00-eniclaim.conflist")]).unwrap()
    };
    let base = with(a_list("pods"), "disableCheck", json!(true));
    let mut due = base.clone();
    due["plugins"].as_array_mut().unwrap().push(ours());
    assert_eq!(made_of("10-pods.conflist", base), due);
    let single = json!({ "cniVersion": "0.3.1", "name": "pods", "type": "ptp", "mtu": 1400 });
    let due = json!({ "cniVersion": "0.3.1", "name": "pods", "plugins": [single, ours()] });
    assert_eq!(made_of("10-pods.conf", single), due, "as libcni makes it");
}

#[test]
fn list_that_names_the_plugin_needs_nothing_of_ours() {
    use {CniChain::*, DropIns::*};
    let inline = json!({ "name": "pods", "loadOnlyInlinedPlugins": true, "plugins": [{ "type": "ptp" }, ours()] });
    let files = [("10-pods.conflist", inline), ("pods/", json!("{}"))];
    check(
        "inline",
        &files,
        Auto,
        Read,
        &Ok((By::Inline, &["-pods/90-eniclaim.conf"])),
    );
    let incapable =
        json!({ "name": "pods", "plugins": [{ "type": "ptp" }, { "type": "eniclaim" }] });
    check(
        "without annotations",
        &[("10-pods.conflist", incapable)],
        Auto,
        Read,
        &Err((Reason::UnsuitableNetwork, "\"capabilities\": {")),
    );
}

#[test]
fn what_cannot_be_joined_is_told_with_the_cure() {
    use {CniChain::*, DropIns::*};
    let unsuitable = |part| -> Outcome { Err((Reason::UnsuitableNetwork, part)) };
    check(
        "no network",
        &[],
        Auto,
        Read,
        &Err((Reason::NoNetwork, "install a network plugin")),
    );
    let own = [("00-eniclaim.conflist", a_list("pods"))];
    check(
        "base is gone",
        &own,
        Auto,
        Ignored,
        &Err((Reason::NoNetwork, "install a network plugin")),
    );
    let one = |content: Value| [("10-pods.conflist", content)];
    for yes in [json!(true), json!("True")] {
        let inlined = with(a_list("pods"), "loadOnlyInlinedPlugins", yes);
        check(
            "inlined",
            &one(inlined),
            Auto,
            Read,
            &unsuitable("loadOnlyInlinedPlugins keeps drop-ins out; remove it"),
        );
    }
    check(
        "half a file",
        &one(json!("{")),
        Auto,
        Read,
        &unsuitable("no JSON object"),
    );
    check(
        "no name",
        &one(json!({ "plugins": [] })),
        Auto,
        Read,
        &unsuitable("no name"),
    );
    check(
        "bad name",
        &one(a_list("../pods")),
        Auto,
        Read,
        &unsuitable("cannot be the name of a folder"),
    );
    check(
        "bad plugins",
        &one(json!({ "name": "pods", "plugins": {} })),
        Auto,
        Read,
        &unsuitable("is no list"),
    );
    let list_as_single = [("10-pods.conf", a_list("pods"))];
    check(
        "list in a .conf",
        &list_as_single,
        Auto,
        Read,
        &unsuitable("name the file .conflist"),
    );
    let single = [("10-pods.conf", json!({ "name": "pods", "type": "ptp" }))];
    check(
        "single by order",
        &single,
        DropIn,
        Read,
        &unsuitable("make it a .conflist"),
    );
    let earlier = [("00-aaa.conflist", a_list("pods"))];
    check(
        "nothing sorts before it",
        &earlier,
        Conflist,
        Read,
        &unsuitable("rename 00-aaa.conflist"),
    );
    let renamed = [
        ("05-cilium.conflist", a_list("cilium")),
        ("00-eniclaim.conflist.cilium_bak", json!("{}")),
    ];
    check(
        "Cilium",
        &renamed,
        Conflist,
        Read,
        &Err((Reason::RenamedByCilium, "cni.exclusive=false")),
    );
    let drop_in: Outcome = Ok((By::DropIn, &["+cilium/90-eniclaim.conf"]));
    check(
        "Cilium leaves drop-ins alone",
        &renamed,
        Auto,
        Read,
        &drop_in,
    );
}

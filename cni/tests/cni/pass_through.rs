//! A pod that does not ask never notices the plugin.

use std::ffi::{OsStr, OsString};

use cni::plugin;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    json::{a_text, a_value},
    runtime::{a_call, a_configuration, a_folder, of_another_pod, previous_result},
};

fn printed(environment: impl Fn(&str) -> Option<OsString>, stdin: &[u8]) -> Vec<u8> {
    let outcome = plugin::run(OsStr::new("eniclaim"), environment, &mut &stdin[..]);
    let mut stdout = Vec::new();
    outcome.print(&mut stdout).unwrap();
    assert!(outcome.is_success(), "{}", String::from_utf8_lossy(&stdout));
    stdout
}

/// Everything but the verb and prevResult is whatever it likes to be.
fn a_document() -> impl Strategy<Value = (String, String)> {
    let previous = (a_value(), any::<bool>())
        .prop_map(|(value, pretty)| a_text(&value, pretty))
        .prop_filter("no result", |text| text != "null");
    let key = prop::sample::select(vec![
        "cniVersion",
        "name",
        "socket",
        "type",
        "capabilities",
        "sockett",
        "dns",
        "\\u006eame",
    ]);
    let before = prop::collection::vec((key.clone(), a_value()), 0..4);
    let after = prop::collection::vec((key, a_value()), 0..4);
    let runtime = prop_oneof![
        Just(String::new()),
        a_value().prop_map(|v| format!(r#","runtimeConfig" : {v}"#)),
        a_value().prop_map(|v| format!(
            r#","runtimeConfig":{{"io.kubernetes.cri.pod-annotations":{v}}}"#
        )),
    ];
    (previous, before, after, runtime, "[ \n\t\r]{0,3}").prop_map(|(previous, before, after, runtime, space)| {
        let all = |entries: &[(&str, Value)]| -> String {
            let entry = |(key, value): &(&str, Value)| format!("\"{key}\":{value}{space},");
            entries.iter().map(entry).collect::<Vec<_>>().concat()
        };
        let (before, after) = (all(&before), all(&after));
        let stdin = format!("{space}{{{before}\"prevResult\"{space}:{space}{previous}{space},{after}\"z\":1{runtime}}}{space}");
        (stdin, previous)
    })
}

proptest! {
    #[test]
    fn previous_result_comes_back_byte_for_byte((stdin, previous) in a_document(), odd in ".{0,20}") {
        let environment = |name: &str| Some(if name == "CNI_COMMAND" { "ADD".into() } else { odd.clone().into() });
        prop_assert_eq!(String::from_utf8(printed(environment, stdin.as_bytes())).unwrap(), previous);
    }
}

#[test]
fn even_what_no_parser_holds_comes_back() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for previous in [
        r#"{"n":1e999,"s":"\ud800"}"#.as_bytes(),
        b"{\"s\":\"\xff\"}",
        deep.as_bytes(),
    ] {
        let stdin = [b"{\"prevResult\":", previous, b"}"].concat();
        let environment = |name: &str| (name == "CNI_COMMAND").then(|| "ADD".into());
        assert_eq!(printed(environment, &stdin), previous);
    }
}

#[test]
fn configuration_that_a_pod_that_asks_would_be_refused_for_is_not_judged() {
    let folder = a_folder();
    for (key, value) in [
        ("cniVersion", json!("0.3.0")),
        ("cniVersion", json!("9.9.9")),
        ("cniVersion", json!(1)),
        ("cniVersion", json!(null)),
        ("name", json!("a/b")),
        ("socket", json!("relative.sock")),
        ("sockett", json!(true)),
        ("runtimeConfig", json!([])),
        (
            "runtimeConfig",
            json!({ "io.kubernetes.cri.pod-annotations": "x" }),
        ),
    ] {
        let mut configuration = of_another_pod(folder.path());
        configuration[key] = value;
        let mut call = a_call("ADD", folder.path()).configured(&configuration);
        for name in [
            "CNI_CONTAINERID",
            "CNI_NETNS",
            "CNI_IFNAME",
            "CNI_ARGS",
            "CNI_PATH",
        ] {
            call = call.without(name);
        }
        let run = call.run();
        assert!(run.ok, "{key}: {}", run.stdout);
        assert_eq!(run.stdout, previous_result().to_string());
    }
}

#[test]
fn runtime_that_passes_no_annotations_is_passed_through() {
    let folder = a_folder();
    let mut configuration = a_configuration(folder.path());
    configuration
        .as_object_mut()
        .unwrap()
        .remove("runtimeConfig");
    let run = a_call("ADD", folder.path())
        .configured(&configuration)
        .run();
    assert!(run.ok);
    assert_eq!(run.stdout, previous_result().to_string());
}

//! Malformed stdin and environment: one clear sentence with the right code.

use serde_json::{Value, json};

use crate::runtime::{a_call, a_configuration, a_folder};

/// Cases: C01.
#[test]
fn malformed_environment_names_the_variable() {
    let folder = a_folder();
    let add = || a_call("ADD", folder.path());
    for (call, part) in [
        (add().without("CNI_COMMAND"), "CNI_COMMAND is not set"),
        (add().with("CNI_COMMAND", "add"), "CNI_COMMAND=\"add\""),
        (
            add().without("CNI_CONTAINERID"),
            "CNI_CONTAINERID is not set",
        ),
        (
            add().with("CNI_CONTAINERID", "../../etc"),
            "CNI_CONTAINERID=\"../../etc\"",
        ),
        (
            add().with("CNI_CONTAINERID", &"a".repeat(129)),
            "at most 128",
        ),
        (add().without("CNI_IFNAME"), "CNI_IFNAME is not set"),
        (add().with("CNI_IFNAME", "sixteen-letters-"), "CNI_IFNAME"),
        (add().with("CNI_IFNAME", "a/b"), "CNI_IFNAME"),
        (add().with("CNI_IFNAME", "a:1"), "CNI_IFNAME"),
        (add().with("CNI_IFNAME", "a b"), "CNI_IFNAME"),
        (add().with("CNI_IFNAME", ".."), "CNI_IFNAME"),
        // The kernel's white space is that of Latin-1, and this letter holds the byte 0xa0.
        (add().with("CNI_IFNAME", "\u{e0}"), "CNI_IFNAME"),
        (add().without("CNI_NETNS"), "CNI_NETNS is not set"),
        (
            add().with("CNI_NETNS", "/run/netns/none"),
            "CNI_NETNS=/run/netns/none",
        ),
        (
            add().with("CNI_NETNS", "/etc/hostname"),
            "not a network namespace",
        ),
        (add().without("CNI_ARGS"), "K8S_POD_UID"),
        (add().with("CNI_ARGS", "K8S_POD_UID"), "key=value"),
    ] {
        call.run().refused(4, part);
    }
}

/// Cases: C10.
#[test]
fn stdin_that_is_not_json_is_a_decoding_error() {
    let folder = a_folder();
    for text in [
        "",
        "{",
        "not json",
        "\u{0}",
        "{\"cniVersion\": \"1.1.0\"} trailing",
    ] {
        let mut call = a_call("ADD", folder.path());
        call.stdin = text.into();
        call.run().refused(6, "not JSON");
    }
    let mut call = a_call("ADD", folder.path());
    call.stdin = vec![b' '; (1 << 20) + 1];
    call.run().refused(6, "larger than 1 MiB");
    call.stdin = vec![0xff, 0xfe];
    call.run().refused(6, "not JSON");
}

/// Cases: C01, C04.
#[test]
fn wrong_configuration_names_the_key() {
    let folder = a_folder();
    let changed = |key: &str, value: Value| {
        let mut configuration = a_configuration(folder.path());
        configuration[key] = value;
        a_call("ADD", folder.path()).configured(&configuration)
    };
    for (call, part) in [
        (
            a_call("ADD", folder.path()).configured(&json!([])),
            "not an object",
        ),
        (
            a_call("ADD", folder.path()).configured(&json!({})),
            "came without annotations",
        ),
        (changed("cniVersion", json!(null)), "cniVersion is missing"),
        (
            changed("cniVersion", json!(1)),
            "cniVersion must be a string",
        ),
        (changed("name", json!("a/b")), "name"),
        (
            changed("prevResult", json!("x")),
            "prevResult must be an object",
        ),
        (
            changed("prevResult", json!({ "ips": {} })),
            "ips in prevResult must be a list",
        ),
        (changed("socket", json!("relative.sock")), "absolute path"),
        (changed("sockett", json!("/x")), "unknown key \"sockett\""),
        (changed("pods", json!("all")), "pods \"all\" must be"),
        (changed("pods", json!(true)), "pods true must be"),
    ] {
        call.run().refused(7, part);
    }
    changed("cniVersion", json!("2.0.0"))
        .run()
        .refused(1, "2.0.0");
    changed("cniVersion", json!("0.2.0"))
        .run()
        .refused(1, "0.2.0");
}

//! VERSION, STATUS and GC.

use cni::protocol::{Attachment, Gc, Reply, Request};
use serde_json::{Value, json};

use crate::runtime::{Agent, Call, Script, a_call, a_configuration, a_folder};

#[test]
fn version_lists_what_is_spoken_to_every_caller() {
    let folder = a_folder();
    for (stdin, version) in [
        (r#"{"cniVersion":"0.4.0"}"#, "0.4.0"),
        (r#"{"cniVersion":"0.3.0"}"#, "0.3.0"),
        (r#"{"cniVersion":"9.9.9"}"#, "1.1.0"),
        (r#"{"cniVersion":1}"#, "1.1.0"),
        ("{}", "1.1.0"),
        ("", "1.1.0"),
    ] {
        let mut call = a_call("VERSION", folder.path());
        call.stdin = stdin.into();
        let run = call.run();
        assert!(run.ok, "{stdin}");
        assert_eq!(
            run.json(),
            json!({ "cniVersion": version, "supportedVersions": ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] })
        );
    }
}

/// A failing STATUS turns the whole node `NotReady`.
#[test]
fn status_succeeds_whatever_the_configuration_says() {
    let folder = a_folder();
    for (key, value) in [
        ("type", json!("eniclaim")),
        ("cniVersion", json!("9.9.9")),
        ("socket", json!(7)),
        ("unknown", json!(1)),
    ] {
        let run = changed("STATUS", folder.path(), key, value).run();
        assert!(run.ok, "{}", run.stdout);
        assert_eq!(run.stdout, "");
    }
    let mut call = a_call("STATUS", folder.path());
    call.stdin = b"{".to_vec();
    call.run().refused(6, "not JSON");
}

fn changed(verb: &str, folder: &std::path::Path, key: &str, value: Value) -> Call {
    let mut configuration = a_configuration(folder);
    configuration[key] = value;
    a_call(verb, folder).configured(&configuration)
}

fn gc(folder: &std::path::Path) -> Call {
    let valid = json!([{ "containerID": "0a1b2c", "ifname": "eth0" }, { "containerID": "3d", "ifname": "eth1" }]);
    changed("GC", folder, "cni.dev/valid-attachments", valid)
}

#[test]
fn gc_hands_the_valid_attachments_to_the_agent() {
    let folder = a_folder();
    let agent = Agent::listen(folder.path(), vec![Script::Answer(Reply::Collected)]);
    let run = gc(folder.path()).without("CNI_CONTAINERID").run();
    assert!(run.ok, "{}", run.stdout);
    assert_eq!(run.stdout, "");
    let attachment = |container_id: &str, if_name: &str| Attachment {
        container_id: container_id.into(),
        if_name: if_name.into(),
    };
    assert_eq!(
        agent.heard()[0].0.request,
        Request::Gc(Gc {
            network: "pods".into(),
            valid: vec![attachment("0a1b2c", "eth0"), attachment("3d", "eth1")],
        })
    );
}

#[test]
fn gc_without_an_agent_or_without_a_list_does_nothing() {
    let folder = a_folder();
    assert!(gc(folder.path()).run().ok);
    // There would be somebody to ask, but no list is not an empty list.
    let agent = Agent::listen(folder.path(), vec![]);
    assert!(a_call("GC", folder.path()).run().ok);
    agent.heard();
    changed(
        "GC",
        folder.path(),
        "cni.dev/valid-attachments",
        json!([{ "containerID": "x" }]),
    )
    .run()
    .refused(7, "cni.dev/valid-attachments");
}

/// Cases: C05.
#[test]
fn verbs_are_refused_below_the_version_that_brought_them() {
    let folder = a_folder();
    for (verb, version) in [("GC", "1.0.0"), ("CHECK", "0.3.1"), ("CHECK", "0.3.0")] {
        changed(verb, folder.path(), "cniVersion", version.into())
            .run()
            .refused(1, "it came with");
    }
}

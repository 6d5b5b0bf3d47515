//! VERSION, STATUS, CHECK and GC.

use serde_json::json;

use crate::runtime::{a_call, a_configuration, a_folder, of_another_pod};

#[test]
fn version_lists_what_is_spoken() {
    let folder = a_folder();
    let mut call = a_call("VERSION", folder.path());
    call.stdin = br#"{"cniVersion":"0.4.0"}"#.to_vec();
    let run = call.run();
    assert!(run.ok);
    assert_eq!(
        run.json(),
        json!({ "cniVersion": "0.4.0", "supportedVersions": ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] })
    );
}

#[test]
fn status_and_gc_succeed_without_an_agent() {
    let folder = a_folder();
    for verb in ["STATUS", "GC"] {
        let run = a_call(verb, folder.path()).run();
        assert!(run.ok, "{verb}");
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn verbs_are_refused_below_the_version_that_brought_them() {
    let folder = a_folder();
    for (verb, version) in [("STATUS", "1.0.0"), ("GC", "1.0.0"), ("CHECK", "0.3.1")] {
        let mut configuration = a_configuration(folder.path());
        configuration["cniVersion"] = version.into();
        a_call(verb, folder.path())
            .configured(&configuration)
            .run()
            .refused(1, "it came with");
    }
}

#[test]
fn check_passes_pods_that_do_not_ask_and_names_the_way_out_for_others() {
    let folder = a_folder();
    assert!(
        a_call("CHECK", folder.path())
            .configured(&of_another_pod(folder.path()))
            .run()
            .ok
    );
    a_call("CHECK", folder.path())
        .run()
        .refused(4, "disableCheck");
}

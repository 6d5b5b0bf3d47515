//! The binary itself: what nodes get.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::runtime::{a_call, a_folder, of_another_pod};

/// The binary as the image has it.
fn shipped() -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", "cni", "--profile", "cni"])
        .status()
        .unwrap();
    assert!(status.success());
    // .../<target>/debug/eniclaim -> .../<target>/cni/eniclaim
    let debug = PathBuf::from(env!("CARGO_BIN_EXE_eniclaim"));
    debug
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("cni/eniclaim")
}

#[test]
fn shipped_binary_is_small_static_and_passes_through_without_a_socket() {
    let binary = shipped();
    let size = std::fs::metadata(&binary).unwrap().len();
    assert!(size <= 500_000, "{size} bytes");

    let headers = Command::new("readelf")
        .arg("-lW")
        .arg(&binary)
        .output()
        .expect("readelf of binutils is needed");
    let headers = String::from_utf8(headers.stdout).unwrap();
    assert!(
        headers.contains("LOAD") && !headers.contains("INTERP"),
        "not static: {headers}"
    );

    for verb in ["ADD", "DEL", "CHECK", "STATUS", "VERSION"] {
        passes_without_a_socket(&binary, verb);
    }
}

fn passes_without_a_socket(binary: &Path, verb: &str) {
    let folder = a_folder();
    let trace = folder.path().join("trace");
    let mut strace = Command::new("strace");
    strace.arg("-f").arg("-o").arg(&trace).arg(binary);
    let run = a_call(verb, folder.path())
        .configured(&of_another_pod(folder.path()))
        .run_under(strace);
    assert!(run.ok, "strace is needed: {}{}", run.stdout, run.stderr);
    let trace = std::fs::read_to_string(trace).unwrap();
    assert!(
        trace.contains("execve(") && trace.contains("exited with 0"),
        "{trace}"
    );
    assert!(!trace.contains("socket("), "{verb}: {trace}");
}

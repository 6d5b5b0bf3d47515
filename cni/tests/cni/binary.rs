//! The binary itself: what nodes get.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use crate::runtime::{a_call, a_folder, of_another_pod};

const BUILD: &str = "build it first: cargo build --locked --package cni --profile cni";

/// The binary as the image has it, which the Makefile builds before this rung. One that is older than its sources is refused.
fn shipped() -> PathBuf {
    // .../<target>/debug/eniclaim -> .../<target>/cni/eniclaim
    let debug = Path::new(env!("CARGO_BIN_EXE_eniclaim"));
    let profile = debug.parent().unwrap().with_file_name("cni");
    let binary = profile.join("eniclaim");
    let built = modified(&binary);
    // As make reads it: the binary, a colon, its sources; a space in a path has a backslash before it.
    let sources = fs::read_to_string(binary.with_extension("d")).unwrap();
    let sources = sources.trim().replace("\\ ", "\0");
    assert!(sources.contains("cni/src/main.rs"), "{sources}");
    for source in sources.split(' ').skip(1) {
        let source = source.replace('\0', " ");
        assert!(
            modified(Path::new(&source)) <= built,
            "{} is older than {source}; {BUILD}",
            binary.display()
        );
    }
    binary
}

fn modified(file: &Path) -> SystemTime {
    let metadata = fs::metadata(file);
    let modified = metadata.and_then(|metadata| metadata.modified());
    modified.unwrap_or_else(|error| panic!("{}: {error}; {BUILD}", file.display()))
}

#[test]
fn shipped_binary_is_small_static_and_passes_through_without_a_socket() {
    let binary = shipped();
    let size = fs::metadata(&binary).unwrap().len();
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
    let trace = fs::read_to_string(trace).unwrap();
    assert!(
        trace.contains("execve(") && trace.contains("exited with 0"),
        "{trace}"
    );
    assert!(!trace.contains("socket("), "{verb}: {trace}");
}

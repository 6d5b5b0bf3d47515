//! Installs or names what building and testing need, before anything is built. `prerequisites.sh` compiles this: only std.

#[path = "../preflight.rs"]
mod preflight;

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// (program, package); arguments are further ones, as `program:package`.
const PROGRAMS: &[(&str, &str)] = &[
    ("musl-gcc", "musl-tools"),
    ("runc", "runc"),
    ("buildah", "buildah"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("strace", "strace"),
    ("nsenter", "util-linux"),
    ("make", "make"),
    ("cc", "gcc"),
    ("curl", "curl"),
];
/// The target of all binaries, which rust-toolchain.toml names, too.
const TARGET: &str = "x86_64-unknown-linux-musl";
/// What a cold build writes.
const TARGET_GIB: u64 = 15;

fn main() -> ExitCode {
    let mut missing = preflight::missing();
    missing.extend(caller());
    missing.extend(room());
    // What no package mends is said before packages are installed.
    if missing.is_empty() {
        missing.extend(packages());
        missing.extend(preflight::missing());
        missing.extend(go());
        missing.extend(rust_target());
    }
    for sentence in &missing {
        eprintln!("missing or unfit: {sentence}");
    }
    if missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Root is needed for what runs, not for what is built.
fn caller() -> Option<String> {
    if !preflight::is_root() {
        let sudo = found("sudo").is_some();
        return (!sudo).then(|| {
            "root, or sudo: network namespaces, mounts and containers need it".to_owned()
        });
    }
    let owner = fs::metadata(".").map_or(0, |folder| folder.uid());
    let by_sudo = env::var("SUDO_UID").is_ok_and(|uid| uid == owner.to_string());
    (by_sudo && owner != 0).then(|| {
        "make was started by sudo in your own checkout; start it as yourself: what needs root is raised by itself".to_owned()
    })
}

/// Disk space for what a cold build writes.
fn room() -> Option<String> {
    let built = Path::new("target").join(TARGET).join("debug/demo").exists();
    let free = preflight::free_gib(".").filter(|free| *free < TARGET_GIB && !built);
    free.map(|free| {
        format!("{free} GiB of free disk space here; a first build takes {TARGET_GIB} GiB")
    })
}

/// Installs the packages that are missing, on Debian and Ubuntu.
fn packages() -> Option<String> {
    let further: Vec<String> = env::args().skip(1).collect();
    let further = further.iter().filter_map(|entry| entry.split_once(':'));
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .copied()
        .chain(further)
        .filter(|(program, _)| found(program).is_none())
        .map(|(_, package)| package)
        .collect();
    // The image of the tests' pods holds nothing else: a busybox that needs a library would not run there.
    if !found("busybox").is_some_and(|path| fs::read(path).is_ok_and(|elf| !is_dynamic(&elf))) {
        missing.push("busybox-static");
    }
    // boto3 drives the simulator of AWS from an environment of its own.
    if !succeeds(Command::new("python3").args(["-c", "import ensurepip"])) {
        missing.push("python3-venv");
    }
    if !Path::new("/etc/ssl/certs/ca-certificates.crt").exists() {
        missing.push("ca-certificates");
    }
    if missing.is_empty() || found("apt-get").is_some() && install(&missing) {
        return None;
    }
    Some(format!("packages: {}", missing.join(" ")))
}

fn install(packages: &[&str]) -> bool {
    println!("installing by apt-get: {}", packages.join(" "));
    let apt_get = |args: &[&str]| {
        let mut command = Command::new("sudo");
        let command = if preflight::is_root() {
            command = Command::new("env");
            &mut command
        } else {
            command.arg("env")
        };
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]);
        command
            .args(args)
            .status()
            .is_ok_and(|status| status.success())
    };
    let flags = ["install", "--yes", "--no-install-recommends"];
    apt_get(&["update"]) && apt_get(&[&flags[..], packages].concat())
}

/// Whether a 64-bit ELF file asks for an interpreter: a program header of type 3, elf(5).
fn is_dynamic(elf: &[u8]) -> bool {
    let number = |at: usize, bytes: usize| {
        let mut number = [0; 8];
        let found = elf.get(at..at + bytes)?;
        number.get_mut(..bytes)?.copy_from_slice(found);
        usize::try_from(u64::from_le_bytes(number)).ok()
    };
    let (Some(table), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2))
    else {
        return false;
    };
    (0..count).any(|index| number(table + index * size, 4) == Some(3))
}

/// From 1.21 on Go fetches the version that a go.mod asks for, unless it is configured not to, as in Debian and Ubuntu.
fn go() -> Option<String> {
    const GET: &str = "install Go 1.26 or later from https://go.dev/dl";
    if found("go").is_none() {
        return Some(format!("Go; {GET}"));
    }
    let run = |args: &[&str]| {
        let mut go = Command::new("go");
        let go = go
            .args(args)
            .current_dir("kind-tests/cluster/go/kubernetes");
        let output = go.output().ok()?;
        let text = if output.status.success() {
            output.stdout
        } else {
            output.stderr
        };
        Some((
            output.status.success(),
            String::from_utf8_lossy(&text).trim().to_owned(),
        ))
    };
    match run(&["env", "GOVERSION"])? {
        (false, said) => Some(format!("a Go that is new enough: {said}; {GET}")),
        (true, version) => {
            is_old(&version).then(|| format!("a Go that is new enough: it is {version}; {GET}"))
        }
    }
}

fn is_old(version: &str) -> bool {
    let minor = version
        .strip_prefix("go1.")
        .and_then(|rest| rest.split('.').next());
    minor
        .and_then(|minor| minor.parse::<u32>().ok())
        .is_some_and(|minor| minor < 21)
}

/// The first use of cargo installs it where rustup is there.
fn rust_target() -> Option<String> {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if sysroot.join("lib/rustlib").join(TARGET).is_dir()
        || succeeds(Command::new("rustup").args(["target", "add", TARGET]))
    {
        return None;
    }
    Some(format!(
        "the Rust target {TARGET}; rustup from https://rustup.rs installs it"
    ))
}

fn found(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        // Where a user's PATH does not lead, and root's does.
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of 64 bytes, then one program header of this type.
    fn elf(kind: u8) -> Vec<u8> {
        let mut elf = vec![0; 64 + 56];
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64] = kind;
        elf
    }

    #[test]
    fn program_that_needs_an_interpreter_is_dynamic() {
        assert!(is_dynamic(&elf(3)));
        assert!(!is_dynamic(&elf(1)));
        assert!(!is_dynamic(b"#!/bin/sh"));
        // Linked for musl.
        assert!(!is_dynamic(&fs::read("/proc/self/exe").unwrap()));
    }

    #[test]
    fn go_before_1_21_is_old() {
        assert!(is_old("go1.19.8") && is_old("go1.20"));
        assert!(!is_old("go1.21.0") && !is_old("go1.26.1"));
    }
}

//! Tests of `as-root.sh`, on a machine whose sudo has no options and passes nothing on.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{self, Command},
};

/// Refuses options, and runs the command with nothing but a PATH, as sudo does by default.
const SUDO: &str = r#"#!/bin/sh
case $1 in -*) echo "sudo: $1" >&2; exit 1 ;; esac
exec env -i PATH=/usr/bin:/bin "$@"
"#;
/// An ordinary user's.
const ID: &str = "#!/bin/sh\necho 1000\n";

/// A folder of programs that are found before those of the machine.
struct Programs(PathBuf);

impl Programs {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("as-root-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (name, script) in [("sudo", SUDO), ("id", ID)] {
            let program = folder.join(name);
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn raised_program_gets_what_it_needs_of_the_environment_and_no_more() {
    let programs = Programs::new();
    let path = format!("{}:/usr/bin:/bin", programs.0.display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../as-root.sh");
    let output = Command::new(script)
        .args([
            "sh",
            "-c",
            "env; echo \"$0 and $1\"",
            "one word",
            "'another'",
        ])
        .env_clear()
        .env("PATH", &path)
        .env("HOME", "/home/some one")
        .env("XDG_CACHE_HOME", "/cache")
        .env("ENICLAIM_SEED", "7")
        .env("ENICLAIM_KILLS", "$(all) \"of\" them")
        .env("CARGO_REGISTRY_TOKEN", "secret")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for line in [
        "HOME=/home/some one",
        &format!("PATH={path}:/usr/sbin:/sbin"),
        "XDG_CACHE_HOME=/cache",
        "ENICLAIM_SEED=7",
        "ENICLAIM_KILLS=$(all) \"of\" them",
        "one word and 'another'",
    ] {
        assert!(said.lines().any(|seen| seen == line), "{line}: {said}");
    }
    assert!(!said.contains("secret"), "{said}");
}

//! `release/images.sh`, run in a repository of its own with stand-ins for the compilers and buildah.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::markdown::{repository, text};

/// Programs that log how they are called and do what the real ones do to the files around them.
const STAND_INS: &[(&str, &str)] = &[
    ("rustup", ":"),
    (
        "python3",
        "mkdir -p \"$3/bin\"; printf '#!/bin/sh\\n' > \"$3/bin/pip\"; chmod +x \"$3/bin/pip\"",
    ),
    (
        "cargo-zigbuild",
        r#"echo "epoch ${SOURCE_DATE_EPOCH:-unset}" >> "${0%-bin/*}.log"
        mkdir -p "$CARGO_TARGET_DIR/$4/$6"
        echo "$BINARY" > "$CARGO_TARGET_DIR/$4/$6/${10}""#,
    ),
    (
        "cargo",
        // It writes beside the manifest of every member, with the path of each in it.
        r#"[ "$1" = cyclonedx ] || exit 0
        for manifest in */Cargo.toml; do
            member=${manifest%/*}
            echo "\"bom-ref\": \"path+file://$PWD/$member#0.1.0\"" > "$member/$member.cdx.json"
        done"#,
    ),
    (
        "readelf",
        r#"for word; do last=$word; done
        case $last in
            *aarch64*) echo "  Machine:    AArch64" ;;
            *) echo "  Machine:    Advanced Micro Devices X86-64" ;;
        esac
        [ -n "$BINARY" ] || echo "  Type:   DYN (Position-Independent Executable file)"
        cat "$last""#,
    ),
    (
        "buildah",
        r#"for word; do
            case $before in --digestfile) printf sha256:00 > "$word" ;; --file) dockerfile=$word ;; esac
            before=$word
        done
        case $* in
            *" build "*)
                for copied in $(sed -n 's/^COPY \(.*\) [^ ]*$/\1/p' "$dockerfile"); do
                    [ -e "$word/$copied" ] || { echo "no $copied in $word" >&2; exit 1; }
                done ;;
        esac"#,
    ),
];

/// A repository with what the script reads, committed.
struct Checkout {
    folder: PathBuf,
}

impl Checkout {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("release-{test}"));
        let _ = fs::remove_dir_all(&folder);
        let checkout = Self { folder };
        let files = [
            "release/images.sh",
            "release/tools.sh",
            "release/requirements.txt",
            "kind-tests/venv.sh",
            "charts/eniclaim/Chart.yaml",
            "operator/Cargo.toml",
            "node-agent/Cargo.toml",
            "cni/Cargo.toml",
            "telemetry/Cargo.toml",
            ".gitignore",
            "Dockerfile",
            "LICENSE",
        ];
        for file in files {
            checkout.write(file, &text(file));
            let mode = fs::metadata(repository().join(file)).unwrap();
            fs::set_permissions(checkout.path(file), mode.permissions()).unwrap();
        }
        for (program, script) in STAND_INS {
            let file = format!("../{}-bin/{program}", checkout.name());
            let call = format!("echo \"{program} $*\" >> '{}'", checkout.log().display());
            checkout.write(&file, &format!("#!/bin/sh\n{call}\n{script}\n"));
            let executable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(checkout.path(&file), executable).unwrap();
        }
        let _ = fs::remove_file(checkout.log());
        checkout.git(&["init", "--quiet"]);
        checkout.git(&["add", "."]);
        checkout.git(&["commit", "--quiet", "--message", "a release"]);
        checkout
    }

    fn name(&self) -> &str {
        self.folder.file_name().unwrap().to_str().unwrap()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn log(&self) -> PathBuf {
        self.folder.with_extension("log")
    }

    fn write(&self, file: &str, contents: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    fn git(&self, args: &[&str]) -> String {
        let mut git = Command::new("git");
        let git = git.args(["-c", "user.name=test", "-c", "user.email=test@example.com"]);
        let output = git.args(args).current_dir(&self.folder).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {errors}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn run(&self, settings: &[(&str, &str)]) -> Output {
        let path = std::env::var("PATH").unwrap();
        let stand_ins = self.folder.with_file_name(format!("{}-bin", self.name()));
        Command::new(self.path("release/images.sh"))
            .env_clear()
            .env("PATH", format!("{}:{path}", stand_ins.display()))
            .env("HOME", self.folder.with_extension("home"))
            .envs(settings.iter().copied())
            .output()
            .unwrap()
    }

    /// How the stand-ins were called.
    fn calls(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn built(&self, settings: &[(&str, &str)]) -> String {
        let output = self.run(settings);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the script says when it refuses, which it does before anything is built.
    fn refused(&self, settings: &[(&str, &str)]) -> String {
        let output = self.run(settings);
        assert!(!output.status.success(), "{settings:?} is not refused");
        assert_eq!(self.calls(), "", "{settings:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

const PUSH: [(&str, &str); 2] = [("PUSH", "1"), ("REGISTRY", "localhost:5000/eniclaim")];

#[test]
fn release_with_wrong_settings_is_refused_with_a_sentence() {
    let checkout = Checkout::new("settings");
    let cases: [(&[(&str, &str)], &str); 7] = [
        (&[("PUSH", "0")], "leave PUSH out"),
        (&[("PUSH", "1")], "PUSH=1 needs REGISTRY="),
        (&[("TAG", "v1/x")], "TAG=v1/x is no tag"),
        (&[("TAG", "-v1")], "TAG=-v1 is no tag"),
        (
            &[("REGISTRY", "https://example.com/x")],
            "has to be a registry and a path",
        ),
        (
            &[("REGISTRY", "example.com/x/")],
            "has to be a registry and a path",
        ),
        (
            &[("REGISTRY", "example.com/x:v1")],
            "has to be a registry and a path",
        ),
    ];
    for (settings, sentence) in cases {
        let said = checkout.refused(settings);
        assert!(said.contains(sentence), "{settings:?}: {said}");
    }
}

#[test]
fn what_is_in_no_commit_is_not_pushed() {
    let checkout = Checkout::new("dirty");
    checkout.write("LICENSE", "another one");
    checkout.write("notes.txt", "new");
    let said = checkout.refused(&PUSH);
    for part in [
        "M LICENSE",
        "?? notes.txt",
        "Commit it, stash it or remove it",
    ] {
        assert!(said.contains(part), "{part:?}: {said}");
    }
    checkout.built(&[]);
    assert!(
        checkout.calls().contains("-dirty --label"),
        "{}",
        checkout.calls()
    );
}

#[test]
fn both_images_are_pushed_for_both_architectures() {
    let checkout = Checkout::new("pushed");
    let said = checkout.built(&PUSH);
    let calls = checkout.calls();
    let chart = text("charts/eniclaim/Chart.yaml");
    let version = chart
        .lines()
        .find_map(|line| line.strip_prefix("appVersion: "));
    let version = version.unwrap();
    let revision = checkout.git(&["rev-parse", "HEAD"]);
    for name in ["operator", "agent"] {
        for architecture in ["amd64", "arm64"] {
            let start = format!("--platform linux/{architecture} ");
            let target = format!("--target {name}-release ");
            let mut builds = calls.lines();
            let build = builds.find(|line| line.contains(&start) && line.contains(&target));
            let build = build.unwrap_or_else(|| panic!("no {name} for {architecture}: {calls}"));
            for (label, value) in [("version", version), ("revision", &revision)] {
                let label = format!("--label org.opencontainers.image.{label}={value} ");
                assert!(build.contains(&label), "{label}: {build}");
            }
        }
        let image = format!("localhost:5000/eniclaim/{name}:{version}");
        assert!(
            calls.contains(&format!(" {name} docker://{image}\n")),
            "{calls}"
        );
        assert!(
            said.contains(&format!("pushed: {image}@sha256:00\n")),
            "{said}"
        );
    }
}

/// The `cc` crate compiles again when it changes, and everything that needs what it compiled after it.
#[test]
fn compilers_are_not_told_the_time_of_the_commit() {
    let checkout = Checkout::new("time");
    checkout.built(&[]);
    let calls = checkout.calls();
    assert!(calls.contains("\nepoch unset\n"), "{calls}");
    assert!(!calls.contains("\nepoch 1"), "{calls}");
}

#[test]
fn release_leaves_the_checkout_as_it_was() {
    let checkout = Checkout::new("left");
    checkout.built(&[]);
    assert_eq!(checkout.git(&["status", "--porcelain"]), "");
    let out = checkout.path("target/release-images");
    let sbom = fs::read_to_string(out.join("arm64/node-agent.cdx.json")).unwrap();
    assert_eq!(
        sbom,
        "\"bom-ref\": \"path+file:///eniclaim/node-agent#0.1.0\"\n"
    );
    let roots = fs::read_to_string(out.join("amd64/ca-certificates.crt")).unwrap();
    assert!(roots.starts_with("-----BEGIN CERTIFICATE-----\n"));
}

#[test]
fn binary_that_needs_a_library_or_fixed_addresses_is_not_released() {
    let checkout = Checkout::new("binary");
    for (binary, sentence) in [
        ("INTERP", "is not static"),
        ("Type: EXEC", "is linked to fixed addresses"),
    ] {
        let output = checkout.run(&[("BINARY", binary)]);
        let errors = String::from_utf8_lossy(&output.stderr);
        let program = "aarch64-unknown-linux-musl/release/eniclaim-operator";
        assert!(
            errors.contains(&format!("{program} {sentence}")),
            "{errors}"
        );
    }
    assert!(
        !checkout.calls().contains("buildah"),
        "{}",
        checkout.calls()
    );
}

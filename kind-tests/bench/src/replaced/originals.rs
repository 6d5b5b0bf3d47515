//! The plugins that are replaced, built from their public source.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

/// Where they are, and of when: the revision of 2026-01-29.
const SOURCE: &str = "https://github.com/aws/amazon-ecs-cni-plugins";
const REVISION: &str = "3302076781563428b69e0856b8fdd59b2ac0658f";
/// Names a folder that holds them already.
const BUILT: &str = "ENICLAIM_ECS_PLUGINS";

/// The programs.
pub struct Originals {
    folder: PathBuf,
}

impl Originals {
    /// Builds them, unless they are there.
    pub fn build() -> anyhow::Result<Self> {
        if let Some(folder) = env::var_os(BUILT) {
            let folder = folder.into();
            return Ok(Self { folder });
        }
        let own = env::current_exe()?;
        let target = own.ancestors().nth(2).context("where the programs are")?;
        let folder = target.join("ecs-plugins");
        let programs = folder.join("bin");
        if !programs.join("ecs-ipam").exists() {
            eprintln!("building the ECS plugins from {SOURCE}");
            build(&folder, &programs).with_context(|| {
                format!("build {SOURCE}; or build it elsewhere, and name the folder with ecs-bridge, ecs-ipam and ecs-eni in {BUILT}")
            })?;
        }
        Ok(Self { folder: programs })
    }

    /// One of them.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn build(folder: &Path, programs: &Path) -> anyhow::Result<()> {
    let source = folder.join("source");
    fs::create_dir_all(&source)?;
    let run = |program: &str, arguments: &[&str]| -> anyhow::Result<()> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&source)
            .env("CGO_ENABLED", "0");
        let status = command
            .status()
            .with_context(|| format!("start {program}"))?;
        anyhow::ensure!(
            status.success(),
            "{program} {}: {status}",
            arguments.join(" ")
        );
        Ok(())
    };
    run("git", &["init", "--quiet"])?;
    run(
        "git",
        &["fetch", "--quiet", "--depth", "1", SOURCE, REVISION],
    )?;
    run("git", &["checkout", "--quiet", "FETCH_HEAD"])?;
    for (package, name) in [
        ("eni", "ecs-eni"),
        ("ecs-bridge", "ecs-bridge"),
        ("ipam", "ecs-ipam"),
    ] {
        let (package, output) = (format!("./plugins/{package}"), programs.join(name));
        let output = output.display().to_string();
        run(
            "go",
            &[
                "build",
                "-mod=vendor",
                "-trimpath",
                "-ldflags=-s -w",
                "-o",
                &output,
                &package,
            ],
        )?;
    }
    Ok(())
}

//! All files of the guest, as its kernel unpacks them into memory.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};

use crate::{archive::Archive, kernel::Kernel, modules};

/// What the kernel tests start; for all else there is busybox, under each of its names that is not one of these.
const PROGRAMS: &[&str] = &["ip", "nft", "busybox"];
const FOLDERS: &[&str] = &["/proc", "/sys", "/dev", "/run", "/tmp", "/root"];

pub fn build(kernel: &Kernel, kernel_tests: &Path) -> anyhow::Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in FOLDERS {
        archive.folder(folder);
    }
    archive.file("/init", &fs::read(env!("CARGO_BIN_EXE_guest"))?);
    archive.file("/kernel-tests", &fs::read(kernel_tests)?);
    archive.file("/etc/hostname", b"guest\n");
    for program in PROGRAMS {
        add_program(&mut archive, program)?;
    }
    let applets = Command::new("busybox").arg("--list").output()?;
    for applet in String::from_utf8(applets.stdout)?.lines() {
        archive.link(&format!("/bin/{applet}"), "busybox");
    }
    let mut list = Vec::new();
    for module in modules::wanted(&kernel.modules)? {
        let file = format!("{}.ko", module.name);
        archive.file(&format!("/modules/{file}"), &module.content);
        list.push(format!("{file} {}", module.parameters));
    }
    archive.file("/modules/list", list.join("\n").as_bytes());
    Ok(archive.finish())
}

/// Adds a program of this machine with its libraries, at their places.
fn add_program(archive: &mut Archive, name: &str) -> anyhow::Result<()> {
    let path = which(name)
        .with_context(|| format!("{name} is not installed: run `make prerequisites`"))?;
    archive.file(&format!("/bin/{name}"), &fs::read(&path)?);
    for library in libraries(&path)? {
        archive.file(&library, &fs::read(&library)?);
    }
    Ok(())
}

fn which(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The absolute paths that ldd names; a program without libraries makes it fail, with a sentence that says so.
fn libraries(program: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("start ldd")?;
    let (stdout, stderr) = (
        String::from_utf8(output.stdout)?,
        String::from_utf8(output.stderr)?,
    );
    if format!("{stdout}{stderr}").contains("not a dynamic executable") {
        return Ok(Vec::new());
    }
    ensure!(
        output.status.success(),
        "ldd {}: {stderr}",
        program.display()
    );
    let words = stdout.split_whitespace();
    Ok(words
        .filter(|word| word.starts_with('/'))
        .map(str::to_owned)
        .collect())
}

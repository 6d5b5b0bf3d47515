//! Debian's kernel of the 6.1 line, from its package archive into the user's cache folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};

/// Debian 12; Amazon Linux 2023 has a kernel of the same line.
const PACKAGES: &str = r"^linux-image-6\.1\.0-[0-9]+-cloud-amd64$";
const PREFIX: &str = "linux-image-6.1.0-";

pub struct Kernel {
    /// The name of its package, which says the version.
    pub package: String,
    pub image: PathBuf,
    pub modules: PathBuf,
}

/// The newest one that the cache holds, or the newest one that there is.
pub fn find_or_download() -> anyhow::Result<Kernel> {
    let cache = cache_folder();
    fs::create_dir_all(&cache)?;
    let held: Vec<_> = fs::read_dir(&cache)?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    let package = match newest(held.iter().map(String::as_str)) {
        Some(package) => package,
        None => download(&cache)?,
    };
    open(&cache, package)
}

fn cache_folder() -> PathBuf {
    let home =
        || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    env::var_os("XDG_CACHE_HOME")
        .map_or_else(home, PathBuf::from)
        .join("eniclaim")
}

fn newest<'a>(packages: impl Iterator<Item = &'a str>) -> Option<String> {
    let number = |name: &str| -> Option<u32> {
        name.strip_prefix(PREFIX)?
            .strip_suffix("-cloud-amd64")?
            .parse()
            .ok()
    };
    packages
        .filter_map(|name| Some((number(name)?, name)))
        .max()
        .map(|(_, name)| name.to_owned())
}

/// With apt's lists as they are, or after an update of lists that are missing or too old.
fn download(cache: &Path) -> anyhow::Result<String> {
    if let Some(package) = search()?
        && unpack(cache, &package).is_ok()
    {
        return Ok(package);
    }
    run(Command::new("apt-get").args(["update", "-qq"]))?;
    let package = search()?.with_context(|| {
        format!(
            "apt knows no package {PREFIX}*-cloud-amd64: add the archive of Debian 12 (bookworm) to its sources, \
             or unpack such a package as {}/{PREFIX}<number>-cloud-amd64",
            cache.display()
        )
    })?;
    unpack(cache, &package)?;
    Ok(package)
}

fn search() -> anyhow::Result<Option<String>> {
    let found = run(Command::new("apt-cache").args(["search", "--names-only", PACKAGES]))?;
    Ok(newest(
        found.lines().filter_map(|line| line.split(' ').next()),
    ))
}

/// Unpacks the package beside its place in the cache, where it then appears in one step.
fn unpack(cache: &Path, package: &str) -> anyhow::Result<()> {
    println!("downloading {package} (once, 27 MB)");
    let partial = tempfile::tempdir_in(cache)?;
    run(Command::new("apt-get")
        // The download's own user need not reach the cache folder.
        .args(["download", "-qq", "-o", "APT::Sandbox::User=root", package])
        .current_dir(&partial))?;
    let archive = fs::read_dir(&partial)?
        .next()
        .context("apt-get download left no file")??;
    let unpacked = partial.path().join("unpacked");
    run(Command::new("dpkg-deb")
        .arg("-x")
        .arg(archive.path())
        .arg(&unpacked))?;
    fs::rename(&unpacked, cache.join(package))?;
    Ok(())
}

fn open(cache: &Path, package: String) -> anyhow::Result<Kernel> {
    let root = cache.join(&package);
    let release = package.trim_start_matches("linux-image-");
    let kernel = Kernel {
        image: root.join("boot").join(format!("vmlinuz-{release}")),
        modules: root.join("lib/modules").join(release).join("kernel"),
        package,
    };
    if !kernel.image.exists() || !kernel.modules.exists() {
        bail!(
            "{} is not an unpacked kernel package: delete it",
            root.display()
        );
    }
    Ok(kernel)
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("start {shown}"))?;
    ensure!(
        output.status.success(),
        "{shown}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?)
}

//! Kubernetes and what it runs on, built from Go modules once for each version into the user's cache folder.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{BufRead, BufReader},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use sha2::{Digest, Sha256};

use crate::{
    error::{ClusterError, Result, at},
    process::{killed_with_harness, start_error},
    say::say,
};

/// One Go module folder beside this crate.
struct Module {
    folder: &'static str,
    /// The module whose version names the build.
    versioned: &'static str,
    packages: &'static str,
    /// (made, name): names for what `go build` makes.
    links: &'static [(&'static str, &'static str)],
}

const KUBERNETES: Module = Module {
    folder: "kubernetes",
    versioned: "k8s.io/kubernetes",
    packages: ".",
    links: &[
        ("kubernetes", "kube-apiserver"),
        ("kubernetes", "kube-controller-manager"),
        ("kubernetes", "kube-scheduler"),
        ("kubernetes", "kube-proxy"),
        ("kubernetes", "kubelet"),
        ("kubernetes", "kubectl"),
    ],
};
const CONTAINERD: Module = Module {
    folder: "containerd",
    versioned: "github.com/containerd/containerd/v2",
    packages: "tool",
    links: &[],
};
const ETCD: Module = Module {
    folder: "etcd",
    versioned: "go.etcd.io/etcd/server/v3",
    packages: "tool",
    links: &[("server", "etcd")],
};
const CNI_PLUGINS: Module = Module {
    folder: "cni-plugins",
    versioned: "github.com/containernetworking/plugins",
    packages: "tool",
    links: &[],
};
const HELM: Module = Module {
    folder: "helm",
    versioned: "helm.sh/helm/v4",
    packages: "tool",
    links: &[],
};

/// The folders that hold the programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy, kubelet, kubectl.
    pub kubernetes: PathBuf,
    /// containerd, its shim, ctr.
    pub containerd: PathBuf,
    /// etcd.
    pub etcd: PathBuf,
    /// The CNI reference plugins and cnitool.
    pub cni_plugins: PathBuf,
    /// helm.
    pub helm: PathBuf,
}

impl Binaries {
    /// Builds what the cache folder lacks, and says so on standard error while it does.
    pub fn build() -> Result<Self> {
        let (cache, _lock) = locked_cache()?;
        Ok(Self {
            kubernetes: KUBERNETES.build(&cache)?,
            containerd: CONTAINERD.build(&cache)?,
            etcd: ETCD.build(&cache)?,
            cni_plugins: CNI_PLUGINS.build(&cache)?,
            helm: HELM.build(&cache)?,
        })
    }
}

/// Builds the CNI reference plugins alone; the folder that holds them.
pub fn cni_plugins() -> Result<PathBuf> {
    let (cache, _lock) = locked_cache()?;
    CNI_PLUGINS.build(&cache)
}

/// Builds helm alone; the program.
pub fn helm() -> Result<PathBuf> {
    let (cache, _lock) = locked_cache()?;
    Ok(HELM.build(&cache)?.join("helm"))
}

/// The cache folder. Another process that builds the same is waited for, not raced, until the file is closed.
fn locked_cache() -> Result<(PathBuf, File)> {
    let cache = cache_folder();
    at(&cache, fs::create_dir_all(&cache))?;
    let lock = at(&cache, File::open(&cache))?;
    at(&cache, lock.lock())?;
    Ok((cache, lock))
}

fn cache_folder() -> PathBuf {
    let home = || {
        PathBuf::from(env::var_os("HOME").unwrap_or_else(|| OsString::from("/root"))).join(".cache")
    };
    env::var_os("XDG_CACHE_HOME")
        .map_or_else(home, PathBuf::from)
        .join("eniclaim")
}

impl Module {
    /// The folder of the built programs; it appears in one step, when all of them are there.
    fn build(&self, cache: &Path) -> Result<PathBuf> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("go")
            .join(self.folder);
        let version = self.version(&source)?;
        let flags = format!(
            "-s -w -X k8s.io/component-base/version.gitVersion={version} {}",
            major_and_minor(&version)
        );
        let name = format!("{}-{version}-{}", self.folder, hash(&source, &flags)?);
        let built = cache.join(&name);
        if built.is_dir() {
            return Ok(built);
        }
        let partial = cache.join(format!("{name}.partial"));
        // Left by a build that was interrupted.
        let _ = fs::remove_dir_all(&partial);
        at(&partial, fs::create_dir_all(&partial))?;
        self.go_build(&source, &version, &flags, &partial)?;
        for (made, link) in self.links {
            let path = partial.join(link);
            at(&path, symlink(made, &path))?;
        }
        at(&built, fs::rename(&partial, &built))?;
        Ok(built)
    }

    fn version(&self, source: &Path) -> Result<String> {
        let path = source.join("go.mod");
        let text = at(&path, fs::read_to_string(&path))?;
        let mut words = text
            .lines()
            .map(|line| line.trim().trim_start_matches("require ").split(' '));
        let found = words.find_map(|mut line| {
            (line.next() == Some(self.versioned))
                .then(|| line.next())
                .flatten()
        });
        found.map(str::to_owned).ok_or(ClusterError::Version {
            path,
            module: self.versioned,
        })
    }

    fn go_build(&self, source: &Path, version: &str, flags: &str, to: &Path) -> Result<()> {
        let (start, folder) = (Instant::now(), self.folder);
        say(format_args!(
            "building {folder} {version} (once; minutes when Go's own cache is cold)"
        ));
        let mut command = killed_with_harness("go");
        command
            .current_dir(source)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=readonly")
            .args([
                "build",
                "-v",
                "-trimpath",
                "-buildvcs=false",
                "-tags",
                "no_btrfs,no_devmapper,no_zfs",
            ])
            .args(["-ldflags", flags, "-o"])
            .arg(format!("{}/", to.display()))
            .arg(self.packages)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|source| start_error(&command, source))?;
        let mut said = Vec::new();
        for line in child
            .stderr
            .take()
            .into_iter()
            .flat_map(|stderr| BufReader::new(stderr).lines())
            .map_while(Result::ok)
        {
            // With -v go names each package when it is compiled.
            said.push(line);
            if said.len() % 200 == 0 {
                say(format_args!(
                    "  {folder}: {} packages after {} s",
                    said.len(),
                    start.elapsed().as_secs()
                ));
            }
        }
        let status = child
            .wait()
            .map_err(|source| start_error(&command, source))?;
        if !status.success() {
            let stderr = said.split_off(said.len().saturating_sub(30)).join("\n");
            return Err(ClusterError::Failed {
                command: format!("go build in {}", source.display()),
                status,
                stderr,
            });
        }
        say(format_args!(
            "  {folder}: built in {} s",
            start.elapsed().as_secs()
        ));
        Ok(())
    }
}

/// Without these a server calls itself v0.0.0 and a chart's `kubeVersion` refuses it.
fn major_and_minor(version: &str) -> String {
    let mut parts = version.trim_start_matches('v').split('.');
    let mut flag = |name: &str| {
        format!(
            "-X k8s.io/component-base/version.{name}={}",
            parts.next().unwrap_or_default()
        )
    };
    format!("{} {}", flag("gitMajor"), flag("gitMinor"))
}

/// Eight digits that change with the module folder or the way it is built.
fn hash(source: &Path, flags: &str) -> Result<String> {
    let mut files: Vec<PathBuf> = at(source, fs::read_dir(source))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let mut hash = Sha256::new();
    hash.update(flags);
    for file in files {
        hash.update(at(&file, fs::read(&file))?);
    }
    let [a, b, c, d, ..]: [u8; 32] = hash.finalize().into();
    Ok(format!("{:08x}", u32::from_be_bytes([a, b, c, d])))
}

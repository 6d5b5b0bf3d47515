//! Container images: built without a daemon, loaded onto every node.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::{
    archives::{self, Archives},
    error::{ClusterError, Result, at},
    node::Node,
    process::{killed_with_harness, run},
    vpc::beside,
};

/// The image of a pod's first process.
const PAUSE: &str = "localhost/eniclaim/pause:1";

/// Builds images below one folder, so that nothing of them stays on the machine.
pub(crate) struct Builder {
    folder: PathBuf,
}

impl Builder {
    pub(crate) fn at(state: &Path) -> Self {
        Self {
            folder: state.join("images"),
        }
    }

    /// Builds the target of a Dockerfile, or its last one, unless that is kept from an earlier cluster; gives an OCI archive
    /// of it, which goes with the cluster.
    pub(crate) fn build(
        &self,
        dockerfile: &Path,
        target: Option<&str>,
        context: &Path,
        tag: &str,
    ) -> Result<PathBuf> {
        let name = tag.replace(['/', ':'], "_");
        let archive = self.folder.join(format!("{name}.tar"));
        at(&self.folder, fs::create_dir_all(&self.folder))?;
        let how = [include_str!("image.rs"), include_str!("buildah.sh"), tag];
        let how = [&how[..], &[target.unwrap_or_default()]].concat();
        let key = archives::key(dockerfile, context, &how)?;
        let archives = Archives::lock()?;
        if !archives.take(&name, &key, &archive)? {
            self.build_archive(dockerfile, target, context, tag, &archive)?;
            archives.keep(&name, &key, &archive)?;
        }
        Ok(archive)
    }

    fn build_archive(
        &self,
        dockerfile: &Path,
        target: Option<&str>,
        context: &Path,
        tag: &str,
        archive: &Path,
    ) -> Result<()> {
        let mut build = self.buildah()?;
        build
            .args(["build", "--isolation", "chroot", "--quiet"])
            .args(["--tag", tag, "--file"])
            .arg(dockerfile);
        if let Some(target) = target {
            build.args(["--target", target]);
        }
        run(build.arg(context), Stdio::null())?;
        let destination = format!("oci-archive:{}:{tag}", archive.display());
        let mut push = self.buildah()?;
        push.args(["push", "--quiet", tag, &destination]);
        run(&mut push, Stdio::null()).map(drop)
    }

    fn buildah(&self) -> Result<Command> {
        let [temporary, private, root, run] =
            ["tmp", "private", "root", "run"].map(|name| self.folder.join(name));
        for folder in [&temporary, &private] {
            at(folder, fs::create_dir_all(folder))?;
        }
        let mut command = killed_with_harness("unshare");
        command
            .env("TMPDIR", temporary)
            .args([
                "--mount",
                "sh",
                "-euc",
                include_str!("buildah.sh"),
                "buildah.sh",
            ])
            .arg(private)
            .args(["--storage-driver", "vfs", "--root"])
            .arg(root)
            .arg("--runroot")
            .arg(run);
        Ok(command)
    }

    /// The image of [`PAUSE`], from the binary beside the running one.
    pub(crate) fn pause(&self) -> Result<PathBuf> {
        let context = self.folder.join("pause");
        at(&context, fs::create_dir_all(&context))?;
        let (from, to) = (beside("pause")?, context.join("pause"));
        at(&from, fs::copy(&from, &to))?;
        let dockerfile = context.join("Dockerfile");
        at(
            &dockerfile,
            fs::write(
                &dockerfile,
                "FROM scratch\nCOPY pause /pause\nENTRYPOINT [\"/pause\"]\n",
            ),
        )?;
        self.build(&dockerfile, None, &context, PAUSE)
    }
}

/// Imports an archive on all nodes at once.
pub(crate) fn load(archive: &Path, nodes: &[Node]) -> Result<()> {
    let import = |node: &Node| {
        // By standard input, because a node does not see the machine's folders.
        let input = at(archive, File::open(archive))?;
        let mut command = node.enter();
        command.args(["ctr", "--namespace", "k8s.io", "images", "import", "-"]);
        run(&mut command, input.into()).map(drop)
    };
    for_all(nodes, import)
}

/// Does something for all nodes at once; the first failure is returned.
pub(crate) fn for_all(nodes: &[Node], work: impl Fn(&Node) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = nodes
            .iter()
            .map(|node| scope.spawn(|| work(node)))
            .collect();
        let outcomes = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(Err(ClusterError::Thread)));
        outcomes.collect()
    })
}

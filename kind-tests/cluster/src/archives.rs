//! Built image archives, kept for the next cluster by the hash of all that they were built from.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sha2::{Digest, Sha256};

use crate::{
    checkout,
    error::{Result, at},
    process::run,
};

/// Prints what an image can depend on: the Dockerfile, and names, modes, links and contents below the context.
const INPUT: &str = "
    export LC_ALL=C
    sha256sum <\"$1\"
    cd \"$2\"
    find . -printf '%m %p %l\\n' | sort
    find . -type f -exec sha256sum {} + | sort";

/// The archives of one folder. As long as this exists others wait: who builds the same next finds it here.
pub(crate) struct Archives {
    folder: PathBuf,
    _lock: File,
}

impl Archives {
    /// Those of the checkout, in `target/archives`.
    pub(crate) fn lock() -> Result<Self> {
        Self::at(checkout::folder("archives")?)
    }

    fn at(folder: PathBuf) -> Result<Self> {
        let lock = at(&folder, File::open(&folder))?;
        at(&folder, lock.lock())?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// Copies the archive of this name and key, if there is one.
    pub(crate) fn take(&self, name: &str, key: &str, to: &Path) -> Result<bool> {
        let kept = self.path(name, key);
        if !kept.exists() {
            return Ok(false);
        }
        at(&kept, fs::copy(&kept, to)).map(|_| true)
    }

    /// Keeps a copy of an archive in place of those of the same name.
    pub(crate) fn keep(&self, name: &str, key: &str, archive: &Path) -> Result<()> {
        for entry in at(&self.folder, fs::read_dir(&self.folder))?.flatten() {
            let file = entry.file_name();
            let file = file.to_string_lossy();
            if file.rsplitn(3, '.').nth(2) == Some(name) {
                at(entry.path(), fs::remove_file(entry.path()))?;
            }
        }
        // A copy that was interrupted must not look like an archive.
        let partial = self.folder.join("partial");
        at(&partial, fs::copy(archive, &partial))?;
        checkout::give(&partial)?;
        let kept = self.path(name, key);
        at(&kept, fs::rename(&partial, &kept))
    }

    fn path(&self, name: &str, key: &str) -> PathBuf {
        self.folder.join(format!("{name}.{key}.tar"))
    }
}

/// Sixteen digits that change with what the image is built from, and with `how` it is built.
pub(crate) fn key(dockerfile: &Path, context: &Path, how: &[&str]) -> Result<String> {
    let mut input = Command::new("sh");
    input
        .args(["-euc", INPUT, "sh"])
        .arg(dockerfile)
        .arg(context);
    let input = run(&mut input, Stdio::null())?;
    let mut hash = Sha256::new();
    for part in how.iter().chain([&input.as_str()]) {
        hash.update(part);
        hash.update([0]);
    }
    let hash = hash.finalize();
    let first = hash.first_chunk().copied().map_or(0, u64::from_be_bytes);
    Ok(format!("{first:016x}"))
}

#[cfg(test)]
mod tests {
    use std::{env, os::unix::fs::PermissionsExt, process};

    use super::*;

    /// A folder that goes with this value.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = env::temp_dir().join(format!("{name}-{}", process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn key_changes_with_all_that_an_image_is_built_from() {
        let (folder, context) = (Folder::new("dockerfile"), Folder::new("context"));
        let dockerfile = folder.write("Dockerfile", "FROM scratch\n");
        let program = context.write("program", "one");
        let key = |how: &str| super::key(&dockerfile, &context.0, &[how]).unwrap();
        let mut keys = vec![key("debug")];
        assert_eq!(key("debug"), keys[0]);
        keys.push(key("release"));
        fs::write(&program, "two").unwrap();
        keys.push(key("debug"));
        fs::set_permissions(&program, fs::Permissions::from_mode(0o751)).unwrap();
        keys.push(key("debug"));
        context.write("another", "");
        keys.push(key("debug"));
        fs::write(&dockerfile, "FROM scratch\nCOPY program /\n").unwrap();
        keys.push(key("debug"));
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all, "{keys:?}");
    }

    #[test]
    fn archive_is_kept_until_another_one_of_its_name_is_built() {
        let (folder, work) = (Folder::new("archives"), Folder::new("work"));
        let archives = Archives::at(folder.0.clone()).unwrap();
        let to = work.0.join("taken");
        assert!(!archives.take("a_dev", "1", &to).unwrap());
        for (name, key) in [("a_dev", "1"), ("b_dev", "1"), ("a_dev", "2")] {
            let built = work.write("built", &format!("{name} {key}"));
            archives.keep(name, key, &built).unwrap();
        }
        assert!(!archives.take("a_dev", "1", &to).unwrap());
        for (name, key) in [("a_dev", "2"), ("b_dev", "1")] {
            assert!(archives.take(name, key, &to).unwrap());
            assert_eq!(fs::read_to_string(&to).unwrap(), format!("{name} {key}"));
        }
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2);
    }
}

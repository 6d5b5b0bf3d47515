//! The record of what a cluster has made outside its folder: it alone is taken away.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use crate::{
    cgroups,
    error::{ClusterError, Result, at},
    vpc::netns_path,
};

/// What a cluster makes under a name that everybody on the machine sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A network namespace.
    Netns,
    /// A control group, in each hierarchy.
    Cgroup,
}

impl Thing {
    fn word(self) -> &'static str {
        match self {
            Self::Netns => "netns",
            Self::Cgroup => "cgroup",
        }
    }

    fn exists(self, name: &str) -> bool {
        match self {
            Self::Netns => netns_path(name).exists(),
            Self::Cgroup => !cgroups::named(name).is_empty(),
        }
    }
}

/// The record of one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Made(PathBuf);

impl Made {
    pub(crate) fn of(state: &Path) -> Self {
        Self(state.join("made"))
    }

    /// Records a thing that is made next. One that is there already is somebody else's: it is refused, and never taken
    /// away.
    pub(crate) fn record(&self, thing: Thing, name: &str) -> Result<()> {
        if thing.exists(name) {
            return Err(ClusterError::Foreign {
                thing: thing.word(),
                name: name.to_owned(),
            });
        }
        let mut options = OpenOptions::new();
        let opened = options.append(true).create(true).open(&self.0);
        let line = format!("{} {name}\n", thing.word());
        at(
            &self.0,
            opened.and_then(|mut file| file.write_all(line.as_bytes())),
        )
    }

    /// Names of the recorded things that are there.
    pub(crate) fn present(&self, thing: Thing) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let recorded = text.lines().filter_map(|line| line.split_once(' '));
        recorded
            .filter(|(word, name)| *word == thing.word() && thing.exists(name))
            .map(|(_, name)| name.to_owned())
            .collect()
    }
}

//! The plugin under the names of those that it replaces: links beside it, and never in the place of another program.

use std::{fs, io, os::unix::fs::symlink};

use clap::ValueEnum;
use cni::config::REPLACED;

use crate::{
    error::Error,
    install::{
        decision::PLUGIN,
        folder::{Places, found, remove},
    },
};

/// A plugin that is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Replaced {
    /// Of the Amazon ECS CNI plugins: an ENI.
    EcsEni,
    /// Of the Amazon ECS CNI plugins: a bridge to the node.
    EcsBridge,
    /// Of the Amazon ECS CNI plugins: addresses of a bridge.
    EcsIpam,
    /// Of Baidu's CCE: addresses of a pod's ENI.
    Enim,
}

impl Replaced {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcsEni => "ecs-eni",
            Self::EcsBridge => "ecs-bridge",
            Self::EcsIpam => "ecs-ipam",
            Self::Enim => "enim",
        }
    }
}

/// What is there under the names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// Those that have to be made.
    missing: Vec<&'static str>,
    /// Those of ours that are not wanted.
    surplus: Vec<&'static str>,
    /// Another program's.
    pub foreign: Vec<&'static str>,
}

impl Links {
    /// Whether there is nothing to do, or nothing that may be done.
    pub fn are_complete(&self) -> bool {
        self.missing.is_empty() && self.surplus.is_empty()
    }

    /// The names that have to be made or removed.
    pub fn due(&self) -> impl Iterator<Item = &'static str> {
        self.missing.iter().chain(&self.surplus).copied()
    }

    /// Names that another program has, and the way out.
    pub fn trouble(&self) -> Option<String> {
        let names = self.foreign.join(" and ");
        (!names.is_empty()).then(|| {
            format!("{names} in the folder of CNI plugins is another program and stays: remove it, or take the name out of agent.replacedPlugins")
        })
    }
}

impl Places {
    /// What is there under the names of plugins that are replaced.
    pub fn links(&self, wanted: &[Replaced]) -> Result<Links, Error> {
        let mut links = Links::default();
        for name in REPLACED {
            let is_wanted = wanted.iter().any(|replaced| replaced.name() == name);
            let path = self.bin.join(name);
            let there = found(fs::symlink_metadata(&path), &path)?;
            let is_ours = || fs::read_link(&path).is_ok_and(|to| to.as_os_str() == PLUGIN);
            match there {
                None if is_wanted => links.missing.push(name),
                Some(_) if is_ours() && !is_wanted => links.surplus.push(name),
                Some(_) if !is_ours() && is_wanted => links.foreign.push(name),
                None | Some(_) => {}
            }
        }
        Ok(links)
    }

    /// Makes and removes what is due. A name that somebody took meanwhile stays theirs.
    pub fn apply_links(&self, links: &Links) -> Result<(), Error> {
        for name in &links.missing {
            let path = self.bin.join(name);
            match symlink(PLUGIN, &path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::file(path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        for name in &links.surplus {
            remove(&self.bin.join(name))?;
        }
        Ok(())
    }

    /// Installs the plugin alone, under its own name and these: on a host whose networks name it themselves.
    pub fn install_plugin(&self, plugin: &[u8], wanted: &[Replaced]) -> Result<(), Error> {
        let links = self.links(wanted)?;
        if let Some(trouble) = links.trouble() {
            let bin = self.bin.display();
            return Err(Error::Install(format!("{bin}: {trouble}")));
        }
        if !self.has_plugin(plugin)? {
            self.put_plugin(plugin)?;
        }
        self.apply_links(&links)
    }
}

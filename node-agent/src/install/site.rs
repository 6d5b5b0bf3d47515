//! Inspecting the node's folders for what has to be written.

use std::{fs, path::PathBuf};

use crate::{
    error::Error,
    install::{
        decision::{Change, CniChain, DropIns, PLUGIN, Refused, Wanted, changes, decide},
        folder::{Places, Stamps},
        links::{Links, Replaced},
    },
};

/// What to install where.
#[derive(Debug, Clone)]
pub struct Site {
    /// The plugin.
    pub binary: PathBuf,
    /// The node's folders.
    pub places: Places,
    /// How to join the chain.
    pub chain: CniChain,
    /// The agent's folder.
    pub run: PathBuf,
    /// Under whose names the plugin is found as well.
    pub replaced: Vec<Replaced>,
}

/// What was found in the folders.
pub struct Inspection {
    /// Of all files, before they were read.
    pub stamps: Stamps,
    /// The plugin, if it must be written.
    plugin: Option<Vec<u8>>,
    /// How the plugin is part of the network.
    pub wanted: Result<Wanted, Refused>,
    /// What is there under the names of plugins that are replaced.
    pub links: Links,
    changes: Vec<Change>,
}

impl Site {
    /// Reads everything.
    pub fn inspect(&self, drop_ins: DropIns) -> Result<Inspection, Error> {
        // Before the contents: what changes in between differs from its stamp later.
        let stamps = self.places.stamps()?;
        let plugin = fs::read(&self.binary).map_err(Error::file(&self.binary))?;
        let net_d = self.places.net_d()?;
        let wanted = decide(&net_d, self.chain, drop_ins);
        Ok(Inspection {
            stamps,
            plugin: (!self.places.has_plugin(&plugin)?).then_some(plugin),
            changes: wanted
                .as_ref()
                .map_or_else(|_| Vec::new(), |wanted| changes(&net_d, wanted)),
            wanted,
            links: self.places.links(&self.replaced)?,
        })
    }
}

impl Inspection {
    /// Whether there is nothing to write.
    pub fn is_complete(&self) -> bool {
        self.plugin.is_none() && self.changes.is_empty() && self.links.are_complete()
    }

    /// The files that are not as they should be.
    pub fn files(&self) -> String {
        let plugin = self.plugin.is_some().then(|| PLUGIN.to_owned());
        let changes = self.changes.iter().map(|change| {
            let (Change::Put(path, _) | Change::Remove(path)) = change;
            path.display().to_string()
        });
        let links = self.links.due().map(str::to_owned);
        plugin
            .into_iter()
            .chain(links)
            .chain(changes)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The plugin before the configuration that names it. Whether the runtime must be made to reload.
    pub fn apply(&self, places: &Places) -> Result<bool, Error> {
        if let Some(plugin) = &self.plugin {
            places.put_plugin(plugin)?;
        }
        places.apply_links(&self.links)?;
        places.apply(&self.changes)
    }
}

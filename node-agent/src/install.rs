//! Joining the node's CNI chain, and leaving it: the plugin first and the configuration last, and the other way round.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::error::Error;

/// Name of the plugin; configurations name it as their type.
const PLUGIN: &str = "eniclaim";
/// Name of our drop-in below the folder of the network. libcni reads `*.conf` there, in lexical order
/// (`NetworkPluginConfsFromFiles` in libcni/conf.go, since 1.3).
const DROP_IN: &str = "90-eniclaim.conf";
/// A file that comes and goes: containerd reloads on a rename in the top folder, and does not watch folders below
/// (`internal/cri/server/cni_conf_syncer.go`).
const NUDGE: &str = ".eniclaim-nudge";

/// Where things are.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folder of CNI plugins.
    pub bin: PathBuf,
    /// Folder of CNI configurations.
    pub conf: PathBuf,
}

/// Copies the plugin and joins the network that pods get. Says the name of the network. Repeated, it changes nothing.
pub fn install(binary: &Path, places: &Places) -> Result<String, Error> {
    let network = active_network(&places.conf)?;
    copy(binary, &places.bin)?;
    let folder = places.conf.join(&network);
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    let drop_in = folder.join(DROP_IN);
    let wanted = format!("{:#}\n", drop_in_configuration());
    if fs::read_to_string(&drop_in).is_ok_and(|there| there == wanted) {
        return Ok(network);
    }
    put(&drop_in, wanted.as_bytes(), 0o644)?;
    nudge(&places.conf)?;
    Ok(network)
}

/// Leaves every network that was joined, then removes the plugin.
pub fn uninstall(places: &Places) -> Result<(), Error> {
    let mut left = false;
    for entry in fs::read_dir(&places.conf).map_err(Error::file(&places.conf))? {
        let folder = entry.map_err(Error::file(&places.conf))?.path();
        if remove(&folder.join(DROP_IN))? {
            left = true;
            // Others may have drop-ins there, too: then the folder stays.
            drop(fs::remove_dir(&folder));
        }
    }
    if left {
        nudge(&places.conf)?;
    }
    remove(&places.bin.join(PLUGIN)).map(drop)
}

fn drop_in_configuration() -> Value {
    json!({ "type": PLUGIN, "capabilities": { cni::config::ANNOTATIONS_CAPABILITY: true } })
}

/// The name of the network that containerd gives to pods: that of the first file in lexical order (go-cni opts.go,
/// `loadFromConfDir`).
fn active_network(conf: &Path) -> Result<String, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(conf).map_err(Error::file(conf))? {
        let path = entry.map_err(Error::file(conf))?.path();
        let is_configuration = path
            .extension()
            .is_some_and(|e| e == "conflist" || e == "conf" || e == "json");
        if is_configuration && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    let Some(first) = files.first() else {
        return Err(Error::Install(format!(
            "{} has no network configuration yet; install a network plugin first",
            conf.display()
        )));
    };
    let refuse = |why: &str| Error::Install(format!("{}: {why}", first.display()));
    if first.extension().is_none_or(|e| e != "conflist") {
        return Err(refuse(
            "a single plugin takes no drop-ins; turn it into a .conflist with a plugins list",
        ));
    }
    let text = fs::read(first).map_err(Error::file(first))?;
    let list: Value =
        serde_json::from_slice(&text).map_err(|e| refuse(&format!("not JSON: {e}")))?;
    let inlined = list
        .get("loadOnlyInlinedPlugins")
        .is_some_and(|v| *v == json!(true) || *v == json!("true"));
    if inlined {
        return Err(refuse(
            "loadOnlyInlinedPlugins keeps drop-ins out; remove it, or put the plugin eniclaim into its list",
        ));
    }
    match list.get("name").and_then(Value::as_str) {
        // It becomes the name of a folder.
        Some(name) if !name.is_empty() && !name.starts_with('.') && !name.contains('/') => {
            Ok(name.to_owned())
        }
        Some(name) => Err(refuse(&format!(
            "the network's name {name:?} cannot be the name of a folder"
        ))),
        None => Err(refuse("the network has no name")),
    }
}

fn copy(binary: &Path, folder: &Path) -> Result<(), Error> {
    let plugin = fs::read(binary).map_err(Error::file(binary))?;
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    put(&folder.join(PLUGIN), &plugin, 0o755)
}

/// By temporary file, fsync and rename: a runtime never starts half a plugin, not even after a power cut.
fn put(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.draft"));
    let write = || {
        let mut file = File::create(&draft)?;
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(Error::file(path))
}

fn nudge(conf: &Path) -> Result<(), Error> {
    let (first, second) = (conf.join(NUDGE), conf.join(format!("{NUDGE}d")));
    let rename = || {
        File::create(&first)?;
        fs::rename(&first, &second)?;
        fs::remove_file(&second)
    };
    rename().map_err(Error::file(first.clone()))
}

/// Whether there was something to remove.
fn remove(path: &Path) -> Result<bool, Error> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(false)
        }
        Err(e) => Err(Error::file(path)(e)),
    }
}

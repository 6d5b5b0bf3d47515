//! Which files of ours make the plugin part of the network that pods get: a pure function of what lies in the folder.

use std::{collections::BTreeMap, path::PathBuf};

use clap::ValueEnum;
pub use crds::condition::PluginReason as Reason;
use serde_json::{Value, json};

use crate::install::list::List;

/// Name of the plugin; configurations name it as their type.
pub const PLUGIN: &str = "eniclaim";
/// Name of our drop-in in the folder `<network>/`. libcni appends the plugins of `<network>/*.conf` to the list of that
/// network (`NetworkPluginConfsFromFiles` in libcni/conf.go, since 1.3).
pub const DROP_IN: &str = "90-eniclaim.conf";
/// Name of our own list. Runtimes take the first file in lexical order (go-cni opts.go, `loadFromConfDir`; ocicni).
pub const CONFLIST: &str = "00-eniclaim.conflist";
/// What Cilium makes of it with `cni.exclusive` (`cleanupOtherCNI` in daemon/cmd/cni): it renames each file but its own.
pub const RENAMED: &str = "00-eniclaim.conflist.cilium_bak";

/// How the plugin joins the node's CNI chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CniChain {
    /// By a drop-in where the runtime is seen to read drop-ins, else by a list of our own.
    Auto,
    /// By a drop-in, whatever is seen.
    DropIn,
    /// By a list of our own: a copy of the first one, and the plugin.
    Conflist,
}

/// Whether the container runtime reads drop-ins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropIns {
    /// Not seen yet.
    Unknown,
    /// It opened our drop-in after it opened the list.
    Read,
    /// It opened the list alone.
    Ignored,
}

/// What lies in the folder of CNI configurations, as far as it concerns us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetD {
    /// Files that a runtime may read, and [`RENAMED`].
    pub top: BTreeMap<String, Vec<u8>>,
    /// Our drop-ins, by the folder that they are in.
    pub drop_ins: BTreeMap<String, Vec<u8>>,
}

/// How the plugin is part of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By our drop-in.
    DropIn,
    /// By our own list.
    Conflist,
    /// The list names the plugin itself.
    Inline,
}

/// The plugin is part of a network once these files, and no others of ours, are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Name of the network.
    pub network: String,
    /// Name of the file that defines it.
    pub base: String,
    /// How.
    pub by: By,
    /// Our files below the folder.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

/// Why the plugin cannot be part of the network. Nothing is written or removed then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// For programs.
    pub reason: Reason,
    /// For people: cause and cure.
    pub message: String,
}

/// Something to do in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Write a file.
    Put(PathBuf, Vec<u8>),
    /// Remove a file.
    Remove(PathBuf),
}

/// Which files of ours are to be there.
pub fn decide(net_d: &NetD, chain: CniChain, drop_ins: DropIns) -> Result<Wanted, Refused> {
    let others = net_d.top.iter();
    let Some((base, content)) = others
        .filter(|(name, _)| !matches!(name.as_str(), CONFLIST | RENAMED))
        .min()
    else {
        return Err(Refused {
            reason: Reason::NoNetwork,
            message:
                "the folder of CNI configurations has no network yet; install a network plugin"
                    .to_owned(),
        });
    };
    let unsuitable = |why: &str| Refused {
        reason: Reason::UnsuitableNetwork,
        message: format!("{base} is the configuration in first place: {why}"),
    };
    let list = List::parse(base, content).map_err(|why| unsuitable(&why))?;
    let by = match list.names_plugin() {
        Some(true) => By::Inline,
        Some(false) => return Err(unsuitable(INCAPABLE)),
        None => method(net_d, &list, chain, drop_ins).map_err(unsuitable)?,
    };
    let files = match by {
        By::Inline => BTreeMap::new(),
        By::DropIn => {
            let path = PathBuf::from(&list.network).join(DROP_IN);
            BTreeMap::from([(path, text(&plugin()))])
        }
        By::Conflist => {
            own_list_takes_first_place(net_d, base)?;
            BTreeMap::from([(PathBuf::from(CONFLIST), text(&list.with(plugin())))])
        }
    };
    Ok(Wanted {
        network: list.network,
        base: base.clone(),
        by,
        files,
    })
}

/// What makes the folder as it is wanted. A list is written before a drop-in goes, so that the plugin is never missing:
/// twice in the chain it does no harm, for an ADD that is repeated changes nothing.
pub fn changes(net_d: &NetD, wanted: &Wanted) -> Vec<Change> {
    let drop_ins = net_d.drop_ins.iter();
    let there: BTreeMap<PathBuf, &Vec<u8>> = drop_ins
        .map(|(folder, content)| (PathBuf::from(folder).join(DROP_IN), content))
        .chain(
            net_d
                .top
                .get(CONFLIST)
                .map(|c| (PathBuf::from(CONFLIST), c)),
        )
        .collect();
    let puts = wanted.files.iter();
    let puts = puts
        .filter(|(path, content)| there.get(*path) != Some(content))
        .map(|(path, content)| Change::Put(path.clone(), content.clone()));
    let removals = there.keys();
    let removals = removals
        .filter(|path| !wanted.files.contains_key(*path))
        .map(|path| Change::Remove(path.clone()));
    puts.chain(removals).collect()
}

const INCAPABLE: &str = "it names the plugin eniclaim without the capability io.kubernetes.cri.pod-annotations, so that \
     no pod can ask for an ENI; add \"capabilities\": {\"io.kubernetes.cri.pod-annotations\": true}";
const ONLY_INLINED: &str = "loadOnlyInlinedPlugins keeps drop-ins out; remove it, add the plugin eniclaim to its list, or \
     set agent.cniChain to conflist";
const SINGLE: &str = "a single plugin takes no drop-ins; make it a .conflist with a plugins list, or set agent.cniChain \
     to auto or conflist";

fn method(
    net_d: &NetD,
    list: &List,
    chain: CniChain,
    drop_ins: DropIns,
) -> Result<By, &'static str> {
    match chain {
        CniChain::Conflist => return Ok(By::Conflist),
        CniChain::DropIn if list.is_single => return Err(SINGLE),
        // libcni makes a list of it, too, but reads no drop-ins for it.
        CniChain::Auto if list.is_single => return Ok(By::Conflist),
        CniChain::DropIn | CniChain::Auto => {}
    }
    // Whoever set it wants no plugin that the list does not name: that is overruled by order only.
    if list.only_inlined {
        return Err(ONLY_INLINED);
    }
    Ok(match (chain, drop_ins) {
        (CniChain::Auto, DropIns::Ignored) => By::Conflist,
        // Found so by an agent before this one.
        (CniChain::Auto, DropIns::Unknown) if net_d.top.contains_key(CONFLIST) => By::Conflist,
        (CniChain::Auto | CniChain::DropIn | CniChain::Conflist, _) => By::DropIn,
    })
}

fn own_list_takes_first_place(net_d: &NetD, base: &str) -> Result<(), Refused> {
    if base < CONFLIST {
        return Err(Refused {
            reason: Reason::UnsuitableNetwork,
            message: format!(
                "{base} sorts before {CONFLIST}, and the runtime takes the first file alone; rename {base}"
            ),
        });
    }
    if net_d.top.contains_key(RENAMED) && !net_d.top.contains_key(CONFLIST) {
        return Err(Refused {
            reason: Reason::RenamedByCilium,
            message: format!(
                "Cilium renamed {CONFLIST} to {RENAMED}; set cni.exclusive=false in Cilium's values, the file is then written again"
            ),
        });
    }
    Ok(())
}

fn plugin() -> Value {
    json!({ "type": PLUGIN, "capabilities": { cni::config::ANNOTATIONS_CAPABILITY: true } })
}

fn text(configuration: &Value) -> Vec<u8> {
    format!("{configuration:#}\n").into_bytes()
}

//! Configurations that were written for plugins which eniclaim replaces: all that is wanted is in them.

mod ecs_bridge;
mod ecs_eni;
mod ecs_ipam;
mod keys;
mod mtu;

pub use self::ecs_ipam::Release;
use keys::Keys;

use crate::facts::Wanted;

/// The plugin whose DEL says in its configuration what is given back.
const IPAM: &str = "ecs-ipam";

/// What a configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What is wanted.
    pub wanted: Wanted,
    /// What in it has no effect, one sentence each.
    pub warnings: Vec<String>,
}

/// Reads the configuration that was written for the plugin of this name, for an interface of this name.
///
/// # Errors
/// One sentence: which key is wrong, and what to write.
pub fn read(plugin: &str, text: &str, if_name: &str) -> Result<Asked, String> {
    let mut keys = Keys::parse(text)?;
    let wanted = match plugin {
        "ecs-eni" => Wanted::Explicit(Box::new(ecs_eni::read(&mut keys, if_name)?)),
        "ecs-bridge" => Wanted::Port(Box::new(ecs_bridge::read(&mut keys)?)),
        IPAM => {
            // All else in it is for the plugin that asks for the addresses.
            keys = ecs_ipam::section(&mut keys)?;
            Wanted::Port(Box::new(ecs_ipam::read(&mut keys)?))
        }
        _ => {
            return Err(format!(
                "this agent does not know configurations of the plugin {plugin}; update the eniclaim-agent"
            ));
        }
    };
    Ok(Asked {
        wanted,
        warnings: keys.warnings(),
    })
}

/// What the DEL of a configuration gives back by name; `None`: all that its container has of it.
pub fn release(plugin: &str, text: &str) -> Option<Release> {
    (plugin == IPAM).then(|| ecs_ipam::release(text))
}

//! Configurations that were written for plugins which eniclaim replaces: all that is wanted is in them.

mod ecs_bridge;
mod ecs_eni;
mod ecs_ipam;
mod enim;
mod keys;
mod mtu;
mod subnet;

pub use self::{ecs_ipam::Release, enim::AddressesAsked, subnet::WithoutSubnet};
use keys::Keys;

use crate::facts::{Pod, Wanted};

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

/// A configuration, and what the runtime says beside it.
#[derive(Debug, Clone)]
pub struct Configuration<'a> {
    /// The plugin that it was written for.
    pub plugin: &'a str,
    /// All of it.
    pub text: &'a str,
    /// Name of the interface.
    pub if_name: &'a str,
    /// The pod, if the runtime names one.
    pub pod: Option<Pod>,
    /// The address that it asks for.
    pub ip: Option<&'a str>,
}

/// Reads a configuration.
///
/// # Errors
/// One sentence: which key is wrong, and what to write.
pub fn read(configuration: Configuration<'_>) -> Result<Asked, String> {
    let Configuration {
        plugin,
        text,
        if_name,
        pod,
        ip,
    } = configuration;
    let mut keys = Keys::parse(text)?;
    let wanted = match plugin {
        "ecs-eni" => Wanted::Explicit(Box::new(ecs_eni::read(&mut keys, if_name)?)),
        "ecs-bridge" => Wanted::Port(Box::new(ecs_bridge::read(&mut keys)?)),
        IPAM => {
            // All else in it is for the plugin that asks for the addresses.
            keys = ecs_ipam::section(&mut keys)?;
            Wanted::Port(Box::new(ecs_ipam::read(&mut keys)?))
        }
        "enim" => {
            let pod = pod.ok_or("the runtime names no pod")?;
            Wanted::Addresses(Box::new(enim::read(&mut keys, pod, ip)?))
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

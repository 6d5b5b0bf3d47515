//! Configurations that were written for plugins which eniclaim replaces: what an ENI and its interface are to be is all in them.

mod ecs_eni;
mod keys;

use keys::Keys;

use crate::facts::Explicit;

/// What a configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The ENI and its interface.
    pub explicit: Explicit,
    /// What in it has no effect, one sentence each.
    pub warnings: Vec<String>,
}

/// Reads the configuration that was written for the plugin of this name, for an interface of this name.
///
/// # Errors
/// One sentence: which key is wrong, and what to write.
pub fn read(plugin: &str, text: &str, if_name: &str) -> Result<Asked, String> {
    let mut keys = Keys::parse(text)?;
    let explicit = match plugin {
        "ecs-eni" => ecs_eni::read(&mut keys, if_name),
        _ => Err(format!(
            "this agent does not know configurations of the plugin {plugin}; update the eniclaim-agent"
        )),
    };
    Ok(Asked {
        explicit: explicit?,
        warnings: keys.warnings(),
    })
}

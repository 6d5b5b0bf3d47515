//! Keeping the CNI plugin on the node and in the chain of the network that pods get.

mod backoff;
pub mod decision;
mod folder;
mod keep;
mod links;
mod list;
mod probe;
mod site;
mod state;
mod uninstall;
mod watch;

pub use decision::CniChain;
pub use folder::Places;
pub use keep::Keeper;
pub use links::Replaced;
pub use site::Site;
pub use state::{PLUGIN_INSTALLED, State};
pub use uninstall::uninstall;

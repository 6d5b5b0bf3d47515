//! Looks for a device that the journal knows nothing of: on the host, then in every namespace that a runtime mounted.

use std::{fs, path::Path};

use node_agent_core::{facts::Netns, picture::PodSlot, plan::Traces};

use crate::{
    error::Error,
    kernel::namespace::Namespace,
    plug::{Eni, Node, Unplugged, unplug},
};

/// Returns the device to the host from wherever it is. `false`: no namespace has it. A namespace that cannot be looked into
/// makes the search fail, unless another one has the device.
pub(super) fn search(node: &Node, namespaces: &Path, eni: &Eni) -> Result<bool, Error> {
    if returned(node, None, eni)? {
        return Ok(true);
    }
    let mut first_error = None;
    let folder = fs::read_dir(namespaces).map_err(Error::file(namespaces))?;
    for entry in folder {
        let path = entry.map_err(Error::file(namespaces))?.path();
        match returned_from(node, &path, eni) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(false), Err)
}

fn returned_from(node: &Node, path: &Path, eni: &Eni) -> Result<bool, Error> {
    let netns = Netns {
        path: path.to_string_lossy().into_owned(),
        cookie: None,
    };
    match Namespace::find(&netns)? {
        Some(pod) => returned(node, Some(&pod), eni),
        None => Ok(false),
    }
}

fn returned(node: &Node, pod: Option<&Namespace>, eni: &Eni) -> Result<bool, Error> {
    let Unplugged { found, .. } = unplug(node, pod, eni, PodSlot(0), Traces::Leave)?;
    Ok(found)
}

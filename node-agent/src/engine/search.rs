//! Looks for a device that is not where the journal says: on the host, in every namespace that a runtime mounted, and by what the
//! kernel shows of those without a path.

use std::{fs, path::Path};

use node_agent_core::{
    absence::{Whereabouts, is_gone},
    facts::{Liveness, Netns, Plug},
    picture::PodSlot,
    plan::Traces,
};

use crate::{
    error::Error,
    kernel::{hardware, namespace::Namespace},
    plug::{Eni, Node, Unplugged, unplug},
};

/// Returns a device that the journal knows nothing of to the host from wherever it is. `false`: no namespace has it.
pub(super) fn search(node: &Node, namespaces: &Path, eni: &Eni) -> Result<bool, Error> {
    if found(node, namespaces, eni)? {
        return Ok(true);
    }
    if node.is_elsewhere(eni.mac)? {
        return Err(Error::Hidden { mac: eni.mac });
    }
    Ok(false)
}

/// As [`search`], for the device of a plug that is neither on the host nor in its namespace, of which `liveness` is known. `false`: it
/// is gone from the machine.
pub(super) fn search_or_gone(
    node: &Node,
    namespaces: &Path,
    eni: &Eni,
    plug: &Plug,
    liveness: Liveness,
) -> Result<bool, Error> {
    let whereabouts = match hardware::whereabouts(plug.hardware.as_ref())? {
        Whereabouts::Unknown if node.is_elsewhere(eni.mac)? => Whereabouts::There,
        known => known,
    };
    if is_gone(whereabouts, liveness) {
        return Ok(false);
    }
    if found(node, namespaces, eni)? {
        return Ok(true);
    }
    Err(Error::Hidden { mac: eni.mac })
}

/// Whether the host or a namespace that a runtime mounted had the device, which is on the host now. A namespace that cannot be looked
/// into makes this fail, unless another one has the device.
fn found(node: &Node, namespaces: &Path, eni: &Eni) -> Result<bool, Error> {
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

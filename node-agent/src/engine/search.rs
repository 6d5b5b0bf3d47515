//! Looks for a device that is not where the journal says: on the host, then in every namespace that a runtime mounted.

use std::{fs, path::Path};

use node_agent_core::{
    absence::is_gone,
    facts::{Liveness, Netns, Origin, Plug},
    picture::PodSlot,
    plan::Traces,
};

use crate::{
    error::Error,
    kernel::{hardware, namespace::Namespace},
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

/// As [`search`], for a device that is neither on the host nor in its pod's namespace, of which `liveness` is known. `false`: it is
/// gone from the machine. A device that is hidden makes the search fail.
pub(super) fn search_or_gone(
    node: &Node,
    namespaces: &Path,
    eni: &Eni,
    plug: &Plug,
    liveness: Liveness,
) -> Result<bool, Error> {
    let hardware = hardware::presence(plug.hardware.as_ref())?;
    if is_gone(hardware, liveness) {
        return Ok(false);
    }
    if search(node, namespaces, eni)? {
        return Ok(true);
    }
    let Origin::Claim {
        claim,
        attachment: _,
        pod_uid,
    } = &plug.origin;
    Err(Error::Hidden {
        mac: eni.mac,
        claim: claim.to_string(),
        pod_uid: pod_uid.clone(),
    })
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

//! What follows when a device is neither on the host nor in its pod's namespace.

use crate::facts::Liveness;

/// What is known of a device that was neither on the host nor in its pod's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// Its hardware is part of the machine, or the kernel shows it in a namespace to which there is no path.
    There,
    /// Its hardware was detached.
    Gone,
    /// It is not seen, and has no place in sysfs, or the journal does not say which.
    Unknown,
}

/// Whether such a device is gone. Otherwise it is in a namespace that cannot be entered, whatever became of the pod's own: a pod makes
/// namespaces, and one lives as long as a process in it, also without a path. Hardware returns to the host with the end of the
/// namespace that it is in (`default_device_exit_net` in `net/core/dev.c`), anything else ends with it.
pub fn is_gone(whereabouts: Whereabouts, netns: Liveness) -> bool {
    match (whereabouts, netns) {
        (Whereabouts::Gone, _) | (Whereabouts::Unknown, Liveness::Dead) => true,
        (Whereabouts::There, _) | (Whereabouts::Unknown, Liveness::Alive | Liveness::Unknown) => {
            false
        }
    }
}

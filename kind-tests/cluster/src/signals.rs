//! Ctrl-C, SIGTERM and a closed terminal: the clusters of this process are taken down before it ends.

use std::{
    collections::BTreeSet,
    process,
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
    low_level::signal_name,
};

use crate::{
    down::{end_commands, take_down},
    say::say,
};

/// The clusters that end with this process. Whoever makes something holds the lock; once a signal is here its thread
/// holds it for good, so that nothing new is made while everything is taken away.
static UP: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Stays closed once the process ends by a signal.
pub(crate) fn gate() -> MutexGuard<'static, BTreeSet<String>> {
    UP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on this cluster ends with the process.
pub(crate) fn watch(cluster: &str) {
    static THREAD: Once = Once::new();
    gate().insert(cluster.to_owned());
    // Handlers, not a blocked mask: a mask would be inherited by every container, which then could not be told to end.
    THREAD.call_once(|| match Signals::new([SIGHUP, SIGINT, SIGTERM]) {
        Ok(mut signals) => drop(thread::spawn(move || signals.forever().next().map(end))),
        Err(error) => say(format_args!(
            "Ctrl-C will not take the cluster down: {error}"
        )),
    });
}

fn end(signal: i32) {
    let clusters = gate();
    for cluster in clusters.iter() {
        let name = signal_name(signal).unwrap_or("a signal");
        say(format_args!("{name}: taking the cluster {cluster} down"));
        if let Err(error) = end_commands(cluster).and_then(|()| take_down(cluster)) {
            say(error);
        }
    }
    process::exit(128 + signal);
}

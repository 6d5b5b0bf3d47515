//! Ctrl-C and SIGTERM: the clusters of this process are taken down before it ends.

use std::{
    collections::BTreeSet,
    process,
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
};

use nix::sys::signal::{SigSet, Signal};

/// The clusters that end with this process. Whoever makes something holds the lock; once a signal is here its thread
/// holds it for good, so that nothing new is made while everything is taken away.
static UP: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Stays closed once the process ends by a signal.
pub(crate) fn gate() -> MutexGuard<'static, BTreeSet<String>> {
    UP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on this cluster ends with the process. Signals are blocked in the calling thread and in those it starts
/// later; threads that are older keep the default action, so call this from `main`.
pub(crate) fn watch(cluster: &str) {
    static THREAD: Once = Once::new();
    gate().insert(cluster.to_owned());
    THREAD.call_once(|| {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        if signals.thread_block().is_ok() {
            thread::spawn(move || end(signals));
        }
    });
}

/// This cluster outlives the process, or is down already.
pub(crate) fn forget(cluster: &str) {
    gate().remove(cluster);
}

fn end(signals: SigSet) {
    let Ok(signal) = signals.wait() else { return };
    let clusters = gate();
    for cluster in clusters.iter() {
        eprintln!("{signal}: taking the cluster {cluster} down");
        if let Err(error) = crate::down::take_down(cluster) {
            eprintln!("{error}");
        }
    }
    process::exit(128 + signal as i32);
}

//! Ctrl-C, SIGTERM and a closed terminal: the clusters of this process are taken down before it ends.

use std::{
    collections::BTreeSet,
    fs, process,
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
    // Handlers, not a blocked mask: each container would inherit the mask, and could not be ended by a signal.
    THREAD.call_once(|| {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        match Signals::new(handled(&status)) {
            Ok(mut signals) => drop(thread::spawn(move || signals.forever().next().map(end))),
            Err(error) => say(format_args!(
                "Ctrl-C will not take the cluster down: {error}"
            )),
        }
    });
}

/// The signals to handle, by the process's status (proc(5)): not those that it ignores since it was started, as nohup
/// has it ignore SIGHUP.
fn handled(status: &str) -> impl Iterator<Item = i32> {
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default();
    [SIGHUP, SIGINT, SIGTERM]
        .into_iter()
        .filter(move |signal| ignored >> (signal - 1) & 1 == 0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signal_stays_ignored() {
        let handled = |mask: &str| -> Vec<i32> {
            let status = format!("SigBlk:\tffffffffffffffff\nSigIgn:\t{mask}\n");
            super::handled(&status).collect()
        };
        // SIGPIPE, which Rust ignores in every program.
        assert_eq!(handled("0000000000001000"), [SIGHUP, SIGINT, SIGTERM]);
        assert_eq!(handled("0000000000001001"), [SIGINT, SIGTERM]);
        // A job in the background of a shell without job control.
        assert_eq!(handled("0000000000001006"), [SIGHUP, SIGTERM]);
    }
}

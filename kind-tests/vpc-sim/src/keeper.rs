//! The task that lets time pass: fires what is due and keeps the wires as they should be.

use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::time::sleep;

use crate::state::{World, now_ms};

/// How often the links are looked at although nothing was heard of them.
const SCAN: Duration = Duration::from_secs(1);

/// Runs until the process ends. `links` yields whenever a link of the VPC changes: a link that vanishes
/// although nobody detached it went with a pod's network namespace, and is made again at home.
pub(crate) async fn keep(world: World, mut links: impl Stream + Unpin) {
    let mut complaint = None;
    loop {
        let due = world.next_due_ms().map_or(SCAN, |due| {
            Duration::from_millis(due.saturating_sub(now_ms()))
        });
        tokio::select! {
            () = world.changed() => {}
            _ = links.next() => {}
            () = sleep(due.min(SCAN)) => {}
        }
        let failure = world.settle().await.err().map(|error| error.chain());
        if let Some(error) = failure.as_ref().filter(|_| failure != complaint) {
            tracing::warn!(
                error,
                "a wire is not as it should be; tried again until it is"
            );
        }
        complaint = failure;
    }
}

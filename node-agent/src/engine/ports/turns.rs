//! What is done about ports is done one after the other, in the order in which it was ordered: each takes a bridge for what those
//! before it made it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// Hands out turns.
#[derive(Debug, Default)]
pub struct Turns {
    next: u64,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Turns that are not over.
    open: Mutex<BTreeSet<u64>>,
    over: Condvar,
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn; it is over when this value goes, on whatever thread and however.
#[derive(Debug)]
pub struct Turn {
    number: u64,
    shared: Arc<Shared>,
}

impl Turns {
    /// The turn after all that were handed out before.
    pub fn next(&mut self) -> Turn {
        self.next += 1;
        self.shared.open().insert(self.next);
        Turn {
            number: self.next,
            shared: self.shared.clone(),
        }
    }
}

impl Turn {
    /// Waits until all turns before this one are over. It blocks.
    pub fn wait(&self) {
        let mut open = self.shared.open();
        while open.first() != Some(&self.number) {
            open = (self.shared.over.wait(open)).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.open().remove(&self.number);
        self.shared.over.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn turns_come_in_the_order_in_which_they_were_handed_out() {
        let (mut turns, (sender, done)) = (Turns::default(), mpsc::channel());
        let handed: Vec<Turn> = (0..8).map(|_| turns.next()).collect();
        // The last begins first; one ends without having begun.
        let threads = handed.into_iter().rev().map(|turn| {
            let sender = sender.clone();
            thread::spawn(move || {
                if turn.number != 4 {
                    turn.wait();
                    // Who counts them waits until all have come.
                    let _ = sender.send(turn.number);
                }
            })
        });
        let threads: Vec<_> = threads.collect();
        drop(sender);
        assert_eq!(done.iter().collect::<Vec<_>>(), [1, 2, 3, 5, 6, 7, 8]);
        assert!(threads.into_iter().all(|thread| thread.join().is_ok()));
    }
}

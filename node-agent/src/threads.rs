//! Threads that may block, for orders: a few of those that are done wait for the next one.
//!
//! A new thread begins where the scheduler expects the processor to be free. While the kernel's own threads are at work there, as they
//! are after each move (RCU), it waits for the next tick, 4 ms at 250 Hz; a thread that waits is woken where its waker is about to rest.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{SendError, Sender, channel},
    },
    thread,
};

/// As many threads wait at most.
const MOST_IDLE: usize = 4;

/// Something to do. It must not panic.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Of a thread's stack; it is mapped as it is used.
const STACK: usize = 2 << 20;

/// The threads that wait, which end with this value.
pub struct Threads {
    idle: Arc<Mutex<Vec<Sender<Job>>>>,
    stack: usize,
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            idle: Arc::default(),
            stack: STACK,
        }
    }
}

impl Threads {
    /// Runs a job on a thread that waits, or on a new one.
    pub fn run(&self, mut job: Job) -> io::Result<()> {
        loop {
            let Some(thread) = lock(&self.idle).pop() else {
                break;
            };
            match thread.send(job) {
                Ok(()) => return Ok(()),
                Err(SendError(back)) => job = back,
            }
        }
        let idle = Arc::downgrade(&self.idle);
        let serve = move || {
            loop {
                job();
                let (sender, jobs) = channel();
                {
                    let Some(idle) = idle.upgrade() else { return };
                    let mut idle = lock(&idle);
                    if idle.len() >= MOST_IDLE {
                        return;
                    }
                    idle.push(sender);
                }
                match jobs.recv() {
                    Ok(next) => job = next,
                    Err(_) => return,
                }
            }
        };
        let thread = thread::Builder::new().stack_size(self.stack);
        thread.spawn(serve).map(drop)
    }

    /// Every new thread is refused: its stack is larger than the address space.
    #[cfg(test)]
    pub fn refused() -> Self {
        Self {
            stack: usize::MAX / 4,
            ..Self::default()
        }
    }
}

fn lock(idle: &Mutex<Vec<Sender<Job>>>) -> MutexGuard<'_, Vec<Sender<Job>>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{collections::BTreeSet, sync::mpsc, thread::ThreadId};

    use super::*;

    /// Runs so many jobs at once, and says on which threads.
    fn at_once(threads: &Threads, count: usize) -> BTreeSet<String> {
        let (ids, seen) = mpsc::channel::<ThreadId>();
        let gate = Arc::new(std::sync::Barrier::new(count));
        for _ in 0..count {
            let (ids, gate) = (ids.clone(), gate.clone());
            let job = move || {
                gate.wait();
                ids.send(thread::current().id()).unwrap();
            };
            threads.run(Box::new(job)).unwrap();
        }
        drop(ids);
        seen.iter().map(|id| format!("{id:?}")).collect()
    }

    fn wait_for(threads: &Threads, idle: usize) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while lock(&threads.idle).len() != idle {
            assert!(std::time::Instant::now() < deadline);
            thread::yield_now();
        }
    }

    #[test]
    fn job_runs_at_once_and_a_few_threads_wait_for_the_next() {
        let threads = Threads::default();
        assert_eq!(at_once(&threads, 1).len(), 1);
        wait_for(&threads, 1);
        // Jobs that wait for each other need a thread each.
        let many = at_once(&threads, 2 * MOST_IDLE);
        assert_eq!(many.len(), 2 * MOST_IDLE);
        wait_for(&threads, MOST_IDLE);
        let again = at_once(&threads, MOST_IDLE);
        assert!(again.is_subset(&many), "{again:?} {many:?}");
    }

    #[test]
    fn threads_end_with_their_owner() {
        let threads = Threads::default();
        at_once(&threads, 2);
        wait_for(&threads, 2);
        let waiting = Arc::downgrade(&threads.idle);
        drop(threads);
        assert_eq!(waiting.strong_count(), 0);
    }
}

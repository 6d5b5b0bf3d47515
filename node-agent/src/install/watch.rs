//! Waiting for changes in the node's folders, and seeing which configurations the runtime opens.

use std::{io, mem::MaybeUninit, os::fd::OwnedFd, path::Path, time::Duration};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};
use tokio::io::unix::AsyncFd;

/// Without inotify, files are compared so often. Stamps of a dozen files cost some ten microseconds.
const POLL: Duration = Duration::from_secs(2);

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Perhaps a file that concerns us has changed.
    Changed,
    /// Somebody opened the list.
    ListOpened,
    /// Somebody opened our drop-in.
    DropInOpened,
}

/// An inotify instance; or none, for the kernel's limit of instances (`fs.inotify.max_user_instances`) is small, and all
/// of root's programs share it.
pub struct Watch {
    inotify: Option<AsyncFd<OwnedFd>>,
    list: Option<i32>,
    drop_in: Option<i32>,
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> Self {
        let open = || {
            let descriptor = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            // Deprecated for types whose descriptor may change, and its successor is unsafe: that of an OwnedFd does not.
            #[allow(deprecated)]
            AsyncFd::new(descriptor)
        };
        let inotify = open()
            .inspect_err(|error| {
                tracing::warn!(%error, "no inotify: CNI configurations are compared every few seconds; raise fs.inotify.max_user_instances");
            })
            .ok();
        Self {
            inotify,
            ..Self::polling()
        }
    }

    /// Without inotify.
    pub fn polling() -> Self {
        Self {
            inotify: None,
            list: None,
            drop_in: None,
        }
    }

    /// Whether opened files are seen.
    pub fn sees_opens(&self) -> bool {
        self.inotify.is_some()
    }

    /// Watches a folder, and says which watch it is: another one than before if the folder is another one. One that is not
    /// there is watched by its parent.
    pub fn folder(&self, path: &Path) -> Option<i32> {
        let changes = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        self.add(path, changes)
    }

    /// From now on opens of these two are told, until [`Self::ignore_opens`]: the agent's own are not told apart.
    pub fn follow_opens(&mut self, list: &Path, drop_in: &Path) {
        self.ignore_opens();
        self.list = self.add(list, WatchFlags::OPEN);
        self.drop_in = self.add(drop_in, WatchFlags::OPEN);
    }

    /// Opens are no longer told, nor those that were not read yet: a watch descriptor is never used again.
    pub fn ignore_opens(&mut self) {
        for descriptor in [self.list.take(), self.drop_in.take()] {
            if let (Some(inotify), Some(descriptor)) = (&self.inotify, descriptor) {
                // The file may be gone, and the watch with it.
                let _gone = inotify::remove_watch(inotify, descriptor);
            }
        }
    }

    /// The next events, or none after `at_most`.
    pub async fn next(&self, at_most: Duration) -> io::Result<Vec<Event>> {
        let Some(inotify) = &self.inotify else {
            tokio::time::sleep(at_most.min(POLL)).await;
            return Ok(vec![Event::Changed]);
        };
        let Ok(readable) = tokio::time::timeout(at_most, inotify.readable()).await else {
            return Ok(Vec::new());
        };
        let mut readable = readable?;
        let mut space = [MaybeUninit::uninit(); 4096];
        let mut reader = Reader::new(inotify, &mut space);
        let mut events = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => events.extend(self.meaning(event.wd(), event.events())),
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        readable.clear_ready();
        events.dedup();
        Ok(events)
    }

    fn meaning(&self, descriptor: i32, flags: ReadFlags) -> Option<Event> {
        if !flags.intersects(ReadFlags::OPEN | ReadFlags::IGNORED) {
            // Among them an overflow of the queue.
            return Some(Event::Changed);
        }
        // An event of a watch that was removed meanwhile is nobody's.
        if flags.contains(ReadFlags::IGNORED) {
            None
        } else if Some(descriptor) == self.list {
            Some(Event::ListOpened)
        } else if Some(descriptor) == self.drop_in {
            Some(Event::DropInOpened)
        } else {
            None
        }
    }

    fn add(&self, path: &Path, flags: WatchFlags) -> Option<i32> {
        let added = inotify::add_watch(self.inotify.as_ref()?, path, flags);
        added
            .inspect_err(|error| tracing::debug!(path = %path.display(), %error, "not watched"))
            .ok()
    }
}

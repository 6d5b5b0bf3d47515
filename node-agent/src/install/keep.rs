//! The running agent's part of the installation: whatever happens to the files, they are brought back.

use std::{convert::Infallible, fs, time::Duration};

use crds::{Time, condition::ConditionStatus};
use jiff::Timestamp;
use tokio::{
    sync::watch as channel,
    time::{Instant, sleep},
};

use crate::{
    error::Error,
    install::{
        backoff::Backoff,
        decision::{By, DROP_IN, DropIns, Reason, Refused, Wanted},
        folder::Stamps,
        probe::{Probe, Step},
        site::{Inspection, Site},
        state::State,
        watch::{Event, Watch},
    },
    metrics::Metrics,
};

/// Files are read again so often even if no event tells of a change.
const PERIOD: Duration = Duration::from_mins(5);
/// Whoever writes into the folder may write more.
const CALM: Duration = Duration::from_millis(100);
/// A change of the condition's status must be found twice: a file may be seen half written, or be taken away at once.
const DOUBT: Duration = Duration::from_secs(1);
/// After Cilium renamed our list it is written again so often: nobody tells when `cni.exclusive` is off.
const RENAMED_PAUSE: Duration = Duration::from_mins(5);
/// In the agent's folder on tmpfs, so that a restart of the agent needs no reload of the runtime to know it.
pub(super) const READ_MARK: &str = "runtime-reads-drop-ins";

/// Keeps plugin and configuration in place.
pub struct Keeper {
    site: Site,
    metrics: Metrics,
    state: channel::Sender<Option<State>>,
    watch: Watch,
    drop_ins: DropIns,
    probe: Option<Probe>,
    /// The watch of the folder that our drop-in is in.
    watched: Option<i32>,
    /// Files as they were before they were last read.
    stamps: Stamps,
    inspect_at: Instant,
    backoff: Backoff,
    must_reload: bool,
    /// The runtime was made to reload, and did not for a while.
    unseen: bool,
    /// What was written after the first time, and when.
    rewritten: Option<(Time, String)>,
    complete_once: bool,
    doubted: Option<ConditionStatus>,
    renamed_until: Option<Instant>,
}

impl Keeper {
    /// Nothing is done yet.
    pub fn new(site: Site, metrics: Metrics) -> Self {
        let read = site.run.join(READ_MARK).exists();
        Self {
            site,
            metrics,
            state: channel::Sender::new(None),
            watch: Watch::new(),
            drop_ins: if read {
                DropIns::Read
            } else {
                DropIns::Unknown
            },
            probe: None,
            watched: None,
            stamps: Stamps::default(),
            inspect_at: Instant::now(),
            backoff: Backoff::default(),
            must_reload: false,
            unseen: false,
            rewritten: None,
            complete_once: false,
            doubted: None,
            renamed_until: None,
        }
    }

    /// What it finds; nothing until it is known.
    pub fn state(&self) -> channel::Receiver<Option<State>> {
        self.state.subscribe()
    }

    /// Installs, and then keeps it so. Ends when the folders are no longer those of the node.
    pub async fn keep(mut self) -> Result<Infallible, Error> {
        loop {
            if Instant::now() >= self.inspect_at {
                self.inspect().await?;
                continue;
            }
            self.probe();
            let now = Instant::now();
            let due = self
                .probe
                .as_ref()
                .map_or(self.inspect_at, |probe| probe.due().min(self.inspect_at));
            let events = self.watch.next(due.saturating_duration_since(now)).await;
            for event in events.map_err(Error::file(&self.site.places.conf))? {
                self.take(event).await?;
            }
        }
    }

    /// Reads all files, and writes what differs.
    pub async fn inspect(&mut self) -> Result<(), Error> {
        // What the agent itself opens from here on is nobody's reading.
        self.watch.ignore_opens();
        self.site.places.are_mounted()?;
        // Before they are read, so that no change in between is missed.
        self.watch.folder(&self.site.places.bin);
        self.watch.folder(&self.site.places.conf);
        self.inspect_at = Instant::now() + PERIOD;
        let (site, drop_ins) = (self.site.clone(), self.drop_ins);
        match blocking(move || site.inspect(drop_ins)).await {
            Ok(inspection) if inspection.is_complete() => self.complete(inspection),
            Ok(inspection) => self.write(inspection).await,
            Err(error) => self.fail(&error),
        }
        Ok(())
    }

    async fn take(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Changed => {
                sleep(CALM).await;
                self.site.places.are_mounted()?;
                if self.site.places.stamps().ok().as_ref() != Some(&self.stamps) {
                    self.inspect_at = self.inspect_at.min(Instant::now());
                }
            }
            Event::ListOpened | Event::DropInOpened => {
                let known = self
                    .probe
                    .as_mut()
                    .and_then(|probe| probe.saw(event, Instant::now()));
                if let Some(drop_ins) = known {
                    self.know(drop_ins);
                }
            }
        }
        Ok(())
    }

    fn complete(&mut self, inspection: Inspection) {
        let trouble = inspection.links.trouble();
        self.stamps = inspection.stamps;
        let wanted = match inspection.wanted {
            Ok(wanted) => wanted,
            Err(refused) => return self.refuse(refused),
        };
        (self.complete_once, self.renamed_until) = (true, None);
        self.verify(&wanted);
        if std::mem::take(&mut self.must_reload)
            && let Err(error) = self.site.places.reload()
        {
            self.must_reload = true;
            return self.fail(&error);
        }
        if self.probe.is_none() || self.unseen {
            let mut state = State::of(&wanted, self.site.chain, self.drop_ins);
            state.also(trouble.as_deref());
            self.publish(self.with_rewritten(state));
        }
    }

    /// Finds out whether the runtime reads the drop-in, unless that is known or nothing hangs on it.
    fn verify(&mut self, wanted: &Wanted) {
        if wanted.by != By::DropIn {
            self.probe = None;
            return;
        }
        let folder = self.site.places.conf.join(&wanted.network);
        let watched = self.watch.folder(&folder);
        if watched != self.watched {
            // Its drop-in was read before it was watched.
            (self.watched, self.inspect_at) = (watched, Instant::now());
        }
        if self.drop_ins != DropIns::Unknown || !self.watch.sees_opens() {
            return;
        }
        let list = self.site.places.conf.join(&wanted.base);
        self.watch.follow_opens(&list, &folder.join(DROP_IN));
        if self.probe.is_none() {
            // Its first step makes the runtime reload.
            self.probe = Some(Probe::new(Instant::now()));
            self.must_reload = false;
        }
    }

    async fn write(&mut self, inspection: Inspection) {
        let (now, files) = (Instant::now(), inspection.files());
        if let Some(next) = self.backoff.wait(now) {
            self.inspect_at = next;
            self.stamps = inspection.stamps;
            return self.publish(State::contested(&files));
        }
        self.backoff.wrote(now);
        let places = self.site.places.clone();
        match blocking(move || inspection.apply(&places)).await {
            Ok(reload) => {
                if self.complete_once {
                    tracing::warn!(
                        path = files,
                        "the CNI plugin is installed again: somebody had changed or removed it"
                    );
                } else {
                    tracing::info!(path = files, "the CNI plugin is installed");
                }
                self.must_reload |= reload;
                if self.complete_once {
                    self.metrics.plugin_restored();
                    self.rewritten = Some((Time(Timestamp::now().as_millisecond()), files));
                }
                // Whether all is as wanted is read, not assumed.
                self.inspect_at = now;
            }
            Err(error) => self.fail(&error),
        }
    }

    fn refuse(&mut self, refused: Refused) {
        let now = Instant::now();
        if refused.reason == Reason::RenamedByCilium {
            let until = *self.renamed_until.get_or_insert(now + RENAMED_PAUSE);
            if until <= now {
                self.renamed_until = None;
                self.inspect_at = now;
                if let Err(error) = self.site.places.forget_renamed() {
                    self.fail(&error);
                }
                return;
            }
            self.inspect_at = until;
        }
        self.publish(State::refused(refused));
    }

    fn fail(&mut self, error: &Error) {
        let now = Instant::now();
        self.backoff.wrote(now);
        self.inspect_at = self.backoff.wait(now).unwrap_or(now + DOUBT);
        self.publish(State::failed(error));
    }

    fn probe(&mut self) {
        let probe = self.probe.as_mut();
        match probe.and_then(|probe| probe.step(Instant::now())) {
            None => {}
            Some(Step::Reload) => {
                if let Err(error) = self.site.places.reload() {
                    self.fail(&error);
                }
            }
            Some(Step::Unseen) => (self.unseen, self.inspect_at) = (true, Instant::now()),
            Some(Step::Known(drop_ins)) => self.know(drop_ins),
        }
    }

    fn know(&mut self, drop_ins: DropIns) {
        match drop_ins {
            DropIns::Read => tracing::info!("the container runtime reads drop-ins"),
            DropIns::Unknown | DropIns::Ignored => {
                tracing::info!("the container runtime does not read drop-ins");
            }
        }
        (self.drop_ins, self.probe, self.inspect_at) = (drop_ins, None, Instant::now());
        let mark = self.site.run.join(READ_MARK);
        if drop_ins == DropIns::Read
            && let Err(error) = fs::write(&mark, [])
        {
            tracing::warn!(path = %mark.display(), %error, "the next agent has to find out again");
        }
    }

    fn with_rewritten(&self, mut state: State) -> State {
        if let Some((at, files)) = &self.rewritten {
            state.message = format!(
                "{}; written again at {}: {files}",
                state.message,
                at.whole_second()
            );
        }
        state
    }

    fn publish(&mut self, state: State) {
        let before = self.state.borrow().as_ref().map(|state| state.status);
        if before.is_some_and(|status| status != state.status) && self.doubted != Some(state.status)
        {
            self.doubted = Some(state.status);
            self.inspect_at = self.inspect_at.min(Instant::now() + DOUBT);
            return;
        }
        self.doubted = None;
        self.state.send_if_modified(|published| {
            let differs = published.as_ref() != Some(&state);
            if differs {
                state.log();
                *published = Some(state);
            }
            differs
        });
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::Install(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::install::{
        CniChain, Places,
        decision::{CONFLIST, RENAMED},
    };

    const LIST: &str = r#"{ "name": "pods", "plugins": [{ "type": "ptp" }] }"#;

    struct Node {
        folder: TempDir,
    }

    impl Node {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for name in ["bin", "net.d", "run"] {
                fs::create_dir(folder.path().join(name)).unwrap();
            }
            fs::write(folder.path().join("eniclaim"), "plugin").unwrap();
            fs::write(folder.path().join("net.d/10-pods.conflist"), LIST).unwrap();
            Self { folder }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn conf(&self, name: &str) -> PathBuf {
            self.path("net.d").join(name)
        }

        fn keeper(&self, chain: CniChain) -> Keeper {
            let site = Site {
                binary: self.path("eniclaim"),
                places: Places {
                    bin: self.path("bin"),
                    conf: self.path("net.d"),
                },
                chain,
                run: self.path("run"),
                replaced: Vec::new(),
            };
            Keeper::new(site, Metrics::default())
        }
    }

    async fn says(state: &mut channel::Receiver<Option<State>>, reason: Reason) {
        let so = |state: &Option<State>| state.as_ref().is_some_and(|s| s.reason == reason);
        state.wait_for(so).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn list_that_cilium_renames_is_told_and_written_again_later() {
        let node = Node::new();
        let keeper = node.keeper(CniChain::Conflist);
        let mut state = keeper.state();
        let running = tokio::spawn(keeper.keep());
        says(&mut state, Reason::Installed).await;
        let began = Instant::now();
        fs::rename(node.conf(CONFLIST), node.conf(RENAMED)).unwrap();
        says(&mut state, Reason::RenamedByCilium).await;
        assert!(!node.conf(CONFLIST).exists(), "it is not fought");
        says(&mut state, Reason::Installed).await;
        assert!(began.elapsed() > RENAMED_PAUSE);
        assert!(node.conf(CONFLIST).exists() && !node.conf(RENAMED).exists());
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn node_without_inotify_is_kept_by_comparing() {
        let node = Node::new();
        let mut keeper = node.keeper(CniChain::Auto);
        keeper.watch = Watch::polling();
        let mut state = keeper.state();
        let running = tokio::spawn(keeper.keep());
        says(&mut state, Reason::Unverified).await;
        fs::remove_file(node.path("bin/eniclaim")).unwrap();
        state.changed().await.unwrap();
        assert!(node.path("bin/eniclaim").exists());
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn runtime_that_reads_another_folder_is_told() {
        let node = Node::new();
        let keeper = node.keeper(CniChain::Auto);
        let mut state = keeper.state();
        let running = tokio::spawn(keeper.keep());
        let began = Instant::now();
        says(&mut state, Reason::Unverified).await;
        assert!(began.elapsed() >= Duration::from_mins(1));
        running.abort();
    }
}

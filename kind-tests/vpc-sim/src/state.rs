//! What the simulator knows, shared by its endpoints and its keeper on one thread.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Mutex, Notify};
use vpc::{InstanceId, Vpc};

use crate::{
    SimError,
    dhcp::Dhcp,
    fault::{Fault, Faults},
    store::Store,
    wires::{Wire, Wires, picture},
};

/// The rules' value and what only this machine knows.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sim {
    pub(crate) vpc: Vpc,
    /// The network namespace that each instance is.
    pub(crate) namespaces: BTreeMap<InstanceId, String>,
    /// All EC2 calls, oldest first.
    pub(crate) calls: Vec<Call>,
    /// What shall go wrong.
    pub(crate) faults: Faults<Fault>,
    /// The messages of DHCP clients.
    pub(crate) dhcp: Dhcp,
}

impl Sim {
    /// A region in which nothing has happened.
    pub(crate) fn new(vpc: Vpc) -> Self {
        Self {
            vpc,
            namespaces: BTreeMap::new(),
            calls: Vec::new(),
            faults: Faults::default(),
            dhcp: Dhcp::default(),
        }
    }

    /// Terminates an instance without the time that EC2 takes for it. It is still described.
    pub(crate) fn terminate(&mut self, id: &InstanceId) -> Result<(), vpc::Ec2Error> {
        let now_ms = now_ms();
        let usual = self.vpc.delays;
        self.vpc.delays.terminate_ms = 0;
        let outcome = self.vpc.terminate(id, now_ms);
        self.vpc.delays = usual;
        self.vpc.advance(now_ms);
        outcome
    }
}

/// An EC2 call as the log shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    /// Its place in the log, from 0.
    pub(crate) index: usize,
    /// When it was answered, in milliseconds since the epoch.
    pub(crate) time_ms: u64,
    pub(crate) action: String,
    pub(crate) parameters: BTreeMap<String, String>,
    /// Of a mutating call: the interfaces that it names, as they were just before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Vec<Value>>,
    pub(crate) status: u16,
    /// EC2's code, if it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The id that the call handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<String>,
    pub(crate) request_id: String,
    /// Whether the caller never heard.
    pub(crate) reply_lost: bool,
}

/// The state, its wires, and the bell that wakes their keeper.
#[derive(Clone)]
pub(crate) struct World(Rc<Inner>);

struct Inner {
    sim: RefCell<Sim>,
    wires: Mutex<Wires>,
    changed: Notify,
    store: RefCell<Option<Store>>,
}

impl World {
    pub(crate) fn new(sim: Sim, wires: Wires, store: Option<Store>) -> Self {
        Self(Rc::new(Inner {
            sim: RefCell::new(sim),
            wires: Mutex::new(wires),
            changed: Notify::new(),
            store: RefCell::new(store),
        }))
    }

    /// Looks at the state, or changes it and wakes the keeper. Never across an await.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Sim) -> T) -> T {
        let outcome = self.note(act);
        self.0.changed.notify_one();
        outcome
    }

    /// Changes what no wire depends on, so that the keeper sleeps on.
    pub(crate) fn note<T>(&self, act: impl FnOnce(&mut Sim) -> T) -> T {
        act(&mut self.0.sim.borrow_mut())
    }

    /// Looks at the state.
    pub(crate) fn look<T>(&self, see: impl FnOnce(&Sim) -> T) -> T {
        see(&self.0.sim.borrow())
    }

    /// Writes the state down, if it is kept in a file: before anybody hears of what was done.
    pub(crate) fn keep(&self) {
        if let Some(store) = self.0.store.borrow_mut().as_mut()
            && let Err(error) = store.keep(&self.0.sim.borrow())
        {
            let error = error.chain();
            tracing::error!(
                error,
                "the state cannot be kept; a restart would find an older one"
            );
        }
    }

    /// Resolves after the state was changed.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Lets happen what is due and makes the wires follow.
    pub(crate) async fn settle(&self) -> Result<(), SimError> {
        let mut wires = self.0.wires.lock().await;
        let (rules, wanted) = {
            let mut sim = self.0.sim.borrow_mut();
            sim.vpc.advance(now_ms());
            picture(&sim.vpc, &sim.namespaces)
        };
        self.keep();
        wires.settle(rules, &wanted).await
    }

    /// Takes these links away; the keeper makes them again.
    pub(crate) async fn unplug(&self, links: &[String]) -> Result<(), SimError> {
        self.0.wires.lock().await.unplug(links).await
    }

    /// The wires there should be and the VPC ends there are.
    pub(crate) async fn wires(
        &self,
    ) -> Result<(BTreeMap<String, Wire>, BTreeSet<String>), SimError> {
        let wires = self.0.wires.lock().await;
        let seen = wires.seen().await?;
        Ok((self.look(|sim| picture(&sim.vpc, &sim.namespaces).1), seen))
    }

    /// When the next thing happens by itself.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.look(|sim| {
            sim.vpc
                .pending()
                .first()
                .map(|transition| transition.due_ms)
        })
    }
}

/// Milliseconds since the epoch: the time that EC2's answers show.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

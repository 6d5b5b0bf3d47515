//! The bodies of `/sim/settings` and `/sim/delays`.

use serde::{Deserialize, Serialize};
use vpc::{Action, Delays};

/// The name of an action that the simulator knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub(crate) struct ActionName(Action);

impl ActionName {
    pub(crate) fn action(self) -> Action {
        self.0
    }

    pub(crate) fn name(self) -> &'static str {
        self.0.name()
    }
}

/// A name of no action.
#[derive(Debug, thiserror::Error)]
#[error("the simulator has no action {0:?}")]
pub(crate) struct NoAction(String);

impl TryFrom<String> for ActionName {
    type Error = NoAction;
    fn try_from(name: String) -> Result<Self, NoAction> {
        Action::named(&name).map(Self).ok_or(NoAction(name))
    }
}

impl From<ActionName> for &'static str {
    fn from(action: ActionName) -> Self {
        action.name()
    }
}

/// All of [`vpc::Settings`]; what is left out is as in a healthy region.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Settings {
    rate_percent: Option<u32>,
    stale_ms: u64,
    denied: Vec<ActionName>,
    other_region: bool,
    page_items: Option<usize>,
    eni_limit: Option<usize>,
}

impl From<Settings> for vpc::Settings {
    fn from(settings: Settings) -> Self {
        let Settings {
            rate_percent,
            stale_ms,
            denied,
            other_region,
            page_items,
            eni_limit,
        } = settings;
        Self {
            rate_percent,
            stale_ms,
            denied: denied.into_iter().map(|action| action.0).collect(),
            other_region,
            page_items,
            eni_limit,
        }
    }
}

impl From<vpc::Settings> for Settings {
    fn from(settings: vpc::Settings) -> Self {
        let vpc::Settings {
            rate_percent,
            stale_ms,
            denied,
            other_region,
            page_items,
            eni_limit,
        } = settings;
        Self {
            rate_percent,
            stale_ms,
            denied: denied.into_iter().map(ActionName).collect(),
            other_region,
            page_items,
            eni_limit,
        }
    }
}

// The names are those of the body.
#[allow(clippy::struct_field_names)]
/// [`vpc::Delays`]; what is left out stays as it is.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewDelays {
    create_ms: Option<u64>,
    attach_ms: Option<u64>,
    detach_ms: Option<u64>,
    stop_ms: Option<u64>,
    start_ms: Option<u64>,
    terminate_ms: Option<u64>,
    forget_ms: Option<u64>,
}

impl NewDelays {
    /// The delays after this change.
    pub(crate) fn applied_to(&self, old: Delays) -> Delays {
        Delays {
            create_ms: self.create_ms.unwrap_or(old.create_ms),
            attach_ms: self.attach_ms.unwrap_or(old.attach_ms),
            detach_ms: self.detach_ms.unwrap_or(old.detach_ms),
            stop_ms: self.stop_ms.unwrap_or(old.stop_ms),
            start_ms: self.start_ms.unwrap_or(old.start_ms),
            terminate_ms: self.terminate_ms.unwrap_or(old.terminate_ms),
            forget_ms: self.forget_ms.unwrap_or(old.forget_ms),
        }
    }
}

impl From<Delays> for NewDelays {
    fn from(delays: Delays) -> Self {
        let Delays {
            create_ms,
            attach_ms,
            detach_ms,
            stop_ms,
            start_ms,
            terminate_ms,
            forget_ms,
        } = delays;
        Self {
            create_ms: Some(create_ms),
            attach_ms: Some(attach_ms),
            detach_ms: Some(detach_ms),
            stop_ms: Some(stop_ms),
            start_ms: Some(start_ms),
            terminate_ms: Some(terminate_ms),
            forget_ms: Some(forget_ms),
        }
    }
}

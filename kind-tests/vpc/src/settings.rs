//! What a test may change about a region while it runs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Action;

/// How the region behaves. The default, also of each member in JSON, is a healthy one without limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Limits the rate of each action to this percentage of AWS's published numbers; `None` does not limit.
    /// Less than two percent of some buckets is less than one call.
    pub rate_percent: Option<u32>,
    /// Describe calls show the state as it was so many milliseconds ago, but not from before the setting was made.
    pub stale_ms: u64,
    /// These are refused as not authorized.
    pub denied: BTreeSet<Action>,
    /// Nothing of this region is known, as if the caller had come to another one.
    pub other_region: bool,
    /// A page holds at most so many items, and an empty page with a token follows each; `None` fills pages.
    pub page_items: Option<usize>,
    /// How many interfaces there may be, primary ones among them; `None` does not limit.
    pub eni_limit: Option<usize>,
}

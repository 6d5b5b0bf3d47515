//! What a test may change about a region while it runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Action, DhcpSettings};

/// Keys and values. A condition on them is about the tags that an interface has, or gets by the call that makes it.
pub type Tags = BTreeMap<String, String>;

/// How the region behaves. The default, also of each member in JSON, is a healthy one without limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Limits the rate of each action to this percentage of AWS's published numbers; `None` does not limit.
    /// Less than two percent of some buckets is less than one call.
    pub rate_percent: Option<u32>,
    /// The percentage of single actions, instead of that of all.
    pub action_rate_percent: BTreeMap<Action, u32>,
    /// Describe calls show the state as it was so many milliseconds ago, but not from before the setting was made.
    pub stale_ms: u64,
    /// Only one of so many does, so that a read may see less than the one before it; `None` is each.
    pub stale_every: Option<u64>,
    /// These are refused as not authorized.
    pub denied: BTreeSet<Action>,
    /// These are authorized only with all of these tags, as by a policy with a condition.
    pub required_tags: BTreeMap<Action, Tags>,
    /// These are refused with any of these tags, as by a policy that denies.
    pub denied_tags: BTreeMap<Action, Tags>,
    /// Nothing of this region is known, as if the caller had come to another one.
    pub other_region: bool,
    /// A page holds at most so many items, and an empty page with a token follows each; `None` fills pages.
    pub page_items: Option<usize>,
    /// How many interfaces there may be, primary ones among them; `None` does not limit.
    pub eni_limit: Option<usize>,
    /// How many interfaces one instance may have, primary ones among them, when that is less than its type can hold.
    pub attachment_limit: Option<usize>,
    /// How many security groups one interface may have; `None` is the 5 that AWS begins with.
    pub group_limit: Option<usize>,
    /// What DHCP says, and whether it says anything.
    pub dhcp: DhcpSettings,
}

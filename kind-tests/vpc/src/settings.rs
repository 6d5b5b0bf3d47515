//! What a test may change about a region while it runs.

/// How the region behaves. The default is a healthy one without limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Limits the rate of each action to this percentage of AWS's published numbers; `None` does not limit.
    /// Less than two percent of some buckets is less than one call.
    pub rate_percent: Option<u32>,
    /// Describe calls show the state as it was so many milliseconds ago, but not from before the setting was made.
    pub stale_ms: u64,
}

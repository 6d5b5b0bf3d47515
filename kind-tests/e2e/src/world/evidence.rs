//! What a failed scenario leaves for whoever looks for the cause.

use std::path::PathBuf;

use super::World;

impl World {
    /// Writes all that is known to `target/e2e-logs/<scenario>`, over what an earlier run left there; gives the folder.
    pub fn keep_evidence(&self, scenario: &str) -> anyhow::Result<PathBuf> {
        Ok(self.cluster.keep_evidence(scenario)?)
    }
}

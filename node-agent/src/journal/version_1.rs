//! A file of the journal as version 1 of the agent wrote it: one per pod, which had one ENI, at slot 0.

use node_agent_core::{
    claim::ClaimKey,
    custody::Custody,
    facts::{Netns, Observed, Origin, Plug, PlugKey, PlugState, Position, Sandbox},
    picture::PodSlot,
};
use serde::Deserialize;

/// A file of the journal.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    network: String,
    container_id: String,
    if_name: String,
    claim_namespace: String,
    claim_name: String,
    attachment: String,
    mac: String,
    eni: String,
    pod_uid: String,
    netns: String,
    state: EntryState,
}

#[derive(Deserialize)]
enum EntryState {
    Plugging,
    Plugged,
    Leaving,
}

impl Entry {
    pub(super) fn plug(self) -> Result<(PlugKey, Plug), String> {
        let key = PlugKey {
            sandbox: Sandbox {
                network: self.network,
                container_id: self.container_id,
                if_name: self.if_name,
            },
            mac: self.mac.parse().map_err(|e| format!("mac: {e}"))?,
        };
        let plug = Plug {
            origin: Origin::Claim {
                claim: ClaimKey {
                    namespace: self.claim_namespace,
                    name: self.claim_name,
                },
                attachment: self.attachment,
                pod_uid: self.pod_uid,
            },
            eni: self.eni,
            position: Position::Chained,
            custody: Custody::Ours,
            hardware: None,
            slot: PodSlot(0),
            // The namespace that is at the path now need not be the one of then: its cookie would prove nothing.
            netns: Netns {
                path: self.netns,
                cookie: None,
            },
            state: match self.state {
                EntryState::Plugging => PlugState::Plugging,
                EntryState::Plugged => PlugState::Plugged,
                EntryState::Leaving => PlugState::Unplugging,
            },
            observed: Observed::default(),
        };
        Ok((key, plug))
    }
}

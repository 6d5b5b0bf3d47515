//! GC.

use std::time::Duration;

use crate::{
    agent::{self, NoReply},
    config::Config,
    error::CniError,
    plugin::confused,
    protocol::{Gc, Reply, Request},
    version::SpecVersion,
};

const WAIT: Duration = Duration::from_secs(10);

/// Has the agent unplug what no valid attachment uses.
pub(super) fn gc(config: &Config) -> Result<(), CniError> {
    if config.is_ipam() || config.is_of_claims() {
        return Ok(());
    }
    config.version_since(SpecVersion::V1_1_0)?;
    let Some(valid) = config.valid_attachments()? else {
        return Ok(());
    };
    let socket = config.socket()?;
    let request = Request::Gc(Gc {
        network: config.network()?,
        valid,
    });
    // GC is repeated: an agent that is away is asked the next time.
    match agent::ask(&socket, request, None, Duration::ZERO, WAIT) {
        Ok(Reply::Collected) | Err(NoReply::NotThere) => Ok(()),
        Ok(Reply::Failed(error)) => Err(error),
        Ok(Reply::Added(_) | Reply::Deleted | Reply::Checked(_) | Reply::Addresses(_)) => {
            Err(confused())
        }
        Err(why) => Err(why.explain(&socket)),
    }
}

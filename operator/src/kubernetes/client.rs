//! The limits of the Kubernetes client.

use std::time::Duration;

use crate::watch;

const CONNECT: Duration = Duration::from_secs(5);

/// Puts our limits on a client's configuration: each call is sent once, for the fleet decides when and whether it is sent
/// again, and a connection on which nothing comes any more is given up although nobody closed it.
#[must_use]
pub fn configure(mut config: kube::Config) -> kube::Config {
    config.connect_timeout = Some(CONNECT);
    // Bytes come at least when a watch ends; without the reset the idle time before a request would count.
    config.read_timeout = Some(watch::TIMEOUT + Duration::from_secs(10));
    config.reset_reader_on_write = true;
    config.default_retry = false;
    config
}

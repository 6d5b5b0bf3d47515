//! The agent's client of the API server, and its limits.

use std::time::Duration;

use anyhow::Context;
use kube::{Client, Config, client::ClientBuilder};
use tower::timeout::TimeoutLayer;

const CONNECT: Duration = Duration::from_secs(5);
/// An answer that has not begun by then does not come: priority and fairness holds a request back for 15 s at most.
const HEAD: Duration = Duration::from_secs(30);
/// A watch that the API server did not end after its five minutes is on a connection that nobody closed.
const SILENCE: Duration = Duration::from_secs(305);

/// A client of the cluster that the agent runs in.
pub async fn client() -> anyhow::Result<Client> {
    client_of(Config::infer().await.context("find the API server")?)
}

/// Each call is sent once: whoever makes it decides whether it is sent again.
pub fn client_of(config: Config) -> anyhow::Result<Client> {
    let builder =
        ClientBuilder::try_from(limited(config)).context("use the API server's address")?;
    Ok(builder.with_layer(&TimeoutLayer::new(HEAD)).build())
}

fn limited(mut config: Config) -> Config {
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    config.default_retry = false;
    config
}

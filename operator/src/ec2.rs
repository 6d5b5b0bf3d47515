//! Calls to EC2: one function an action, each sent once and counted.

mod change;
mod client;
mod failure;
mod lookup;
mod read;

use std::time::Duration;

use aws_sdk_ec2::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};
use operator_core::{
    error::{Ec2Error, ErrorClass, code},
    order::Action,
};
use tokio::time::Instant;

pub use client::{client, client_at_once, configure};

use crate::{Monitor, convert::Malformed, metrics::Metrics};

/// No call takes longer, from its signature to the last byte of the answer.
pub const TIMEOUT: Duration = Duration::from_secs(6);

/// EC2, as the orders of the fleet need it.
#[derive(Debug, Clone)]
pub struct Ec2 {
    client: Client,
    metrics: Metrics,
}

/// An answer, or why there is none.
pub type Answer<T> = Result<T, Box<Ec2Error>>;

impl Ec2 {
    /// Calls by this client, counted in the monitor's metrics.
    pub fn new(client: Client, monitor: &Monitor) -> Self {
        Self {
            client,
            metrics: monitor.metrics.clone(),
        }
    }

    /// Waits for the answer to one call, and counts it.
    async fn call<T, E>(
        &self,
        action: Action,
        call: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Answer<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let begun = Instant::now();
        self.counted(action, begun, call.await)
    }

    fn counted<T, E>(
        &self,
        action: Action,
        begun: Instant,
        answer: Result<T, SdkError<E>>,
    ) -> Answer<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let answer = answer.map_err(|error| Box::new(self.failed(&error)));
        let class = answer.as_ref().err().map(|error| error.class);
        self.metrics.called(action, class, begun.elapsed());
        answer
    }

    fn failed<E>(&self, error: &SdkError<E>) -> Ec2Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match self.client.config().region() {
            Some(_) => failure::convert(error),
            None => failure::without_region(),
        }
    }
}

/// What was read in an answer. One that lacks what it always has proves nothing of the other objects in it either.
fn readable<T>(answer: &impl RequestId, read: Result<T, Malformed>) -> Answer<T> {
    read.map_err(|why| {
        Box::new(Ec2Error {
            class: ErrorClass::Transient,
            code: code::NO_ANSWER.to_owned(),
            message: why.to_string(),
            request_id: answer.request_id().map(ToOwned::to_owned),
        })
    })
}

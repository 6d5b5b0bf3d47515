//! The operator's Lease, read for a person who waits for a claim that is not there.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::{Api, Client};
use node_agent_core::facts::Operator;
use tokio::{sync::mpsc, time::timeout};

use crate::engine::Input;

/// The operator renews its Lease by this name, in the namespace where both are installed.
const NAME: &str = "eniclaim-operator";
/// A waiting ADD is answered after three seconds.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the Lease whenever it is asked to, until nobody asks any more.
pub async fn read_on_demand(
    client: Client,
    namespace: String,
    mut asked: mpsc::UnboundedReceiver<()>,
    inputs: mpsc::Sender<Input>,
) {
    let api: Api<Lease> = Api::namespaced(client, &namespace);
    while asked.recv().await.is_some() {
        // Reading has no effect, and is asked for again by the next ADD that waits.
        let operator = match timeout(TIMEOUT, api.get_opt(NAME)).await {
            Ok(Ok(lease)) => operator(lease.and_then(|lease| lease.spec), Timestamp::now()),
            Ok(Err(error)) => Operator::Unknown(error.to_string()),
            Err(_) => Operator::Unknown("the API server does not answer".to_owned()),
        };
        if inputs.send(Input::Operator(operator)).await.is_err() {
            return;
        }
    }
}

/// What a Lease says of the operator at `now`. One that was given back has no holder.
fn operator(lease: Option<LeaseSpec>, now: Timestamp) -> Operator {
    let Some(lease) = lease else {
        return Operator::Missing;
    };
    let Some(renewed) = lease.renew_time else {
        return Operator::Missing;
    };
    let seconds = now.duration_since(renewed.0).as_secs();
    let held = lease
        .holder_identity
        .is_some_and(|holder| !holder.is_empty());
    let lasts = i64::from(lease.lease_duration_seconds.unwrap_or_default());
    if held && seconds <= lasts {
        return Operator::Running;
    }
    Operator::Stopped {
        seconds: u64::try_from(seconds).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    use super::*;

    fn lease(holder: &str) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(Timestamp::UNIX_EPOCH)),
            ..LeaseSpec::default()
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn lease_says_whether_the_operator_runs() {
        assert_eq!(operator(Some(lease("op-1")), at(15)), Operator::Running);
        let expired = operator(Some(lease("op-1")), at(16));
        assert_eq!(expired, Operator::Stopped { seconds: 16 });
        let given_back = operator(Some(lease("")), at(3));
        assert_eq!(given_back, Operator::Stopped { seconds: 3 });
        assert_eq!(operator(None, at(0)), Operator::Missing);
        assert_eq!(
            operator(Some(LeaseSpec::default()), at(0)),
            Operator::Missing
        );
    }
}

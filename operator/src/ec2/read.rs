//! The calls that read EC2: repeated they change nothing.

use std::collections::BTreeMap;

use api::{
    id::{ClaimUid, EniId, InstanceId, InstanceType},
    tag,
};
use aws_sdk_ec2::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
    types::{Filter, Reservation},
};
use operator_core::{Outcome, ec2::EniView, order::Action};
use tokio::time::Instant;

use super::{Answer, Ec2, readable};
use crate::{
    closed::is_closed,
    convert::{self, Malformed},
};

/// `DescribeNetworkInterfaces` and its siblings take at most 1,000 results a page and 200 values a filter.
pub(super) const PAGE: i32 = 1000;
pub(super) const VALUES: usize = 200;
/// `DescribeInstanceTypes` takes 100 names.
const NAMES: usize = 100;

impl Ec2 {
    /// Every ENI with this cluster's tag: one page at a time goes to `page`, so that none need be held.
    pub async fn listing(&self, cluster: &str, mut page: impl FnMut(Vec<EniView>)) -> Outcome {
        let key = format!("tag:{}", tag::CLUSTER);
        self.enis_by(filter(&key, [cluster]), &mut page)
            .await
            .map_or_else(Outcome::Failed, |()| Outcome::Listed)
    }

    /// By filter: asked by id, one unknown ENI fails the whole call, and pages are refused.
    pub async fn enis(&self, ids: &[EniId]) -> Outcome {
        self.enis_where("network-interface-id", ids, EniId::as_str)
            .await
    }

    /// ENIs by the claim that they were made for.
    pub async fn tagged(&self, claims: &[ClaimUid]) -> Outcome {
        let key = format!("tag:{}", tag::CLAIM_UID);
        self.enis_where(&key, claims, ClaimUid::as_str).await
    }

    /// By id: the only read that tells an ENI that does not exist from one that EC2 does not show yet.
    pub async fn eni(&self, id: &EniId) -> Outcome {
        let call = self
            .client
            .describe_network_interfaces()
            .network_interface_ids(id.as_str());
        let send = || call.clone().send();
        let answer = match self.read(Action::DescribeNetworkInterfaces, send).await {
            Ok(answer) => answer,
            Err(error) if error.code == "InvalidNetworkInterfaceID.NotFound" => {
                return Outcome::Eni(None);
            }
            Err(error) => return Outcome::Failed(error),
        };
        let view = answer
            .network_interfaces()
            .first()
            .ok_or_else(|| Malformed::missing(id.as_str(), "networkInterfaceSet"))
            .and_then(convert::eni);
        readable(&answer, view)
            .map_or_else(Outcome::Failed, |view| Outcome::Eni(Some(Box::new(view))))
    }

    /// By filter: what does not exist is left out.
    pub async fn instances(&self, ids: &[InstanceId]) -> Outcome {
        let mut found = Vec::new();
        for ids in ids.chunks(VALUES) {
            let call = self
                .client
                .describe_instances()
                .filters(filter("instance-id", ids.iter().map(InstanceId::as_str)))
                .max_results(PAGE);
            let page = |token| call.clone().set_next_token(token).send();
            let read = self.each_page(Action::DescribeInstances, page, |answer| {
                let all = answer.reservations().iter();
                let all = all.flat_map(Reservation::instances);
                extend(&mut found, all.map(convert::instance))?;
                Ok(answer.next_token())
            });
            if let Err(error) = read.await {
                return Outcome::Failed(error);
            }
        }
        Outcome::Instances(found)
    }

    /// By name: they come from instances, so they exist.
    pub async fn types(&self, names: &[InstanceType]) -> Outcome {
        let mut found = BTreeMap::new();
        for names in names.chunks(NAMES) {
            let names = names.iter().map(|name| name.as_str().into()).collect();
            let call = self
                .client
                .describe_instance_types()
                .set_instance_types(Some(names));
            let send = || call.clone().send();
            let answer = match self.read(Action::DescribeInstanceTypes, send).await {
                Ok(answer) => answer,
                Err(error) => return Outcome::Failed(error),
            };
            for info in answer.instance_types() {
                match readable(&answer, convert::instance_type(info)) {
                    Ok((name, facts)) => found.insert(name, facts),
                    Err(error) => return Outcome::Failed(error),
                };
            }
        }
        Outcome::Types(found)
    }

    async fn enis_where<T>(&self, name: &str, values: &[T], text: fn(&T) -> &str) -> Outcome {
        let mut found = Vec::new();
        for values in values.chunks(VALUES) {
            let filter = filter(name, values.iter().map(text));
            let read = self.enis_by(filter, |page| found.extend(page));
            if let Err(error) = read.await {
                return Outcome::Failed(error);
            }
        }
        Outcome::Enis(found)
    }

    async fn enis_by(&self, filter: Filter, mut page: impl FnMut(Vec<EniView>)) -> Answer<()> {
        let call = self
            .client
            .describe_network_interfaces()
            .filters(filter)
            .max_results(PAGE);
        let next = |token| call.clone().set_next_token(token).send();
        self.each_page(Action::DescribeNetworkInterfaces, next, |answer| {
            let all = answer.network_interfaces().iter().map(convert::eni);
            page(all.collect::<Result<_, _>>()?);
            Ok(answer.next_token())
        })
        .await
    }

    /// Reads to the end; each page is a call of its own. `take` gives the token of the next one.
    pub(super) async fn each_page<T: RequestId, E, F>(
        &self,
        action: Action,
        page: impl Fn(Option<String>) -> F,
        mut take: impl FnMut(&T) -> Result<Option<&str>, Malformed>,
    ) -> Answer<()>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let mut token = None;
        loop {
            let answer = self.read(action, || page(token.clone())).await?;
            let next = readable(&answer, take(&answer))?;
            let Some(next) = next.filter(|next| !next.is_empty()) else {
                return Ok(());
            };
            if token.as_deref() == Some(next) {
                let endless = Malformed::missing("a page", "nextToken of another page");
                return readable(&answer, Err(endless));
            }
            token = Some(next.to_owned());
        }
    }

    /// One call. Sent once more, at once, where its connection had been closed.
    async fn read<T, E, F>(&self, action: Action, send: impl Fn() -> F) -> Answer<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let begun = Instant::now();
        // A call of the SDK is a future of several kilobytes, which two of them would put into each of its callers.
        let send = || Box::pin(send());
        let answer = match send().await {
            Err(error) if is_closed(&error) => send().await,
            answer => answer,
        };
        self.counted(action, begun, answer)
    }
}

pub(super) fn extend<T>(
    all: &mut Vec<T>,
    found: impl Iterator<Item = Result<T, Malformed>>,
) -> Result<(), Malformed> {
    for one in found {
        all.push(one?);
    }
    Ok(())
}

pub(super) fn filter<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    let values = values.into_iter().map(ToOwned::to_owned).collect();
    Filter::builder()
        .name(name)
        .set_values(Some(values))
        .build()
}

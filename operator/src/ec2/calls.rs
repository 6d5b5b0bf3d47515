//! One function an action.

use std::collections::BTreeMap;

use aws_sdk_ec2::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{Filter, NetworkInterfaceAttachmentChanges, ResourceType, Tag, TagSpecification},
};
use operator_core::{
    Outcome, Question,
    bind::tag,
    claim::{Creation, Slot},
    cloud::Refusal,
    id::{AttachmentId, ClusterId, EniId, InstanceId, InstanceType, SubnetId},
    kind::{Kind, code},
};
use tokio::time::Instant;

use super::refusal::refusal;
use crate::{
    Monitor, border,
    metrics::{Ec2Action, Metrics},
};

/// `DescribeNetworkInterfaces` and its siblings take at most 1,000 results a page and 200 values a filter.
const PAGE: i32 = 1000;
const VALUES: usize = 200;
/// `DescribeInstanceTypes` takes 100 names.
const NAMES: usize = 100;

/// EC2, as the orders of the fleet need it.
#[derive(Debug, Clone)]
pub struct Ec2 {
    client: Client,
    metrics: Metrics,
}

/// An answer, or what EC2 refused.
pub type Answer<T> = Result<T, Box<Refusal>>;

impl Ec2 {
    /// Calls by this client, counted in the monitor's metrics.
    pub fn new(client: Client, monitor: &Monitor) -> Self {
        Self {
            client,
            metrics: monitor.metrics.clone(),
        }
    }

    /// Idempotent by its `ClientToken`, which is frozen together with all parameters.
    pub async fn create(&self, creation: &Creation) -> Answer<Outcome> {
        let request = &creation.request;
        let tags = request
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect();
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::NetworkInterface)
            .set_tags(Some(tags))
            .build();
        let call = self
            .client
            .create_network_interface()
            .subnet_id(request.subnet.as_str())
            .set_groups(Some(
                request.groups.iter().map(ToString::to_string).collect(),
            ))
            .description(&request.description)
            .client_token(&creation.token)
            .tag_specifications(tags);
        let answer = self
            .count(Ec2Action::CreateNetworkInterface, call.send())
            .await?;
        answer
            .network_interface()
            .and_then(border::eni)
            .map(|view| Outcome::Created(Box::new(view)))
            .ok_or_else(|| Box::new(incomplete()))
    }

    /// Has no token: repeated it is refused, as the ENI is in use; the fleet reads before it repeats.
    pub async fn attach(&self, eni: &EniId, instance: &InstanceId, slot: Slot) -> Answer<Outcome> {
        let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let call = self
            .client
            .attach_network_interface()
            .network_interface_id(eni.as_str())
            .instance_id(instance.as_str())
            .device_index(number(slot.index))
            .network_card_index(number(slot.card));
        let answer = self
            .count(Ec2Action::AttachNetworkInterface, call.send())
            .await?;
        answer
            .attachment_id()
            .map(|id| Outcome::Attached(id.into()))
            .ok_or_else(|| Box::new(incomplete()))
    }

    /// Sets a value: repeated it changes nothing.
    pub async fn delete_on_termination(
        &self,
        eni: &EniId,
        attachment: &AttachmentId,
    ) -> Answer<Outcome> {
        let change = NetworkInterfaceAttachmentChanges::builder()
            .attachment_id(attachment.as_str())
            .delete_on_termination(true)
            .build();
        let call = self
            .client
            .modify_network_interface_attribute()
            .network_interface_id(eni.as_str())
            .attachment(change);
        self.count(Ec2Action::ModifyNetworkInterfaceAttribute, call.send())
            .await?;
        Ok(Outcome::Modified)
    }

    /// Names an attachment that is never used again: repeated or late it harms nobody.
    pub async fn detach(&self, attachment: &AttachmentId) -> Answer<Outcome> {
        let call = self
            .client
            .detach_network_interface()
            .attachment_id(attachment.as_str());
        self.count(Ec2Action::DetachNetworkInterface, call.send())
            .await?;
        Ok(Outcome::Detached)
    }

    /// EC2 refuses it while the ENI is in use; repeated it says `NotFound`.
    pub async fn delete(&self, eni: &EniId) -> Answer<Outcome> {
        let call = self
            .client
            .delete_network_interface()
            .network_interface_id(eni.as_str());
        self.count(Ec2Action::DeleteNetworkInterface, call.send())
            .await?;
        Ok(Outcome::Deleted)
    }

    /// Reads change nothing.
    pub async fn ask(&self, question: Question) -> Answer<Outcome> {
        match &question {
            Question::OurEnis { cluster, .. } => {
                let found = self.enis(vec![by_cluster(cluster)]).await?;
                Ok(Outcome::Enis {
                    question: Box::new(question),
                    found,
                })
            }
            Question::Enis { ids, .. } => {
                // By filter: asked by id, one unknown ENI fails the whole call, and pages are refused.
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                let mut found = Vec::new();
                for ids in ids.chunks(VALUES) {
                    found.extend(self.enis(vec![filter("network-interface-id", ids)]).await?);
                }
                Ok(Outcome::Enis {
                    question: Box::new(question),
                    found,
                })
            }
            Question::Instances(asked) => self.instances(asked.clone()).await,
            Question::Types(asked) => self.types(asked.clone()).await,
            Question::Subnets(asked) => self.subnets(asked.clone()).await,
        }
    }

    async fn enis(&self, filters: Vec<Filter>) -> Answer<Vec<operator_core::cloud::EniView>> {
        let call = self
            .client
            .describe_network_interfaces()
            .set_filters(Some(filters))
            .into_paginator()
            .page_size(PAGE)
            .items()
            .send();
        let enis = self
            .count(Ec2Action::DescribeNetworkInterfaces, call.try_collect())
            .await?;
        Ok(enis.iter().filter_map(border::eni).collect())
    }

    async fn instances(&self, asked: Vec<InstanceId>) -> Answer<Outcome> {
        let ids: Vec<String> = asked.iter().map(ToString::to_string).collect();
        let mut found = Vec::new();
        for ids in ids.chunks(VALUES) {
            let call = self
                .client
                .describe_instances()
                .filters(filter("instance-id", ids))
                .into_paginator()
                .page_size(PAGE)
                .items()
                .send();
            let reservations = self
                .count(Ec2Action::DescribeInstances, call.try_collect())
                .await?;
            found.extend(
                reservations
                    .iter()
                    .flat_map(aws_sdk_ec2::types::Reservation::instances)
                    .filter_map(border::instance),
            );
        }
        Ok(Outcome::Instances { asked, found })
    }

    async fn types(&self, asked: Vec<InstanceType>) -> Answer<Outcome> {
        let mut found = BTreeMap::new();
        for names in asked.chunks(NAMES) {
            let names = names.iter().map(|name| name.as_str().into()).collect();
            let call = self
                .client
                .describe_instance_types()
                .set_instance_types(Some(names));
            let answer = self
                .count(Ec2Action::DescribeInstanceTypes, call.send())
                .await?;
            found.extend(
                answer
                    .instance_types()
                    .iter()
                    .filter_map(border::instance_type),
            );
        }
        Ok(Outcome::Types { asked, found })
    }

    async fn subnets(&self, asked: Vec<SubnetId>) -> Answer<Outcome> {
        let ids: Vec<String> = asked.iter().map(ToString::to_string).collect();
        let mut found = Vec::new();
        for ids in ids.chunks(VALUES) {
            let call = self
                .client
                .describe_subnets()
                .filters(filter("subnet-id", ids))
                .into_paginator()
                .page_size(PAGE)
                .items()
                .send();
            let subnets = self
                .count(Ec2Action::DescribeSubnets, call.try_collect())
                .await?;
            found.extend(subnets.iter().filter_map(border::subnet));
        }
        Ok(Outcome::Subnets { asked, found })
    }

    async fn count<T, E>(
        &self,
        action: Ec2Action,
        call: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Answer<T>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let begun = Instant::now();
        let answer = call.await.map_err(|error| Box::new(refusal(&error)));
        self.metrics.called(
            action,
            answer.as_ref().err().map(|r| r.kind),
            begun.elapsed(),
        );
        answer
    }
}

fn by_cluster(cluster: &ClusterId) -> Filter {
    filter(&format!("tag:{}", tag::CLUSTER), &[cluster.to_string()])
}

fn filter(name: &str, values: &[String]) -> Filter {
    Filter::builder()
        .name(name)
        .set_values(Some(values.to_vec()))
        .build()
}

/// An answer without what EC2 always sends: whatever happened has to be read.
fn incomplete() -> Refusal {
    Refusal {
        kind: Kind::Transient,
        code: code::NO_ANSWER.to_owned(),
        message: "EC2's answer lacks what it always has".to_owned(),
        request_id: None,
    }
}

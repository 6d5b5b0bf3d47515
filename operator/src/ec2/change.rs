//! The calls that change EC2.

use api::{
    ConnectionTracking, SourceDestCheck,
    id::{AttachmentId, EniId, InstanceId, SecurityGroupId, Slot},
};
use aws_sdk_ec2::types::{
    AttributeBooleanValue, ConnectionTrackingSpecificationRequest,
    NetworkInterfaceAttachmentChanges, ResourceType, Tag, TagSpecification,
};
use operator_core::{
    Outcome,
    claim::{Creation, RequestedCounts},
    order::{Action, DetachMode, Effect},
};

use super::{Answer, Ec2, readable};
use crate::convert::{self, Malformed};

impl Ec2 {
    /// Carries out one change, with one call.
    pub async fn change(&self, effect: &Effect) -> Outcome {
        let answer = match effect {
            Effect::Create(creation) => self.create(creation).await,
            Effect::SetSourceDestCheck { eni, check } => {
                self.set_source_dest_check(eni, *check).await
            }
            Effect::Attach {
                eni,
                instance,
                slot,
            } => self.attach(eni, instance, *slot).await,
            Effect::SetDeleteOnTermination { eni, attachment } => {
                self.set_delete_on_termination(eni, attachment).await
            }
            Effect::SetSecurityGroups { eni, groups } => {
                self.set_security_groups(eni, groups).await
            }
            Effect::Detach {
                eni: _,
                attachment,
                mode,
            } => self.detach(attachment, *mode).await,
            Effect::Delete { eni } => self.delete(eni).await,
        };
        answer.unwrap_or_else(Outcome::Failed)
    }

    /// Idempotent by its `ClientToken`, which is frozen together with all parameters.
    async fn create(&self, creation: &Creation) -> Answer<Outcome> {
        let request = &creation.request;
        let tags = request.tags.to_map();
        let tags = tags
            .into_iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build())
            .collect();
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::NetworkInterface)
            .set_tags(Some(tags))
            .build();
        let RequestedCounts {
            secondary_private_ip_address_count,
            ipv4_prefix_count,
            ipv6_address_count,
            ipv6_prefix_count,
        } = request.counts;
        let count = |count: Option<u8>| count.map(i32::from);
        let groups = request.security_group_ids.iter().map(ToString::to_string);
        let call = self
            .client
            .create_network_interface()
            .subnet_id(request.subnet_id.as_str())
            .set_groups(Some(groups.collect()))
            .set_secondary_private_ip_address_count(count(secondary_private_ip_address_count))
            .set_ipv4_prefix_count(count(ipv4_prefix_count))
            .set_ipv6_address_count(count(ipv6_address_count))
            .set_ipv6_prefix_count(count(ipv6_prefix_count))
            .description(request.description.as_str())
            .client_token(creation.token.as_str())
            .set_connection_tracking_specification(tracking(request.connection_tracking))
            .tag_specifications(tags);
        let answer = self
            .call(Action::CreateNetworkInterface, call.send())
            .await?;
        let view = answer
            .network_interface()
            .ok_or_else(|| Malformed::missing("CreateNetworkInterface", "networkInterface"))
            .and_then(convert::eni);
        Ok(Outcome::Created(Box::new(readable(&answer, view)?)))
    }

    /// Sets a value: repeated it changes nothing.
    async fn set_source_dest_check(&self, eni: &EniId, check: SourceDestCheck) -> Answer<Outcome> {
        let value = AttributeBooleanValue::builder().value(check.is_enabled());
        let call = self
            .client
            .modify_network_interface_attribute()
            .network_interface_id(eni.as_str())
            .source_dest_check(value.build());
        self.call(Action::ModifyNetworkInterfaceAttribute, call.send())
            .await?;
        Ok(Outcome::Changed)
    }

    /// Has no token: repeated it is refused, as the ENI is in use; the fleet reads before it repeats.
    async fn attach(&self, eni: &EniId, instance: &InstanceId, slot: Slot) -> Answer<Outcome> {
        let call = self
            .client
            .attach_network_interface()
            .network_interface_id(eni.as_str())
            .instance_id(instance.as_str())
            .device_index(number(slot.index))
            .network_card_index(number(slot.card));
        let answer = self
            .call(Action::AttachNetworkInterface, call.send())
            .await?;
        let id = convert::attachment_id(answer.attachment_id());
        Ok(Outcome::Attached(readable(&answer, id)?))
    }

    /// Sets a value: repeated it changes nothing.
    async fn set_delete_on_termination(
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
        self.call(Action::ModifyNetworkInterfaceAttribute, call.send())
            .await?;
        Ok(Outcome::Changed)
    }

    /// Sets all groups at once: repeated it changes nothing.
    async fn set_security_groups(
        &self,
        eni: &EniId,
        groups: &[SecurityGroupId],
    ) -> Answer<Outcome> {
        let groups = groups.iter().map(ToString::to_string);
        let call = self
            .client
            .modify_network_interface_attribute()
            .network_interface_id(eni.as_str())
            .set_groups(Some(groups.collect()));
        self.call(Action::ModifyNetworkInterfaceAttribute, call.send())
            .await?;
        Ok(Outcome::Changed)
    }

    /// Names an attachment that is never used again: repeated or late it harms nobody.
    async fn detach(&self, attachment: &AttachmentId, mode: DetachMode) -> Answer<Outcome> {
        let force = match mode {
            DetachMode::Normal => None,
            DetachMode::Force => Some(true),
        };
        let call = self
            .client
            .detach_network_interface()
            .attachment_id(attachment.as_str())
            .set_force(force);
        self.call(Action::DetachNetworkInterface, call.send())
            .await?;
        Ok(Outcome::Changed)
    }

    /// EC2 refuses it while the ENI is in use; repeated it says `NotFound`.
    async fn delete(&self, eni: &EniId) -> Answer<Outcome> {
        let call = self
            .client
            .delete_network_interface()
            .network_interface_id(eni.as_str());
        self.call(Action::DeleteNetworkInterface, call.send())
            .await?;
        Ok(Outcome::Changed)
    }
}

/// None where EC2's own time-outs are left as they are.
fn tracking(seconds: ConnectionTracking) -> Option<ConnectionTrackingSpecificationRequest> {
    let ConnectionTracking {
        tcp_established,
        udp_stream,
        udp,
    } = seconds;
    let request = ConnectionTrackingSpecificationRequest::builder()
        .set_tcp_established_timeout(tcp_established.map(number))
        .set_udp_stream_timeout(udp_stream.map(number))
        .set_udp_timeout(udp.map(number));
    (!seconds.is_empty()).then(|| request.build())
}

fn number(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

//! EC2's answers about a fleet at rest, in XML.

use std::{collections::BTreeMap, fmt::Write};

use bytes::Bytes;
use operator_core::ec2::{AttachedEni, EniView, Instance, Subnet};

use super::objects;
use crate::world::{cloud::Account, makers};

/// ENIs on a page.
const PAGE: usize = 1_000;

/// Everything that can be described.
pub struct Pages {
    account: Account,
    listing: Vec<Bytes>,
}

impl Pages {
    /// The pages of the listing are written once.
    pub fn new(account: Account) -> Self {
        let views: Vec<&EniView> = account.enis.values().collect();
        let count = views.len().div_ceil(PAGE);
        let page = |(number, views): (usize, &[&EniView])| {
            let items: String = views.iter().map(|view| eni(view)).collect();
            let more = (number + 1 < count).then(|| number + 1);
            let next = more.map_or_else(String::new, |n| format!("<nextToken>{n}</nextToken>"));
            let content = format!("<networkInterfaceSet>{items}</networkInterfaceSet>{next}");
            answer("DescribeNetworkInterfaces", &content)
        };
        let listing = views.chunks(PAGE).enumerate().map(page).collect();
        Self { account, listing }
    }

    /// The answer to a Describe call; none for another one.
    pub fn describe(&self, form: &BTreeMap<String, String>) -> Option<Bytes> {
        let action = form.get("Action")?.as_str();
        let values = |prefix: &str| -> Vec<String> {
            let values = form.iter().filter(|(key, _)| key.starts_with(prefix));
            values.map(|(_, value)| value.clone()).collect()
        };
        let ids = values("Filter.1.Value.");
        let content = match action {
            "DescribeNetworkInterfaces" => {
                let by = form.get("Filter.1.Name").map(String::as_str);
                if by.is_some_and(|by| by == "tag:eniclaim.io/cluster") {
                    let number = form.get("NextToken").and_then(|token| token.parse().ok());
                    return self.listing.get(number.unwrap_or(0)).cloned();
                }
                let found = self
                    .account
                    .enis
                    .values()
                    .filter(|view| ids.contains(&view.id.to_string()));
                let items: String = found.map(eni).collect();
                format!("<networkInterfaceSet>{items}</networkInterfaceSet>")
            }
            "DescribeInstances" => {
                let found = ids
                    .iter()
                    .filter_map(|id| self.account.instance(&id.parse().ok()?));
                let items: String = found.map(|found| instance(&found)).collect();
                format!(
                    "<reservationSet><item><instancesSet>{items}</instancesSet></item></reservationSet>"
                )
            }
            "DescribeInstanceTypes" => types(&self.account),
            "DescribeSubnets" => {
                let found = ids
                    .iter()
                    .filter_map(|id| self.account.subnets.get(&id.parse().ok()?));
                let items: String = found.map(subnet).collect();
                format!("<subnetSet>{items}</subnetSet>")
            }
            "DescribeSecurityGroups" => {
                let item = |id: &String| {
                    format!(
                        "<item><groupId>{id}</groupId><vpcId>{}</vpcId></item>",
                        makers::vpc(1)
                    )
                };
                let items: String = ids.iter().map(item).collect();
                format!("<securityGroupInfo>{items}</securityGroupInfo>")
            }
            _ => return None,
        };
        Some(answer(action, &content))
    }
}

fn answer(action: &str, content: &str) -> Bytes {
    let xmlns = "http://ec2.amazonaws.com/doc/2016-11-15/";
    format!("<{action}Response xmlns=\"{xmlns}\"><requestId>bench</requestId>{content}</{action}Response>").into()
}

fn eni(view: &EniView) -> String {
    let mut text = format!(
        "<item><networkInterfaceId>{}</networkInterfaceId><subnetId>{}</subnetId><vpcId>{}</vpcId><availabilityZone>{}</availabilityZone>\
         <description>eniclaim</description><ownerId>000000000000</ownerId><requesterManaged>false</requesterManaged><status>in-use</status>\
         <interfaceType>interface</interfaceType><macAddress>{}</macAddress><sourceDestCheck>true</sourceDestCheck>",
        view.id, view.subnet, view.vpc, view.zone, view.mac,
    );
    for address in &view.addresses {
        let _ = write!(
            text,
            "<privateIpAddress>{address}</privateIpAddress><privateIpAddressesSet><item><privateIpAddress>{address}</privateIpAddress>\
             <primary>true</primary></item></privateIpAddressesSet>"
        );
    }
    text.push_str("<groupSet>");
    for group in &view.groups {
        let _ = write!(
            text,
            "<item><groupId>{group}</groupId><groupName>app</groupName></item>"
        );
    }
    text.push_str("</groupSet>");
    if let Some(on) = &view.attachment {
        let _ = write!(
            text,
            "<attachment><attachmentId>{}</attachmentId><instanceId>{}</instanceId><instanceOwnerId>000000000000</instanceOwnerId>\
             <deviceIndex>{}</deviceIndex><networkCardIndex>{}</networkCardIndex><status>attached</status>\
             <attachTime>2026-12-01T08:00:00.000Z</attachTime><deleteOnTermination>{}</deleteOnTermination></attachment>",
            on.id, on.instance, on.slot.index, on.slot.card, on.delete_on_termination
        );
    }
    text.push_str("<tagSet>");
    for (key, value) in objects::tags(view) {
        let _ = write!(text, "<item><key>{key}</key><value>{value}</value></item>");
    }
    text.push_str("</tagSet></item>");
    text
}

fn instance(instance: &Instance) -> String {
    let vpc = instance
        .vpc
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    let attached: String = instance.attached.iter().map(attached).collect();
    format!(
        "<item><instanceId>{}</instanceId><instanceType>{}</instanceType><instanceState><code>16</code><name>running</name></instanceState>\
         <placement><availabilityZone>{}</availabilityZone></placement><vpcId>{vpc}</vpcId><networkInterfaceSet>{attached}</networkInterfaceSet></item>",
        instance.id, instance.instance_type, instance.zone
    )
}

fn attached(eni: &AttachedEni) -> String {
    format!(
        "<item><networkInterfaceId>{}</networkInterfaceId><macAddress>{}</macAddress><attachment><deviceIndex>{}</deviceIndex>\
         <networkCardIndex>{}</networkCardIndex><status>attached</status></attachment></item>",
        eni.eni, eni.mac, eni.slot.index, eni.slot.card
    )
}

fn types(account: &Account) -> String {
    let items: String = account
        .types
        .iter()
        .map(|(name, facts)| {
            let card = |(index, limit): &(u32, u32)| {
                format!(
                    "<item><networkCardIndex>{index}</networkCardIndex><maximumNetworkInterfaces>{limit}</maximumNetworkInterfaces></item>"
                )
            };
            let cards: String = facts.cards.iter().map(card).collect();
            format!(
                "<item><instanceType>{name}</instanceType><networkInfo><networkCards>{cards}</networkCards></networkInfo></item>"
            )
        })
        .collect();
    format!("<instanceTypeSet>{items}</instanceTypeSet>")
}

fn subnet(subnet: &Subnet) -> String {
    format!(
        "<item><subnetId>{}</subnetId><vpcId>{}</vpcId><availabilityZone>{}</availabilityZone><cidrBlock>{}</cidrBlock>\
         <availableIpAddressCount>{}</availableIpAddressCount></item>",
        subnet.id,
        subnet.vpc,
        subnet.zone,
        subnet
            .ipv4
            .map(|block| block.to_string())
            .unwrap_or_default(),
        subnet.free
    )
}

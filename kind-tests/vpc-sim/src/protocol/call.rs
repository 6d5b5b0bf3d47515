//! Which call a form is. Parameter names are those of the EC2 API reference.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use vpc::{
    Action, Attach, Change, ConnectionTracking, Counts, Create, Detach, Ec2Error, Filter, GroupId,
    Query, Request,
};

use super::{
    Form,
    id::{ATTACHMENT, ENI, GROUP, INSTANCE},
    members::Members,
};

/// The only version of the API that is played.
const VERSION: &str = "2016-11-15";
/// Resources that one `CreateTags` or `DeleteTags` takes.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTags.html>
const MAX_RESOURCES: usize = 1000;

/// A call as a form spells it.
pub(super) struct Call {
    pub(super) request: Request,
    /// Whether the caller only wants to know if it may.
    pub(super) dry_run: bool,
}

/// Refuses what EC2 does not know, and then what was not read: it would be ignored.
pub(super) fn parse(form: &Form) -> Result<Call, Ec2Error> {
    let read = RefCell::default();
    let members = Members::of(form, &read);
    let name = members.need("Action")?;
    let action = Action::named(name).ok_or_else(|| Ec2Error::InvalidAction(name.to_owned()))?;
    if let Some(version) = members.get("Version").filter(|version| *version != VERSION) {
        return Err(Ec2Error::NotModelled(format!(
            "version {version} of the API"
        )));
    }
    let mut others = form
        .iter()
        .map(|(name, _)| name)
        .filter(|name| !is_general(name));
    if let Some(unknown) = others.find(|name| !action.takes(name)) {
        let first = unknown.split('.').next().unwrap_or_default();
        return Err(Ec2Error::UnknownParameter(first.to_owned()));
    }
    let call = Call {
        dry_run: members.read("DryRun")?.unwrap_or(false),
        request: request(action, &members)?,
    };
    members.all_read(action)?;
    Ok(call)
}

/// Whether every action has the parameter.
fn is_general(name: &str) -> bool {
    matches!(name, "Action" | "Version")
}

fn request(action: Action, members: &Members<'_>) -> Result<Request, Ec2Error> {
    Ok(match action {
        Action::CreateNetworkInterface => Request::CreateNetworkInterface(create(members)?),
        Action::DeleteNetworkInterface => {
            Request::DeleteNetworkInterface(ENI.need(members, "NetworkInterfaceId")?)
        }
        Action::AttachNetworkInterface => Request::AttachNetworkInterface(attach(members)?),
        Action::DetachNetworkInterface => Request::DetachNetworkInterface(Detach {
            attachment: ATTACHMENT.need(members, "AttachmentId")?,
            force: members.read("Force")?.unwrap_or(false),
        }),
        Action::ModifyNetworkInterfaceAttribute => Request::ModifyNetworkInterfaceAttribute(
            ENI.need(members, "NetworkInterfaceId")?,
            change(action, members)?,
        ),
        Action::CreateTags => create_tags(members)?,
        Action::DeleteTags => delete_tags(members)?,
        Action::DescribeNetworkInterfaces => {
            let ids = ENI.list(members, "NetworkInterfaceId")?;
            Request::DescribeNetworkInterfaces(query(members, ids)?)
        }
        Action::DescribeInstances => {
            let ids = INSTANCE.list(members, "InstanceId")?;
            Request::DescribeInstances(query(members, ids)?)
        }
        Action::DescribeInstanceTypes => {
            let names = texts(members, "InstanceType");
            Request::DescribeInstanceTypes(query(members, names)?)
        }
        Action::DescribeSubnets => {
            let ids = texts(members, "SubnetId");
            Request::DescribeSubnets(query(members, ids)?)
        }
        Action::DescribeSecurityGroups => {
            let ids = GROUP.list(members, "GroupId")?;
            Request::DescribeSecurityGroups(query(members, ids)?)
        }
    })
}

fn create(members: &Members<'_>) -> Result<Create, Ec2Error> {
    let mut all = BTreeMap::new();
    for specification in members.structures("TagSpecification") {
        let resource = specification.need("ResourceType")?;
        if resource != "network-interface" {
            return Err(Ec2Error::NotTaggable(resource.to_owned()));
        }
        // The one before was for an interface, too, and had tags.
        if !all.is_empty() {
            return Err(Ec2Error::DuplicateTagSpecification);
        }
        let tags = tags(&specification)?;
        if tags.is_empty() {
            return Err(Ec2Error::NoTags);
        }
        all.extend(tags);
    }
    Ok(Create {
        subnet: members.need("SubnetId")?.into(),
        address: members.read("PrivateIpAddress")?,
        counts: counts(members)?,
        groups: groups(members),
        description: members.get("Description").unwrap_or_default().to_owned(),
        connection_tracking: tracking(members)?,
        tags: all,
        client_token: client_token(members),
    })
}

fn counts(members: &Members<'_>) -> Result<Counts, Ec2Error> {
    Ok(Counts {
        secondary: members.read("SecondaryPrivateIpAddressCount")?,
        ipv4_prefixes: members.read("Ipv4PrefixCount")?,
        ipv6: members.read("Ipv6AddressCount")?,
        ipv6_prefixes: members.read("Ipv6PrefixCount")?,
    })
}

/// An empty one is none (unverified).
fn client_token(members: &Members<'_>) -> Option<String> {
    let token = members.get("ClientToken");
    token.filter(|token| !token.is_empty()).map(str::to_owned)
}

fn create_tags(members: &Members<'_>) -> Result<Request, Ec2Error> {
    let (resources, tags) = (resources(members)?, tags(members)?);
    if tags.is_empty() {
        return Err(Ec2Error::NoTagsToCreate);
    }
    Ok(Request::CreateTags { resources, tags })
}

fn delete_tags(members: &Members<'_>) -> Result<Request, Ec2Error> {
    Ok(Request::DeleteTags {
        resources: resources(members)?,
        tags: tags_with(members, |value| value.map(str::to_owned))?,
    })
}

/// What shall get tags or lose them.
fn resources(members: &Members<'_>) -> Result<Vec<String>, Ec2Error> {
    let resources = texts(members, "ResourceId");
    if resources.is_empty() {
        // <https://github.com/awsdocs/aws-doc-sdk-examples/pull/1302>
        return Err(Ec2Error::MissingParameter("resourceIdSet"));
    }
    if resources.len() > MAX_RESOURCES {
        return Err(Ec2Error::TooManyResources(MAX_RESOURCES));
    }
    Ok(resources)
}

fn attach(members: &Members<'_>) -> Result<Attach, Ec2Error> {
    Ok(Attach {
        eni: ENI.need(members, "NetworkInterfaceId")?,
        instance: INSTANCE.need(members, "InstanceId")?,
        card: members.read("NetworkCardIndex")?.unwrap_or(0),
        device: members
            .read("DeviceIndex")?
            .ok_or(Ec2Error::MissingParameter("DeviceIndex"))?,
    })
}

/// EC2 takes exactly one attribute a call.
fn change(action: Action, members: &Members<'_>) -> Result<Change, Ec2Error> {
    let groups = groups(members);
    let mut found = Vec::new();
    if let Some(value) = members.read("Attachment.DeleteOnTermination")? {
        let attachment = ATTACHMENT.need(members, "Attachment.AttachmentId")?;
        found.push((
            "attachment",
            Change::DeleteOnTermination { attachment, value },
        ));
    }
    let check = members.read("SourceDestCheck.Value")?;
    found.extend(check.map(|value| ("sourceDestCheck", Change::SourceDestCheck(value))));
    found.extend((!groups.is_empty()).then_some(("groupSet", Change::Groups(groups))));
    let seconds = tracking(members)?;
    found.extend((!seconds.is_empty()).then_some((
        "connectionTrackingSpecification",
        Change::ConnectionTracking(seconds),
    )));
    let text = members.get("Description.Value");
    found.extend(text.map(|text| ("description", Change::Description(text.to_owned()))));
    let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
    match (found.pop(), names.len()) {
        (Some((_, change)), 1) => Ok(change),
        (Some(_), _) => Err(Ec2Error::ManyAttributes(names.join(", "))),
        // There may be one that is not played.
        (None, _) => Err(members
            .all_read(action)
            .err()
            .unwrap_or(Ec2Error::NoAttribute)),
    }
}

fn tracking(members: &Members<'_>) -> Result<ConnectionTracking, Ec2Error> {
    Ok(ConnectionTracking {
        tcp_established: members.read("ConnectionTrackingSpecification.TcpEstablishedTimeout")?,
        udp_stream: members.read("ConnectionTrackingSpecification.UdpStreamTimeout")?,
        udp: members.read("ConnectionTrackingSpecification.UdpTimeout")?,
    })
}

fn groups(members: &Members<'_>) -> BTreeSet<GroupId> {
    members.list("SecurityGroupId").map(GroupId::from).collect()
}

/// Tags of which one without a value has an empty one.
fn tags(members: &Members<'_>) -> Result<BTreeMap<String, String>, Ec2Error> {
    tags_with(members, |value| value.unwrap_or_default().to_owned())
}

fn tags_with<V>(
    members: &Members<'_>,
    value: impl Fn(Option<&str>) -> V,
) -> Result<BTreeMap<String, V>, Ec2Error> {
    let mut all = BTreeMap::new();
    for tag in members.structures("Tag") {
        let key = tag.need("Key")?.to_owned();
        let value = value(tag.get("Value"));
        if all.insert(key.clone(), value).is_some() {
            return Err(Ec2Error::DuplicateTagKey(key));
        }
    }
    Ok(all)
}

fn texts(members: &Members<'_>, name: &str) -> Vec<String> {
    members.list(name).map(str::to_owned).collect()
}

fn query(members: &Members<'_>, ids: Vec<String>) -> Result<Query, Ec2Error> {
    let filter = |filter: Members<'_>| {
        Ok(Filter {
            // <https://github.com/aws/karpenter-provider-aws/issues/3532>
            name: filter.get("Name").unwrap_or("null").to_owned(),
            values: texts(&filter, "Value"),
        })
    };
    Ok(Query {
        ids,
        filters: members
            .structures("Filter")
            .map(filter)
            .collect::<Result<_, _>>()?,
        max_results: members.read("MaxResults")?,
        next_token: members.get("NextToken").map(str::to_owned),
    })
}

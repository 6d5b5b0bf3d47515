//! Which call a form is. Parameter names are those of the EC2 API reference.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use vpc::{Action, Attach, Change, Create, Detach, Ec2Error, Filter, GroupId, Query, Request};

use super::{
    Form,
    id::{ATTACHMENT, ENI, GROUP, INSTANCE},
    members::Members,
};

/// The only version of the API that is played.
const VERSION: &str = "2016-11-15";

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
    let read = read.borrow();
    let mut unread = form
        .iter()
        .map(|(name, _)| name)
        .filter(|name| !read.contains(*name));
    match unread.next() {
        None => Ok(call),
        Some(name) => Err(Ec2Error::NotModelled(format!(
            "the parameter {name} of {action}"
        ))),
    }
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
            change(members)?,
        ),
        Action::CreateTags => Request::CreateTags {
            resources: texts(members, "ResourceId"),
            tags: tags(members)?,
        },
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
        let tags = tags(&specification)?;
        if tags.is_empty() {
            return Err(Ec2Error::NoTags);
        }
        all.extend(tags);
    }
    Ok(Create {
        subnet: members.need("SubnetId")?.into(),
        address: members.read("PrivateIpAddress")?,
        groups: groups(members),
        description: members.get("Description").unwrap_or_default().to_owned(),
        tags: all,
        client_token: members.get("ClientToken").map(str::to_owned),
    })
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
fn change(members: &Members<'_>) -> Result<Change, Ec2Error> {
    let groups = groups(members);
    let mut found = Vec::new();
    if let Some(value) = members.read("Attachment.DeleteOnTermination")? {
        found.push(Change::DeleteOnTermination {
            attachment: ATTACHMENT.need(members, "Attachment.AttachmentId")?,
            value,
        });
    }
    found.extend(
        members
            .read("SourceDestCheck.Value")?
            .map(Change::SourceDestCheck),
    );
    found.extend((!groups.is_empty()).then_some(Change::Groups(groups)));
    found.extend(
        members
            .get("Description.Value")
            .map(|text| Change::Description(text.to_owned())),
    );
    match (found.pop(), found.is_empty()) {
        (Some(change), true) => Ok(change),
        (None, _) => Err(Ec2Error::MissingParameter("attribute")),
        (Some(_), false) => Err(Ec2Error::InvalidParameter {
            name: "attribute",
            value: "more than one".to_owned(),
        }),
    }
}

fn groups(members: &Members<'_>) -> BTreeSet<GroupId> {
    members.list("SecurityGroupId").map(GroupId::from).collect()
}

fn tags(members: &Members<'_>) -> Result<BTreeMap<String, String>, Ec2Error> {
    let pair = |tag: Members<'_>| {
        Ok((
            tag.need("Key")?.to_owned(),
            tag.get("Value").unwrap_or_default().to_owned(),
        ))
    };
    members.structures("Tag").map(pair).collect()
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

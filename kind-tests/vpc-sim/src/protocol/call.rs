//! Which call a form is. Parameter names are those of the EC2 API reference.

use std::collections::{BTreeMap, BTreeSet};

use vpc::{Attach, Change, Create, Detach, Ec2Error, Filter, GroupId, Query, Request};

use super::Form;

pub(super) fn parse(form: &Form) -> Result<Request, Ec2Error> {
    Ok(match form.need("Action")? {
        "CreateNetworkInterface" => Request::CreateNetworkInterface(create(form)?),
        "DeleteNetworkInterface" => {
            Request::DeleteNetworkInterface(form.need("NetworkInterfaceId")?.into())
        }
        "AttachNetworkInterface" => Request::AttachNetworkInterface(attach(form)?),
        "DetachNetworkInterface" => Request::DetachNetworkInterface(Detach {
            attachment: form.need("AttachmentId")?.into(),
            force: form.read("Force")?.unwrap_or(false),
        }),
        "ModifyNetworkInterfaceAttribute" => Request::ModifyNetworkInterfaceAttribute(
            form.need("NetworkInterfaceId")?.into(),
            change(form)?,
        ),
        "CreateTags" => Request::CreateTags {
            resources: form.list("ResourceId").collect(),
            tags: tags(form)?,
        },
        "DescribeNetworkInterfaces" => {
            Request::DescribeNetworkInterfaces(query(form, "NetworkInterfaceId")?)
        }
        "DescribeInstances" => Request::DescribeInstances(query(form, "InstanceId")?),
        "DescribeInstanceTypes" => {
            Request::DescribeInstanceTypes(form.list("InstanceType").collect())
        }
        "DescribeSubnets" => Request::DescribeSubnets(query(form, "SubnetId")?),
        "DescribeSecurityGroups" => Request::DescribeSecurityGroups(query(form, "GroupId")?),
        other => return Err(Ec2Error::InvalidAction(other.to_owned())),
    })
}

fn create(form: &Form) -> Result<Create, Ec2Error> {
    let mut all = BTreeMap::new();
    for specification in form.structures("TagSpecification") {
        match specification.need("ResourceType")? {
            "network-interface" => all.extend(tags(&specification)?),
            other => {
                return Err(Ec2Error::InvalidParameter {
                    name: "ResourceType",
                    value: other.to_owned(),
                });
            }
        }
    }
    Ok(Create {
        subnet: form.need("SubnetId")?.into(),
        address: form.read("PrivateIpAddress")?,
        groups: groups(form),
        description: form.get("Description").unwrap_or_default().to_owned(),
        tags: all,
        client_token: form.get("ClientToken").map(str::to_owned),
    })
}

fn attach(form: &Form) -> Result<Attach, Ec2Error> {
    Ok(Attach {
        eni: form.need("NetworkInterfaceId")?.into(),
        instance: form.need("InstanceId")?.into(),
        card: form.read("NetworkCardIndex")?.unwrap_or(0),
        device: form
            .read("DeviceIndex")?
            .ok_or(Ec2Error::MissingParameter("DeviceIndex"))?,
    })
}

/// EC2 takes exactly one attribute a call.
fn change(form: &Form) -> Result<Change, Ec2Error> {
    let groups = groups(form);
    let mut found = Vec::new();
    if let Some(value) = form.read("Attachment.DeleteOnTermination")? {
        found.push(Change::DeleteOnTermination {
            attachment: form.need("Attachment.AttachmentId")?.into(),
            value,
        });
    }
    found.extend(
        form.read("SourceDestCheck.Value")?
            .map(Change::SourceDestCheck),
    );
    found.extend((!groups.is_empty()).then_some(Change::Groups(groups)));
    found.extend(
        form.get("Description.Value")
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

fn groups(form: &Form) -> BTreeSet<GroupId> {
    form.list("SecurityGroupId").map(GroupId::from).collect()
}

fn tags(form: &Form) -> Result<BTreeMap<String, String>, Ec2Error> {
    let pair = |tag: Form| {
        Ok((
            tag.need("Key")?.to_owned(),
            tag.get("Value").unwrap_or_default().to_owned(),
        ))
    };
    form.structures("Tag").map(pair).collect()
}

fn query(form: &Form, ids: &str) -> Result<Query, Ec2Error> {
    let filter = |filter: Form| {
        Ok(Filter {
            name: filter.need("Name")?.to_owned(),
            values: filter.list("Value").collect(),
        })
    };
    Ok(Query {
        ids: form.list(ids).collect(),
        filters: form
            .structures("Filter")
            .map(filter)
            .collect::<Result<_, _>>()?,
        max_results: form.read("MaxResults")?,
        next_token: form.get("NextToken").map(str::to_owned),
    })
}

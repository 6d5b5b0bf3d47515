//! What may be changed about an interface that exists.

use std::collections::BTreeMap;

use crate::{Change, Ec2Error, Eni, EniId, GroupId, SubnetId, Tags, Vpc, create::check_tags};

impl Vpc {
    pub(crate) fn modify(&mut self, id: &EniId, change: Change) -> Result<(), Ec2Error> {
        let eni = self
            .eni(id)
            .ok_or_else(|| Ec2Error::EniNotFound(id.clone()))?;
        let change = match change {
            Change::Groups(groups) => {
                let subnet = self
                    .subnets
                    .get(&eni.subnet)
                    .ok_or_else(|| Ec2Error::SubnetNotFound(eni.subnet.clone()))?;
                Change::Groups(self.check_groups(&groups, subnet)?)
            }
            Change::ConnectionTracking(seconds) => {
                seconds.check()?;
                change
            }
            Change::DeleteOnTermination { .. }
            | Change::SourceDestCheck(_)
            | Change::Description(_) => change,
        };
        self.enis.get_mut(id).map_or_else(
            || Err(Ec2Error::EniNotFound(id.clone())),
            |eni| eni.change(change),
        )
    }

    pub(crate) fn tag(
        &mut self,
        resources: &[String],
        tags: &BTreeMap<String, String>,
    ) -> Result<(), Ec2Error> {
        for resource in resources {
            let held = self.tags_of(resource);
            let mut all = held.ok_or_else(|| untaggable(resource))?.clone();
            all.extend(tags.clone());
            check_tags(&all)?;
        }
        for resource in resources {
            if let Some(held) = self.tags_of(resource) {
                held.extend(tags.clone());
            }
        }
        Ok(())
    }

    /// Takes tags away: those of these keys that have the value, if one is named; all if no key is named.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteTags.html>
    pub(crate) fn untag(
        &mut self,
        resources: &[String],
        tags: &BTreeMap<String, Option<String>>,
    ) -> Result<(), Ec2Error> {
        for resource in resources {
            self.tags_of(resource).ok_or_else(|| untaggable(resource))?;
        }
        let goes = |key: &String, value: &String| match tags.get(key) {
            Some(Some(wanted)) => wanted == value,
            Some(None) => true,
            None => tags.is_empty(),
        };
        for resource in resources {
            if let Some(held) = self.tags_of(resource) {
                held.retain(|key, value| !goes(key, value));
            }
        }
        Ok(())
    }

    /// Tags of an interface, a subnet or a security group.
    fn tags_of(&mut self, id: &str) -> Option<&mut Tags> {
        if let Some(eni) = self.enis.get_mut(&EniId::from(id)) {
            return Some(&mut eni.tags);
        }
        if let Some(subnet) = self.subnets.get_mut(&SubnetId::from(id)) {
            return Some(&mut subnet.tags);
        }
        let group = self.groups.get_mut(&GroupId::from(id));
        group.map(|group| &mut group.tags)
    }
}

/// Why a resource gets no tag, and loses none. That EC2 says `.NotFound` of what looks like an id is unverified.
fn untaggable(id: &str) -> Ec2Error {
    let (kind, rest) = id.rsplit_once('-').unwrap_or_default();
    let is_kind = kind
        .chars()
        .all(|letter| letter.is_ascii_lowercase() || letter == '-');
    match kind {
        "eni" => return Ec2Error::EniNotFound(id.into()),
        "subnet" => return Ec2Error::SubnetNotFound(id.into()),
        "sg" => return Ec2Error::GroupNotFound(id.into()),
        _ => {}
    }
    if !kind.is_empty() && is_kind && rest.chars().all(|digit| digit.is_ascii_hexdigit()) {
        Ec2Error::NotModelled(format!("changed tags of {id}"))
    } else {
        Ec2Error::InvalidId(id.to_owned())
    }
}

impl Eni {
    fn change(&mut self, change: Change) -> Result<(), Ec2Error> {
        match change {
            Change::DeleteOnTermination { attachment, value } => {
                let ours = self.attachment_mut().filter(|a| a.id == attachment);
                ours.ok_or(Ec2Error::AttachmentNotFound(attachment))?
                    .delete_on_termination = value;
            }
            Change::ConnectionTracking(seconds) => self.connection_tracking.change(seconds),
            Change::SourceDestCheck(value) => self.source_dest_check = value,
            Change::Groups(groups) => self.groups = groups,
            Change::Description(text) => self.description = text,
        }
        Ok(())
    }
}

//! Ids as forms give them: EC2 refuses what begins like an id of another resource before it looks whether it exists.

use vpc::Ec2Error;

use super::members::Members;

/// How the ids of one resource begin, and the code for those that do not. What follows the prefix is not looked at.
pub(super) struct IdForm {
    prefix: &'static str,
    malformed: &'static str,
}

pub(super) const ENI: IdForm = IdForm {
    prefix: "eni-",
    malformed: "InvalidNetworkInterfaceId.Malformed",
};
pub(super) const ATTACHMENT: IdForm = IdForm {
    prefix: "eni-attach-",
    malformed: "InvalidNetworkInterfaceAttachmentId.Malformed",
};
pub(super) const INSTANCE: IdForm = IdForm {
    prefix: "i-",
    malformed: "InvalidInstanceID.Malformed",
};
/// For Describe. Create says of anything that it does not exist: <https://github.com/hashicorp/terraform/issues/3372>
pub(super) const GROUP: IdForm = IdForm {
    prefix: "sg-",
    malformed: "InvalidGroupId.Malformed",
};

impl IdForm {
    /// The id that must be there.
    pub(super) fn need<T: From<String>>(
        &self,
        members: &Members<'_>,
        name: &'static str,
    ) -> Result<T, Ec2Error> {
        self.check(members.need(name)?).map(T::from)
    }

    /// The ids of a list.
    pub(super) fn list(&self, members: &Members<'_>, name: &str) -> Result<Vec<String>, Ec2Error> {
        members.list(name).map(|id| self.check(id)).collect()
    }

    fn check(&self, id: &str) -> Result<String, Ec2Error> {
        if id.starts_with(self.prefix) {
            return Ok(id.to_owned());
        }
        Err(Ec2Error::MalformedId {
            code: self.malformed,
            id: id.to_owned(),
            prefix: self.prefix,
        })
    }
}

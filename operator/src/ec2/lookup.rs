//! Reads of subnets and security groups, by id and by tags: repeated they change nothing.

use api::{
    class::Tags,
    id::{SecurityGroupId, SubnetId},
};
use aws_sdk_ec2::types::Filter;
use operator_core::{
    Outcome,
    ec2::{Group, Subnet},
    fact::Found,
    order::{Action, Lookup},
};

use super::{
    Answer, Ec2,
    read::{PAGE, VALUES, extend, filter},
};
use crate::convert;

impl Ec2 {
    /// Subnets. By filter: what does not exist is left out.
    pub async fn subnets(&self, lookup: &Lookup<SubnetId>) -> Outcome {
        let mut found = Found::by_id(Vec::new());
        for Call { tags, filters } in calls(lookup, "subnet-id", SubnetId::as_str) {
            match self.subnets_where(filters).await {
                Ok(subnets) => found.add(tags, subnets),
                Err(error) => return Outcome::Failed(error),
            }
        }
        Outcome::Subnets(found)
    }

    /// Security groups, in the same way.
    pub async fn groups(&self, lookup: &Lookup<SecurityGroupId>) -> Outcome {
        let mut found = Found::by_id(Vec::new());
        for Call { tags, filters } in calls(lookup, "group-id", SecurityGroupId::as_str) {
            match self.groups_where(filters).await {
                Ok(groups) => found.add(tags, groups),
                Err(error) => return Outcome::Failed(error),
            }
        }
        Outcome::Groups(found)
    }

    async fn subnets_where(&self, filters: Vec<Filter>) -> Answer<Vec<Subnet>> {
        let call = self.client.describe_subnets();
        let call = call.set_filters(Some(filters)).max_results(PAGE);
        let page = |token| call.clone().set_next_token(token).send();
        let mut found = Vec::new();
        self.each_page(Action::DescribeSubnets, page, |answer| {
            extend(&mut found, answer.subnets().iter().map(convert::subnet))?;
            Ok(answer.next_token())
        })
        .await?;
        Ok(found)
    }

    async fn groups_where(&self, filters: Vec<Filter>) -> Answer<Vec<Group>> {
        let call = self.client.describe_security_groups();
        let call = call.set_filters(Some(filters)).max_results(PAGE);
        let page = |token| call.clone().set_next_token(token).send();
        let mut found = Vec::new();
        self.each_page(Action::DescribeSecurityGroups, page, |answer| {
            let groups = answer.security_groups().iter();
            extend(&mut found, groups.map(convert::group))?;
            Ok(answer.next_token())
        })
        .await?;
        Ok(found)
    }
}

/// One call: the tags that it is about; none: it is about ids.
struct Call<'a> {
    tags: Option<&'a Tags>,
    filters: Vec<Filter>,
}

/// So many ids in one call, and one call for each set of tags.
fn calls<'a, I>(lookup: &'a Lookup<I>, name: &str, text: fn(&I) -> &str) -> Vec<Call<'a>> {
    let by_id = lookup.ids.chunks(VALUES).map(|ids| Call {
        tags: None,
        filters: vec![filter(name, ids.iter().map(text))],
    });
    let by_tags = lookup.tags.iter().map(|tags| Call {
        tags: Some(tags),
        filters: by_tags(tags),
    });
    by_id.chain(by_tags).collect()
}

/// All of them: EC2 returns what passes every filter.
fn by_tags(tags: &Tags) -> Vec<Filter> {
    let filters = tags.iter();
    filters
        .map(|(key, value)| filter(&format!("tag:{key}"), [value.as_str()]))
        .collect()
}

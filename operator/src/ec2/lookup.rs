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
        let read = async |filters| self.subnets_where(filters).await;
        look_up(lookup, "subnet-id", SubnetId::as_str, read)
            .await
            .map_or_else(Outcome::Failed, Outcome::Subnets)
    }

    /// Security groups, in the same way.
    pub async fn groups(&self, lookup: &Lookup<SecurityGroupId>) -> Outcome {
        let read = async |filters| self.groups_where(filters).await;
        look_up(lookup, "group-id", SecurityGroupId::as_str, read)
            .await
            .map_or_else(Outcome::Failed, Outcome::Groups)
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

/// So many ids in one call, and one call for each set of tags.
async fn look_up<I, T>(
    lookup: &Lookup<I>,
    name: &str,
    text: fn(&I) -> &str,
    read: impl AsyncFn(Vec<Filter>) -> Answer<Vec<T>>,
) -> Answer<Found<T>> {
    let mut found = Found::by_id(Vec::new());
    for ids in lookup.ids.chunks(VALUES) {
        let ids = filter(name, ids.iter().map(text));
        found.by_id.extend(read(vec![ids]).await?);
    }
    for tags in &lookup.tags {
        let carried = read(by_tags(tags)).await?;
        found.by_tags.push((tags.clone(), carried));
    }
    Ok(found)
}

/// All of them: EC2 returns what passes every filter.
fn by_tags(tags: &Tags) -> Vec<Filter> {
    let filters = tags.iter();
    filters
        .map(|(key, value)| filter(&format!("tag:{key}"), [value.as_str()]))
        .collect()
}

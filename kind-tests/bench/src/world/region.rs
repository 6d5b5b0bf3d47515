//! EC2 by its rules, with delays and AWS's published request rates.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use api::{
    Time,
    id::{EniId, InstanceId},
};
use operator_core::{Fact, Outcome, Read, order::Effect};
use vpc::{Delays, Launch, Settings, Vpc, world::GROUP_NODES};

use super::cloud::{AT_ONCE, Cloud, chunks, pages};
use ec2::Answer;

/// The rules as the tests of the core meet them.
#[allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::pedantic
)]
#[path = "../../../../operator/core/tests/core/ec2.rs"]
mod ec2;

/// A region of EC2.
pub struct Region {
    /// Its state.
    pub vpc: Vpc,
}

impl Region {
    /// An empty one.
    pub fn new() -> Self {
        let mut vpc = Vpc::new(Delays::default());
        vpc.settings = Settings {
            rate_percent: Some(100),
            ..Settings::default()
        };
        Self { vpc }
    }

    /// Starts an instance in a subnet.
    pub fn launch(&mut self, name: &str, subnet: &str, now: Time) -> anyhow::Result<InstanceId> {
        let launch = Launch {
            name: name.to_owned(),
            instance_type: "m5.4xlarge".to_owned(),
            subnet: subnet.into(),
            address: None,
            groups: BTreeSet::from([GROUP_NODES.into()]),
            routes: Vec::new(),
            ipv6: None,
            source_dest_check: true,
        };
        let launched = self.vpc.launch(launch, millis(now))?;
        let id = launched.instance.id.as_str();
        id.parse().with_context(|| format!("launch {name}"))
    }

    fn ask(&mut self, read: &Read, now: Time) -> (Vec<Fact>, Outcome) {
        match ec2::read(&mut self.vpc, read, millis(now)) {
            Err(outcome) | Ok(Answer::One(outcome)) => (Vec::new(), outcome),
            Ok(Answer::Pages(pages)) => {
                let all: Vec<_> = pages.into_iter().flatten().collect();
                let parts = all.chunks(AT_ONCE).map(|part| Fact::Page(part.to_vec()));
                (parts.collect(), Outcome::Listed)
            }
        }
    }

    /// In calls of as many values as EC2 takes.
    fn ask_enis(&mut self, ids: &[EniId], now: Time) -> Outcome {
        let mut found = Vec::new();
        for ids in ids.chunks(super::cloud::VALUES) {
            match self.ask(&Read::Enis(ids.to_vec()), now).1 {
                Outcome::Enis(views) => found.extend(views),
                other => return other,
            }
        }
        Outcome::Enis(found)
    }
}

impl Cloud for Region {
    fn change(&mut self, effect: &Effect, now: Time) -> Outcome {
        self.pass(now);
        ec2::call(&mut self.vpc, ec2::request(effect), millis(now))
    }

    fn read(
        &mut self,
        read: &Read,
        now: Time,
        calls: &mut BTreeMap<&'static str, u32>,
    ) -> Vec<Fact> {
        self.pass(now);
        let (mut facts, outcome) = match read {
            Read::Enis(ids) => (Vec::new(), self.ask_enis(ids, now)),
            _ => self.ask(read, now),
        };
        let count = match read {
            Read::Listing(_) => pages(self.vpc.enis().count()),
            Read::Enis(ids) => chunks(ids.len()),
            Read::Tagged(ids) => chunks(ids.len()),
            Read::Instances(ids) => chunks(ids.len()),
            Read::Subnets(lookup) => chunks(lookup.ids.len()),
            Read::Groups(lookup) => chunks(lookup.ids.len()),
            Read::Types(_) | Read::Eni(_) => 1,
            Read::Pod(_) => 0,
        };
        if let Some(action) = read.action() {
            *calls.entry(action.as_str()).or_default() += count;
        }
        facts.push(Fact::Done(read.target(), outcome));
        facts
    }

    fn pass(&mut self, now: Time) {
        self.vpc.advance(millis(now));
    }

    fn is_attached(&self, eni: &EniId) -> bool {
        let eni = self.vpc.eni(&eni.as_str().into());
        eni.is_some_and(|eni| eni.plugged_into().is_some())
    }
}

fn millis(time: Time) -> u64 {
    u64::try_from(time.0).unwrap_or(0)
}

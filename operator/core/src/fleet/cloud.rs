//! What EC2 shows, and how fresh that is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use api::{
    Time,
    id::{ClaimUid, EniId, InstanceId, InstanceType},
    time::{MINUTE, SECOND},
};

use super::{
    few::{self, Few},
    instances::{Full, InstanceRecord},
};
use crate::{
    ec2::{EniView, TypeFacts},
    resolve::Catalogue,
    seen::{EniSeen, Search, Steady},
    subnet::Subnets,
};

/// A read may show an ENI this long after its deletion; instances, whose lists name it too, are read every five minutes.
const TOMBSTONE: i64 = 10 * MINUTE;
/// Reads that agree over this time are believed.
const STEADY: i64 = 5 * SECOND;
/// Two searches by tag that prove something are this far apart.
const SEARCHES_APART: i64 = 30 * SECOND;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Cloud {
    /// Whether one listing of our ENIs is complete.
    pub(super) is_listed: bool,
    pub(super) enis: BTreeMap<EniId, EniRecord>,
    /// The last listing that began.
    listing: u64,
    /// ENIs that the last reads showed, and those of them that this listing has shown.
    shown: usize,
    listed: usize,
    /// ENIs that the last reads showed to be detaching.
    pub(super) detaching: BTreeSet<EniId>,
    /// ENIs by the claim that their tag names.
    pub(super) tagged: BTreeMap<ClaimUid, Few<EniId>>,
    /// ENIs that EC2 told us it deleted.
    tombstones: BTreeMap<EniId, Time>,
    tombstones_by_age: BTreeSet<(Time, EniId)>,
    /// ENIs of ours that no claim names, and since when.
    pub(super) unowned: BTreeMap<EniId, Time>,
    pub(super) instances: BTreeMap<InstanceId, InstanceRecord>,
    pub(super) types: BTreeMap<InstanceType, (Option<TypeFacts>, Time)>,
    pub(super) subnets: Subnets,
    pub(super) catalogue: Catalogue,
    searches: BTreeMap<ClaimUid, Searched>,
    /// Instances of which EC2 says that a card is full.
    pub(super) full: BTreeMap<InstanceId, Full>,
}

/// What is known of one ENI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct EniRecord {
    /// As the last read showed it, or that it did not.
    pub(super) view: Option<Arc<EniView>>,
    /// Whether a read has shown that since our own last change.
    is_fresh: bool,
    /// When reads began to show just that.
    since: Time,
    /// Whether they have for long enough to be believed.
    steady: Steady,
    /// Whether a read by id said that there is none.
    is_not_found: bool,
    /// The last listing that showed it.
    listed: u64,
    /// Since when it has been detaching.
    pub(super) detaching: Option<Time>,
}

/// Searches by tag that found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Searched {
    first: Time,
    twice: bool,
}

impl Cloud {
    /// What is known of an ENI.
    pub(super) fn eni(&self, id: &EniId) -> EniSeen {
        if self.tombstones.contains_key(id) {
            return EniSeen::Deleted;
        }
        match self.enis.get(id) {
            Some(EniRecord {
                view: Some(view),
                is_fresh: true,
                steady,
                ..
            }) => EniSeen::Shown(Arc::clone(view), *steady),
            Some(record) if record.is_fresh && record.is_not_found => EniSeen::NotFound,
            Some(record) if record.is_fresh => EniSeen::Missing(record.steady),
            Some(_) | None => EniSeen::Unknown,
        }
    }

    /// ENIs that the last reads showed with the tags of this claim and of this cluster: others are not ours.
    pub(super) fn of_claim<'a>(
        &'a self,
        claim: &ClaimUid,
        cluster: &str,
    ) -> impl Iterator<Item = &'a EniId> + use<'a> {
        let cluster = cluster.to_owned();
        let is_ours = move |id: &&EniId| {
            let view = self.enis.get(*id).and_then(|record| record.view.as_ref());
            view.is_some_and(|view| view.tags.cluster.as_deref() == Some(cluster.as_str()))
        };
        self.tagged
            .get(claim)
            .into_iter()
            .flat_map(Few::iter)
            .filter(is_ours)
    }

    /// Whether a fresh read shows that it is attached nowhere, or we know that it is gone.
    pub(super) fn is_detached(&self, id: &EniId) -> bool {
        self.tombstones.contains_key(id)
            || self.enis.get(id).is_some_and(|record| {
                record.is_fresh && record.view.as_ref().is_none_or(|v| v.attachment.is_none())
            })
    }

    pub(super) fn is_deleted(&self, id: &EniId) -> bool {
        self.tombstones.contains_key(id)
    }

    /// Takes in what a read showed; says whether that is news.
    pub(super) fn record(&mut self, id: &EniId, view: Option<EniView>, now: Time) -> bool {
        if self.is_deleted(id) {
            return false;
        }
        let view = view.map(Arc::new);
        let is_news = match self.enis.get_mut(id) {
            Some(record) if record.view == view => return record.take(view, now),
            Some(_) => self.update(id, |record| record.take(view, now)),
            None => {
                let record = EniRecord::new(view, now);
                self.count(id, &record, 1);
                self.enis.insert(id.clone(), record);
                true
            }
        };
        let view = self.enis.get(id).and_then(|record| record.view.as_ref());
        if let Some(claim) = view.and_then(|v| v.tags.claim.clone()) {
            self.tagged.entry(claim).or_default().add(id.clone());
        }
        is_news
    }

    /// Changes a record and what is counted of it.
    fn update(&mut self, id: &EniId, change: impl FnOnce(&mut EniRecord) -> bool) -> bool {
        let Some(mut record) = self.enis.remove(id) else {
            return false;
        };
        self.count(id, &record, -1);
        let result = change(&mut record);
        self.count(id, &record, 1);
        self.enis.insert(id.clone(), record);
        result
    }

    fn count(&mut self, id: &EniId, record: &EniRecord, by: isize) {
        if record.view.is_none() {
            return;
        }
        if record.detaching.is_some() && by > 0 {
            self.detaching.insert(id.clone());
        } else {
            self.detaching.remove(id);
        }
        self.shown = self.shown.saturating_add_signed(by);
        if record.listed == self.listing {
            self.listed = self.listed.saturating_add_signed(by);
        }
    }

    /// A read by id says that there is none.
    pub(super) fn record_not_found(&mut self, id: &EniId, now: Time) -> bool {
        let changed = self.record(id, None, now);
        match self.enis.get_mut(id) {
            Some(record) if !record.is_not_found => {
                record.is_not_found = true;
                true
            }
            Some(_) | None => changed,
        }
    }

    /// After a change of ours, only a read that began later says anything.
    pub(super) fn invalidate(&mut self, id: &EniId) {
        if let Some(record) = self.enis.get_mut(id) {
            record.is_fresh = false;
        }
    }

    /// A change of ours whose result is known.
    pub(super) fn amend(&mut self, id: &EniId, now: Time, change: impl FnOnce(&mut EniView)) {
        let view = self.enis.get(id).and_then(|record| record.view.clone());
        if let Some(mut view) = view {
            change(Arc::make_mut(&mut view));
            self.update(id, |record| record.take(Some(view), now));
        }
    }

    /// EC2 deleted it. Reads may go on showing it for a while.
    pub(super) fn bury(&mut self, id: &EniId, now: Time) {
        while let Some((at, old)) = self.tombstones_by_age.first().cloned() {
            if now.since(at) < TOMBSTONE {
                break;
            }
            self.tombstones_by_age.pop_first();
            self.tombstones.remove(&old);
        }
        self.forget(id);
        self.tombstones.insert(id.clone(), now);
        self.tombstones_by_age.insert((now, id.clone()));
    }

    /// Drops the record of an ENI that nobody asks about any more.
    pub(super) fn forget(&mut self, id: &EniId) {
        self.unowned.remove(id);
        let Some(record) = self.enis.remove(id) else {
            return;
        };
        self.count(id, &record, -1);
        if let Some(claim) = record.view.as_ref().and_then(|v| v.tags.claim.as_ref()) {
            few::remove(&mut self.tagged, claim, id);
        }
    }

    /// Another listing begins.
    pub(super) fn begin_listing(&mut self) {
        self.listing += 1;
        self.listed = 0;
    }

    /// The present listing shows an ENI.
    pub(super) fn list(&mut self, id: &EniId) {
        let Some(record) = self.enis.get_mut(id) else {
            return;
        };
        if record.listed != self.listing {
            record.listed = self.listing;
            self.listed += usize::from(record.view.is_some());
        }
    }

    /// ENIs that reads before showed and the present listing did not. Where it showed all of them nothing is walked over.
    pub(super) fn unlisted(&self) -> Vec<EniId> {
        if self.listed == self.shown {
            return Vec::new();
        }
        self.enis
            .iter()
            .filter(|(_, record)| record.listed != self.listing && record.view.is_some())
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// What the searches for a claim's ENI by tag have shown.
    pub(super) fn search(&self, claim: &ClaimUid) -> Search {
        match self.searches.get(claim) {
            Some(Searched { twice: true, .. }) => Search::Nothing,
            Some(_) | None => Search::Running,
        }
    }

    /// A complete read by tag that began at `began` showed no ENI of the claim.
    pub(super) fn searched(&mut self, claim: &ClaimUid, began: Time) {
        let first = Searched {
            first: began,
            twice: false,
        };
        let searched = self.searches.entry(claim.clone()).or_insert(first);
        searched.twice |= began.since(searched.first) >= SEARCHES_APART;
    }

    /// A request was sent: what was searched before proves nothing.
    pub(super) fn restart_search(&mut self, claim: &ClaimUid) {
        self.searches.remove(claim);
    }
}

impl EniRecord {
    fn new(view: Option<Arc<EniView>>, now: Time) -> Self {
        Self {
            detaching: detaching(view.as_deref()).then_some(now),
            view,
            is_fresh: true,
            since: now,
            steady: Steady::Once,
            is_not_found: false,
            listed: 0,
        }
    }

    fn take(&mut self, view: Option<Arc<EniView>>, now: Time) -> bool {
        if self.is_fresh && self.view == view {
            let steady = if now.since(self.since) >= STEADY {
                Steady::Yes
            } else {
                self.steady
            };
            let news = self.steady != steady;
            self.steady = steady;
            return news;
        }
        let same = self.view == view;
        if !same {
            self.since = now;
            self.steady = Steady::Once;
        }
        self.detaching = detaching(view.as_deref()).then(|| self.detaching.unwrap_or(now));
        self.is_not_found &= view.is_none();
        self.view = view;
        self.is_fresh = true;
        true
    }
}

fn detaching(view: Option<&EniView>) -> bool {
    view.and_then(|v| v.attachment.as_ref())
        .is_some_and(|a| a.state == crate::ec2::AttachmentState::Detaching)
}

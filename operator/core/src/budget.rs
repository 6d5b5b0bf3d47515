//! How many calls of each EC2 action may be made: token buckets that hold a share of AWS's published ones.
//!
//! <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>: buckets are per account, Region and action, and
//! shared with everybody else in the account. A throttled call halves the action's rate; it recovers by a twentieth of the
//! full rate every ten seconds (additive increase, multiplicative decrease).

use std::collections::BTreeMap;

use api::{Time, time::SECOND};

use crate::order::Action;

/// Tokens are counted in millionths, so that a thousandth of a token a second gains whole ones in a millisecond.
const TOKEN: i64 = 1_000_000;
/// Rates and shares are counted in thousandths.
const UNIT: i64 = 1_000;
/// The lowest rate that throttling leaves.
const FLOOR: i64 = UNIT / 16;
/// Milliseconds in which the rate recovers by one thousandth.
const RECOVERY: i64 = SECOND / 5;

/// The buckets of all actions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Budget {
    buckets: BTreeMap<Action, Bucket>,
}

/// Tokens of one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// The most it holds, in millionths of a token.
    capacity: i64,
    /// What it gains a second, in thousandths of a token.
    rate: i64,
    /// What it holds, in millionths of a token; below zero after a read of more pages than were foreseen.
    tokens: i64,
    /// When the tokens were last brought up to date.
    at: Time,
    /// Thousandths of the rate in force.
    scale: i64,
    /// When the scale last changed.
    scaled: Time,
}

/// AWS's published bucket size and refill a second of an action.
pub fn published(action: Action) -> (u32, u32) {
    match action {
        Action::CreateNetworkInterface
        | Action::DeleteNetworkInterface
        | Action::ModifyNetworkInterfaceAttribute => (100, 5),
        Action::AttachNetworkInterface | Action::DetachNetworkInterface => (50, 5),
        Action::DescribeNetworkInterfaces
        | Action::DescribeInstances
        | Action::DescribeInstanceTypes
        | Action::DescribeSubnets
        | Action::DescribeSecurityGroups => (100, 20),
    }
}

impl Budget {
    /// Full buckets of `share` thousandths of the published sizes and rates.
    pub fn new(share: u32, now: Time) -> Self {
        let bucket = |action| {
            let (size, rate) = published(action);
            Bucket::new(
                i64::from(size) * i64::from(share) * UNIT,
                i64::from(rate) * i64::from(share),
                now,
            )
        };
        Self {
            buckets: Action::ALL.into_iter().map(|a| (a, bucket(a))).collect(),
        }
    }

    /// Another process may just have used the same share: a quarter of each bucket is left.
    pub fn take_over(&mut self, now: Time) {
        for bucket in self.buckets.values_mut() {
            bucket.at = now;
            bucket.tokens = bucket.tokens.min(bucket.capacity / 4);
        }
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, action: Action, now: Time) -> bool {
        self.buckets.get_mut(&action).is_some_and(|b| b.take(now))
    }

    /// Charges calls that were made already.
    pub fn charge(&mut self, action: Action, calls: u32, now: Time) {
        if let Some(bucket) = self.buckets.get_mut(&action) {
            bucket.refill(now);
            bucket.tokens -= i64::from(calls) * TOKEN;
        }
    }

    /// EC2 throttled a call of this action.
    pub fn throttled(&mut self, action: Action, now: Time) {
        if let Some(bucket) = self.buckets.get_mut(&action) {
            bucket.throttled(now);
        }
    }

    /// Milliseconds until the `place`-th call from now can be made (1 for the next).
    pub fn wait(&self, action: Action, place: u32, now: Time) -> i64 {
        self.buckets
            .get(&action)
            .map_or(0, |bucket| bucket.wait(place, now))
    }

    /// Whole tokens that are left of each action.
    pub fn left(&self, now: Time) -> impl Iterator<Item = (Action, i64)> {
        self.buckets.iter().map(move |(action, bucket)| {
            let mut bucket = *bucket;
            bucket.refill(now);
            (*action, bucket.tokens.div_euclid(TOKEN))
        })
    }
}

impl Bucket {
    /// A full bucket: its capacity in millionths of a token, its rate a second in thousandths.
    pub fn new(capacity: i64, rate: i64, now: Time) -> Self {
        // A share so small that no call would ever fit still lets one through.
        let capacity = capacity.max(TOKEN);
        Self {
            capacity,
            rate: rate.max(1),
            tokens: capacity,
            at: now,
            scale: UNIT,
            scaled: now,
        }
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: Time) -> bool {
        self.refill(now);
        let has = self.tokens >= TOKEN;
        if has {
            self.tokens -= TOKEN;
        }
        has
    }

    fn refill(&mut self, now: Time) {
        let elapsed = now.since(self.at).max(0);
        let gained = self.rate.saturating_mul(elapsed).saturating_mul(self.scale) / UNIT;
        self.tokens = self.tokens.saturating_add(gained).min(self.capacity);
        self.at = self.at.max(now);
        let recovered = now.since(self.scaled).max(0) / RECOVERY;
        self.scale = self.scale.saturating_add(recovered).min(UNIT);
        self.scaled = self.scaled.after(recovered * RECOVERY);
    }

    fn throttled(&mut self, now: Time) {
        self.refill(now);
        self.scaled = now;
        self.scale = (self.scale / 2).max(FLOOR);
        self.tokens = self.tokens.min(0);
    }

    /// Milliseconds until the `place`-th token from now is there.
    pub fn wait(&self, place: u32, now: Time) -> i64 {
        let mut bucket = *self;
        bucket.refill(now);
        let missing = i64::from(place) * TOKEN - bucket.tokens;
        if missing <= 0 {
            return 0;
        }
        let rate = (bucket.rate * bucket.scale / UNIT).max(1);
        missing.div_euclid(rate) + 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ATTACH: Action = Action::AttachNetworkInterface;

    fn taken(budget: &mut Budget, action: Action, from: i64, to: i64) -> u32 {
        (from..to)
            .map(|t| u32::from(budget.take(action, Time(t))))
            .sum()
    }

    #[test]
    fn burst_and_rate_are_the_share_of_what_aws_publishes() {
        let mut budget = Budget::new(600, Time(0));
        assert_eq!(taken(&mut budget, ATTACH, 0, 31), 30);
        let later = taken(&mut budget, ATTACH, 31, 60_031);
        assert!(
            (178..=181).contains(&later),
            "{later} in a minute at 3 a second"
        );
    }

    #[test]
    fn a_new_leader_starts_at_a_quarter() {
        let mut budget = Budget::new(600, Time(0));
        budget.take_over(Time(0));
        assert_eq!(taken(&mut budget, ATTACH, 0, 20), 7);
    }

    #[test]
    fn throttling_halves_the_rate_and_time_gives_it_back() {
        let mut budget = Budget::new(1_000, Time(0));
        budget.throttled(ATTACH, Time(0));
        let halved = taken(&mut budget, ATTACH, 0, 10_000);
        assert!(
            (24..=28).contains(&halved),
            "{halved} in ten seconds at 2.5 a second"
        );
        taken(&mut budget, ATTACH, 10_000, 200_000);
        let full = taken(&mut budget, ATTACH, 200_000, 210_000);
        assert!((49..=51).contains(&full), "{full}");
        assert!(
            budget.take(Action::CreateNetworkInterface, Time(0)),
            "each action has its own"
        );
    }

    proptest! {
        #[test]
        fn never_more_than_burst_plus_rate(calls in proptest::collection::vec(0_i64..2_000, 1..400)) {
            let mut budget = Budget::new(600, Time(0));
            let (mut now, mut granted) = (0, 0_i64);
            for pause in calls {
                now += pause;
                granted += i64::from(budget.take(ATTACH, Time(now)));
                prop_assert!(granted * 1_000 <= 30 * 1_000 + 3 * now + 1_000);
            }
        }

        #[test]
        fn the_wait_that_is_told_is_the_wait_that_is_met(place in 1_u32..200) {
            let mut budget = Budget::new(600, Time(0));
            while budget.take(ATTACH, Time(0)) {}
            let wait = budget.wait(ATTACH, place, Time(0));
            let mut got = 0;
            for t in 0..=wait {
                got += u32::from(budget.take(ATTACH, Time(t)));
            }
            prop_assert!(got >= place.saturating_sub(1) && got <= place + 1, "{} of {}", got, place);
        }
    }
}

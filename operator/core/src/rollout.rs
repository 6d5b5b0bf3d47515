//! How the edited security groups of a class reach its ENIs, one at first, then more at a time, and when its status says so.

use api::{
    ClassStatus,
    class::ClassRollout,
    time::{MINUTE, SECOND},
};

use crate::reason::Note;

/// ENIs whose groups may be under way at once.
const MOST: u32 = 25;
/// By how much more than those that have followed may be under way at once.
const GROWTH: u32 = 4;
/// Time between two writes of a class that differ in how many ENIs have followed: of fifty that takes two or three.
const PACE: i64 = 5 * SECOND;
/// The same of two that differ in the words alone: EC2 may say the same in other words at each try.
const WORDS: i64 = 10 * MINUTE;

/// How far the security groups of a class have reached its ENIs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Rollout {
    /// ENIs of the class that are in a pod, or on their way into one.
    pub total: u32,
    /// Those of them that were given the groups of the class.
    pub updated: u32,
    /// Why no more get them.
    pub halted: Option<Note>,
}

impl Rollout {
    /// As the status of the class shows it; none once all ENIs were given the groups.
    pub fn shown(self) -> Option<ClassRollout> {
        let Self {
            total,
            updated,
            halted,
        } = self;
        let words = |note: Note| note.message.chars().take(2_048).collect::<String>().into();
        (updated < total).then(|| ClassRollout {
            updated,
            total,
            paused: halted.map(words),
        })
    }
}

/// How long after the last write of a rollout the next one of the class may wait; none: not at all, since it says more than how
/// far the rollout is.
pub fn may_wait(before: &ClassStatus, now: &ClassStatus) -> Option<i64> {
    let (Some(was), Some(is)) = (&before.rollout, &now.rollout) else {
        return None;
    };
    let same_but = ClassStatus {
        rollout: before.rollout.clone(),
        ..now.clone()
    };
    if same_but != *before || was.paused.is_some() != is.paused.is_some() {
        return None;
    }
    let in_words = (was.updated, was.total) == (is.updated, is.total);
    Some(if in_words { WORDS } else { PACE })
}

/// How many ENIs of a class may be under way at once when so many have the groups of the class: the first alone, since EC2 may
/// refuse the groups, then four times as many as have shown that they are right.
pub fn at_once(updated: u32) -> u32 {
    updated.saturating_mul(GROWTH).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use api::{Condition, ConditionStatus, Time};

    use super::*;

    fn says(updated: u32, paused: Option<&str>) -> ClassStatus {
        ClassStatus {
            rollout: Some(ClassRollout {
                updated,
                total: 50,
                paused: paused.map(Into::into),
            }),
            ..ClassStatus::default()
        }
    }

    #[test]
    fn what_says_more_than_how_far_it_is_does_not_wait() {
        let before = says(1, None);
        assert_eq!(may_wait(&before, &says(5, None)), Some(PACE));
        let more = [
            ClassStatus::default(),
            says(1, Some("why")),
            says(5, Some("why")),
            ClassStatus {
                observed_generation: Some(2),
                ..says(5, None)
            },
            ClassStatus {
                conditions: vec![Condition {
                    kind: "Ready".into(),
                    status: ConditionStatus::False,
                    reason: "Refused".into(),
                    message: "".into(),
                    last_transition_time: Time(0),
                    observed_generation: None,
                }],
                ..says(5, None)
            },
        ];
        for now in more {
            assert_eq!(may_wait(&before, &now), None, "{now:?}");
            assert_eq!(may_wait(&now, &before), None, "{now:?}");
        }
        let (before, words) = (says(1, Some("why")), says(1, Some("so")));
        assert_eq!(may_wait(&before, &words), Some(WORDS));
        assert_eq!(may_wait(&before, &says(2, Some("so"))), Some(PACE));
    }

    #[test]
    fn a_rollout_is_shown_while_an_eni_is_left() {
        let rollout = |updated| Rollout {
            total: 3,
            updated,
            halted: None,
        };
        assert_eq!(rollout(3).shown(), None);
        assert_eq!(Rollout::default().shown(), None);
        let shown = rollout(2).shown().unwrap();
        assert_eq!((shown.updated, shown.total, shown.paused), (2, 3, None));
    }

    #[test]
    fn the_first_goes_alone_and_fifty_have_followed_after_four_steps() {
        let mut updated = 0;
        let steps = std::iter::from_fn(|| {
            let step = at_once(updated).min(50 - updated);
            updated += step;
            (step > 0).then_some(step)
        });
        assert_eq!(steps.collect::<Vec<_>>(), [1, 4, 20, 25]);
        assert_eq!(at_once(u32::MAX), MOST);
    }
}

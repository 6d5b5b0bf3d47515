//! How the edited security groups of a class reach its ENIs: one at first, then more at a time.

use crate::reason::Note;

/// ENIs whose groups may be under way at once.
const MOST: u32 = 25;
/// By how much more than those that have followed may be under way at once.
const GROWTH: u32 = 4;

/// How far the security groups of a class have reached its ENIs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Rollout {
    /// ENIs of the class.
    pub total: u32,
    /// Those of them that have the groups of the class.
    pub updated: u32,
    /// Why no more get them.
    pub halted: Option<Note>,
}

/// How many ENIs of a class may be under way at once when so many have the groups of the class: the first alone, since EC2 may
/// refuse the groups, then four times as many as have shown that they are right.
pub fn at_once(updated: u32) -> u32 {
    updated.saturating_mul(GROWTH).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

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

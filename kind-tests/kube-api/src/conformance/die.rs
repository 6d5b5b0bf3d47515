//! Random choices that a seed determines.

use super::Reference;

pub(super) struct Die(u64);

impl Die {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap_or(0)
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T], otherwise: T) -> T {
        let at = self.roll(from.len().max(1));
        from.get(at).cloned().unwrap_or(otherwise)
    }

    pub(super) fn reference(&mut self) -> Reference {
        let all = [
            Reference::None,
            Reference::None,
            Reference::Current,
            Reference::Stale,
        ];
        self.pick(&all, Reference::None)
    }
}

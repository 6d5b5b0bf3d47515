//! Sets that mostly have one item, of which there are as many as claims: a `BTreeSet` takes the room of eleven.

use std::collections::BTreeMap;

/// A set of few items, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Few<T>(Vec<T>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> Few<T> {
    /// Adds an item.
    pub(super) fn add(&mut self, item: T) {
        if let Err(place) = self.0.binary_search(&item) {
            self.0.reserve_exact(1);
            self.0.insert(place, item);
        }
    }

    /// The items, in order.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}

/// Removes one item of a set, and the set with its last item.
pub(super) fn remove<K: Ord, T: Ord>(sets: &mut BTreeMap<K, Few<T>>, key: &K, item: &T) {
    if let Some(Few(set)) = sets.get_mut(key) {
        if let Ok(place) = set.binary_search(item) {
            set.remove(place);
        }
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

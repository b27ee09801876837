//! Which records of a shard may soon be forgotten.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use oauth_types::Timestamp;

/// Keys by the moment at which they are to be looked at.
///
/// A record's moment here is never later than its `retain_until`, but it may be earlier: a record
/// that is extended again and again is not moved each time, only when its old moment has come.
/// Keys of deleted records stay until then, too. So a write costs nothing here unless it brings
/// the moment forward.
pub(crate) struct Due<I>(BinaryHeap<Reverse<(Timestamp, I)>>);

impl<I: Ord> Due<I> {
    pub(crate) const fn new() -> Self {
        Self(BinaryHeap::new())
    }

    pub(crate) fn push(&mut self, at: Timestamp, id: I) {
        self.0.push(Reverse((at, id)));
    }

    /// Takes out a key whose moment is before `now`.
    pub(crate) fn pop_before(&mut self, now: Timestamp) -> Option<I> {
        if self.0.peek()?.0.0 >= now {
            return None;
        }
        self.0.pop().map(|Reverse((_, id))| id)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn shrink_to(&mut self, capacity: usize) {
        self.0.shrink_to(capacity);
    }
}

impl<I: Ord> FromIterator<(Timestamp, I)> for Due<I> {
    fn from_iter<T: IntoIterator<Item = (Timestamp, I)>>(keys: T) -> Self {
        Self(keys.into_iter().map(Reverse).collect())
    }
}

//! Which records are listed under a person or a client.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::ops::Bound;
use std::sync::Mutex;

use crate::lock;

/// Sorted keys of records, by what the records are listed under.
///
/// It is changed only by whoever holds the record's shard locked, and read without that lock: a
/// reader looks each key up afterwards and drops what is no longer listed there.
pub(crate) struct Index<K, I> {
    shards: Box<[Mutex<Shard<K, I>>]>,
    hasher: RandomState,
}

type Shard<K, I> = HashMap<K, Keys<I>>;

/// Most people have one grant; a set takes ten times the room.
#[expect(
    clippy::box_collection,
    reason = "keeps the common case as small as one key"
)]
enum Keys<I> {
    One(I),
    Many(Box<BTreeSet<I>>),
}

impl<K: Clone + Hash + Eq, I: Clone + Ord> Index<K, I> {
    pub(crate) fn new(shards: usize) -> Self {
        let shards = (0..shards.max(1)).map(|_| Mutex::default()).collect();
        Self {
            shards,
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn add(&self, under: &K, id: &I) {
        match lock(self.shard(under)).entry(under.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(Keys::One(id.clone()));
            }
            Entry::Occupied(mut occupied) => match occupied.get_mut() {
                Keys::One(only) => {
                    let both = BTreeSet::from([only.clone(), id.clone()]);
                    *occupied.get_mut() = Keys::Many(Box::new(both));
                }
                Keys::Many(set) => {
                    set.insert(id.clone());
                }
            },
        }
    }

    pub(crate) fn remove(&self, under: &K, id: &I) {
        let mut shard = lock(self.shard(under));
        let is_empty = match shard.get_mut(under) {
            None => false,
            Some(Keys::One(only)) => only == id,
            Some(Keys::Many(set)) => {
                set.remove(id);
                set.is_empty()
            }
        };
        if is_empty {
            shard.remove(under);
        }
    }

    /// At most `limit` keys after `after`, in order.
    pub(crate) fn page(&self, under: &K, after: Option<&I>, limit: usize) -> Vec<I> {
        match lock(self.shard(under)).get(under) {
            None => Vec::new(),
            Some(Keys::One(only)) => {
                let listed = after.is_none_or(|after| only > after);
                listed.then(|| only.clone()).into_iter().collect()
            }
            Some(Keys::Many(set)) => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                set.range((from, Bound::Unbounded))
                    .take(limit)
                    .cloned()
                    .collect()
            }
        }
    }

    fn shard(&self, under: &K) -> &Mutex<HashMap<K, Keys<I>>> {
        &self.shards[self.hasher.hash_one(under) as usize % self.shards.len()]
    }
}

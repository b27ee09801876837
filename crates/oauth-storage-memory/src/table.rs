//! One kind of record: a sharded hash table, and what it is listed by.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_trait::async_trait;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use oauth_storage::{
    Delete, Filter, Insert, Listed, Page, Record, RecordStore, Replace, Revision, StorageError,
    StorageErrorKind, Versioned,
};
use oauth_types::{ClientId, Subject, Timestamp};

use crate::due::Due;
use crate::index::Index;
use crate::lock;

/// The most records one page answers, whatever is asked for.
const PAGE: usize = 1000;
/// Records that a sweep looks at before it lets others run, holding one shard's lock.
const SLICE: usize = 64;

pub(crate) struct Table<R: Record> {
    shards: Box<[Mutex<Shard<R>>]>,
    hasher: RandomState,
    /// One count for all keys, so that no key ever repeats a revision, deleted or not.
    revision: AtomicU64,
    by_subject: Index<Subject, R::Id>,
    by_client: Index<ClientId, R::Id>,
    /// Where the next sweep begins.
    swept: AtomicUsize,
}

struct Shard<R: Record> {
    records: HashTable<Slot<R>>,
    due: Due<R::Id>,
}

/// The key lies in the record; its hash lies here, so that growing reads no record.
struct Slot<R> {
    hash: u64,
    revision: Revision,
    record: Arc<R>,
}

impl<R: Record> Table<R> {
    /// For records that are listed under something.
    pub(crate) fn listed(shards: usize) -> Self {
        Self::new(shards, shards)
    }

    /// For records that nobody lists.
    pub(crate) fn unlisted(shards: usize) -> Self {
        Self::new(shards, 1)
    }

    fn new(shards: usize, index_shards: usize) -> Self {
        let shard = || {
            Mutex::new(Shard {
                records: HashTable::new(),
                due: Due::new(),
            })
        };
        Self {
            shards: (0..shards.max(1)).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            revision: AtomicU64::new(1),
            by_subject: Index::new(index_shards),
            by_client: Index::new(index_shards),
            swept: AtomicUsize::new(0),
        }
    }

    fn hash(&self, id: &R::Id) -> u64 {
        self.hasher.hash_one(id)
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard<R>> {
        // Bits that the hash table inside uses for neither its place nor its tag.
        &self.shards[(hash >> 36) as usize % self.shards.len()]
    }

    fn next_revision(&self) -> Revision {
        Revision::new(self.revision.fetch_add(1, Ordering::Relaxed))
    }

    fn add_to_lists(&self, record: &R) {
        if let Some(subject) = record.subject() {
            self.by_subject.add(subject, record.id());
        }
        if let Some(client) = record.client() {
            self.by_client.add(client, record.id());
        }
    }

    fn remove_from_lists(&self, record: &R) {
        if let Some(subject) = record.subject() {
            self.by_subject.remove(subject, record.id());
        }
        if let Some(client) = record.client() {
            self.by_client.remove(client, record.id());
        }
    }

    fn find_now(&self, id: &R::Id) -> Option<Versioned<R>> {
        let hash = self.hash(id);
        let shard = lock(self.shard(hash));
        let slot = shard.records.find(hash, |slot| slot.is(hash, id))?;
        Some(Versioned {
            revision: slot.revision,
            record: Arc::clone(&slot.record),
        })
    }

    /// Forgets what one shard may forget, up to `limit` records or one slice of work. Says
    /// whether there may be more.
    fn sweep_slice(&self, shard: &Mutex<Shard<R>>, now: Timestamp, limit: usize) -> Slice<R> {
        let mut forgotten = Vec::new();
        let mut shard = lock(shard);
        for _ in 0..SLICE {
            if forgotten.len() == limit {
                break;
            }
            let Some(id) = shard.due.pop_before(now) else {
                shard.tidy();
                return Slice {
                    forgotten,
                    more: false,
                };
            };
            let hash = self.hash(&id);
            // Deleted since, or only extended: the moment noted was the earliest possible.
            let Ok(entry) = shard.records.find_entry(hash, |slot| slot.is(hash, &id)) else {
                continue;
            };
            match entry.get().record.retain_until() {
                Some(retained) if retained < now => {
                    let (slot, _) = entry.remove();
                    self.remove_from_lists(&slot.record);
                    forgotten.push(slot.record);
                }
                Some(retained) => shard.due.push(retained, id),
                None => {}
            }
        }
        Slice {
            forgotten,
            more: true,
        }
    }
}

struct Slice<R> {
    /// Handed out so that they are dropped after the lock.
    forgotten: Vec<Arc<R>>,
    more: bool,
}

impl<R: Record> Slot<R> {
    fn is(&self, hash: u64, id: &R::Id) -> bool {
        self.hash == hash && self.record.id() == id
    }
}

impl<R: Record> Shard<R> {
    /// Notes when a record is to be looked at.
    fn note(&mut self, at: Timestamp, id: R::Id) {
        self.due.push(at, id);
        // Deleting and inserting in turn leaves notes of what is gone.
        if self.due.len() > 2 * self.records.len() + SLICE {
            let of_record =
                |slot: &Slot<R>| Some((slot.record.retain_until()?, slot.record.id().clone()));
            self.due = self.records.iter().filter_map(of_record).collect();
        }
    }

    /// Gives memory back after most records have gone.
    fn tidy(&mut self) {
        let enough = 2 * self.records.len();
        if self.records.capacity() > 4 * enough.max(SLICE) {
            self.records.shrink_to(enough, |slot| slot.hash);
            self.due.shrink_to(enough);
        }
    }
}

#[async_trait]
impl<R: Record> RecordStore<R> for Table<R> {
    async fn insert(&self, record: R) -> Result<Insert, StorageError> {
        let record = Arc::new(record);
        let hash = self.hash(record.id());
        let mut shard = lock(self.shard(hash));
        let is_same = |slot: &Slot<R>| slot.is(hash, record.id());
        let Entry::Vacant(vacant) = shard.records.entry(hash, is_same, |slot| slot.hash) else {
            return Ok(Insert::Exists);
        };
        let revision = self.next_revision();
        vacant.insert(Slot {
            hash,
            revision,
            record: Arc::clone(&record),
        });
        if let Some(at) = record.retain_until() {
            shard.note(at, record.id().clone());
        }
        self.add_to_lists(&record);
        Ok(Insert::Inserted)
    }

    async fn find(&self, id: &R::Id) -> Result<Option<Versioned<R>>, StorageError> {
        Ok(self.find_now(id))
    }

    async fn replace(&self, expected: Revision, record: R) -> Result<Replace, StorageError> {
        // Made before the lock and dropped after it: both take longer than the replacement.
        let mut record = Arc::new(record);
        let hash = self.hash(record.id());
        let mut shard = lock(self.shard(hash));
        let Some(slot) = shard
            .records
            .find_mut(hash, |slot| slot.is(hash, record.id()))
        else {
            return Ok(Replace::Missing);
        };
        if slot.revision != expected {
            return Ok(Replace::Conflict);
        }
        let revision = self.next_revision();
        slot.revision = revision;
        std::mem::swap(&mut slot.record, &mut record);
        let (new, old) = (&*slot.record, &*record);
        if new.subject() != old.subject() {
            if let Some(subject) = new.subject() {
                self.by_subject.add(subject, new.id());
            }
            if let Some(subject) = old.subject() {
                self.by_subject.remove(subject, old.id());
            }
        }
        if new.client() != old.client() {
            if let Some(client) = new.client() {
                self.by_client.add(client, new.id());
            }
            if let Some(client) = old.client() {
                self.by_client.remove(client, old.id());
            }
        }
        if let Some(at) = new.retain_until()
            && old.retain_until().is_none_or(|before| at < before)
        {
            let id = new.id().clone();
            shard.note(at, id);
        }
        Ok(Replace::Replaced(revision))
    }

    async fn delete(&self, id: &R::Id, expected: Revision) -> Result<Delete, StorageError> {
        let hash = self.hash(id);
        let mut shard = lock(self.shard(hash));
        let Ok(entry) = shard.records.find_entry(hash, |slot| slot.is(hash, id)) else {
            return Ok(Delete::Missing);
        };
        if entry.get().revision != expected {
            return Ok(Delete::Conflict);
        }
        let (slot, _) = entry.remove();
        self.remove_from_lists(&slot.record);
        Ok(Delete::Deleted)
    }

    async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<R>, StorageError> {
        let after = match &page.after {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| not_a_page())?),
        };
        let limit = page.limit.clamp(1, PAGE);
        let mut ids = match by {
            Filter::Subject(subject) => self.by_subject.page(subject, after.as_ref(), limit + 1),
            Filter::Client(client) => self.by_client.page(client, after.as_ref(), limit + 1),
            _ => return Err(StorageErrorKind::Unavailable.into()),
        };
        let more = ids.len() > limit;
        ids.truncate(limit);
        let next = if more {
            ids.last().map(ToString::to_string)
        } else {
            None
        };
        let items = ids
            .iter()
            .filter_map(|id| self.find_now(id))
            .filter(|found| match by {
                Filter::Subject(subject) => found.record.subject() == Some(subject),
                Filter::Client(client) => found.record.client() == Some(client),
                _ => false,
            });
        Ok(Listed {
            items: items.collect(),
            next,
        })
    }

    /// Visits every shard once, a slice at a time, letting others run in between. Dropped halfway
    /// it has forgotten some of what it would have forgotten.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        let shards = self.shards.len();
        let first = self.swept.load(Ordering::Relaxed);
        let mut swept = 0;
        for step in 0..shards {
            let at = (first + step) % shards;
            loop {
                if swept == limit {
                    // Whatever is left here comes first next time.
                    self.swept.store(at, Ordering::Relaxed);
                    return Ok(swept);
                }
                let slice = self.sweep_slice(&self.shards[at], now, limit - swept);
                swept += slice.forgotten.len();
                if !slice.more {
                    break;
                }
                drop(slice);
                LetOthersRun(false).await;
            }
            if step % SLICE == SLICE - 1 {
                LetOthersRun(false).await;
            }
        }
        Ok(swept)
    }
}

fn not_a_page() -> StorageError {
    StorageError::new(
        StorageErrorKind::Corrupt,
        "no page of this store ends there",
    )
}

/// Gives the executor a chance to run something else.
struct LetOthersRun(bool);

impl Future for LetOthersRun {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use oauth_storage::GrantRecord;
    use oauth_testkit::block_on;
    use oauth_testkit::contract::samples::{NOW, at, grant, retained};

    use super::*;

    fn notes(table: &Table<GrantRecord>) -> usize {
        table.shards.iter().map(|shard| lock(shard).due.len()).sum()
    }

    #[test]
    fn notes_of_what_is_gone_do_not_pile_up() {
        let table = Table::listed(1);
        block_on(async {
            for _ in 0..1000 {
                table.insert(grant(1)).await.unwrap();
                let revision = table.find(&grant(1).id).await.unwrap().unwrap().revision;
                table.delete(&grant(1).id, revision).await.unwrap();
            }
            table.insert(grant(2)).await.unwrap();
            let mut found = table.find(&grant(2).id).await.unwrap().unwrap().revision;
            for round in 0..1000 {
                let next = retained(grant(2), 10_000 - round);
                let Replace::Replaced(revision) = table.replace(found, next).await.unwrap() else {
                    panic!("nobody else writes");
                };
                found = revision;
            }
        });
        assert!(
            notes(&table) <= SLICE + 4,
            "{} notes of one record",
            notes(&table)
        );
    }

    #[test]
    fn an_extension_costs_no_note() {
        let table = Table::listed(4);
        block_on(async {
            table.insert(grant(1)).await.unwrap();
            let mut found = table.find(&grant(1).id).await.unwrap().unwrap().revision;
            for round in 0..1000 {
                let next = retained(grant(1), 100_000 + round);
                let Replace::Replaced(revision) = table.replace(found, next).await.unwrap() else {
                    panic!("nobody else writes");
                };
                found = revision;
            }
            assert_eq!(notes(&table), 1);
            assert_eq!(table.sweep(at(100_999), 10).await.unwrap(), 0);
            assert_eq!(table.sweep(at(101_000), 10).await.unwrap(), 1);
        });
    }

    #[test]
    fn memory_comes_back_after_most_has_expired() {
        let table = Table::listed(1);
        block_on(async {
            for number in 0..5000 {
                table.insert(retained(grant(number), -1)).await.unwrap();
            }
            table.insert(grant(9999)).await.unwrap();
            let full = lock(&table.shards[0]).records.capacity();
            let now = Timestamp::from_unix(NOW);
            assert_eq!(table.sweep(now, usize::MAX).await.unwrap(), 5000);
            assert!(lock(&table.shards[0]).records.capacity() < full / 8);
            assert!(table.find(&grant(9999).id).await.unwrap().is_some());
        });
    }
}

//! What is listed under a person or a client.
//!
//! A listing is a sorted set of entries without scores, in the order of their bytes. An entry is
//! the text of an identifier, a zero byte, and the moment at which it was written, by the clock of
//! the server that keeps the listing. It is written *before* the record, in a slot of its own, so
//! an entry alone proves nothing: whoever reads a listing looks each record up, and what is gone
//! or listed elsewhere is passed over. So what was acknowledged is always shown.
//!
//! Entries that stand for nothing are taken out by whoever comes across them, a bounded number at
//! a time, but never one that is younger than [`GRACE`]: its record may be on its way. And since a
//! record that is inserted again, or comes back, brings an entry of its own, taking out an older
//! one never takes a listed record away.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use oauth_storage::{Filter, Listed, Page, Record, StorageError, StorageErrorKind, Versioned};
use oauth_types::Timestamp;
use redis::Value;

use crate::error::{of_write, strange};
use crate::keys::BUCKETS;
use crate::scripts::{ENTER, ENTRIES, Request, SWEEP};
use crate::table::{Table, filters_of, versioned};

/// An entry may be this old, in seconds, before its record has to be there.
pub(crate) const GRACE: u64 = 300;
/// The most records one page answers, whatever is asked for.
const PAGE: usize = 1000;
/// How many entries are looked at with every entry that is written. Two would already keep a
/// listing from growing beyond what lives in it.
const SAMPLE: usize = 3;
/// How many entries are read at once, at least.
const BATCH: usize = 64;
/// How many records one script deletes at the most, so that nobody waits long behind it.
const SLICE: usize = 50;
/// How many buckets are asked at once for what may be forgotten.
const STRIDE: usize = 128;

/// An entry, and whether it is old enough to be taken out if nothing stands behind it.
#[derive(Clone)]
struct Entry {
    text: Vec<u8>,
    id: String,
    is_old: bool,
}

/// Entries of one listing.
pub(crate) struct Seen {
    listing: String,
    entries: Vec<Entry>,
}

impl Seen {
    /// Reads what `ENTER` and `ENTRIES` answer.
    fn of(listing: String, answer: Value) -> Result<Self, StorageError> {
        let Value::Array(pair) = &answer else {
            return Err(strange(&answer));
        };
        let [Value::BulkString(now), Value::Array(entries)] = &**pair else {
            return Err(strange(&answer));
        };
        let now: u64 = str::from_utf8(now)
            .ok()
            .and_then(|now| now.parse().ok())
            .unwrap_or(0);
        let entry = |entry: &Value| {
            let Value::BulkString(text) = entry else {
                return None;
            };
            let (id, stamp) = str::from_utf8(text).ok()?.split_once('\0')?;
            // Eleven digits of seconds, six of microseconds.
            let written: u64 = stamp.get(..11)?.parse().ok()?;
            Some(Entry {
                text: text.clone(),
                id: id.to_owned(),
                is_old: written + GRACE < now,
            })
        };
        let entries = entries.iter().map(entry).collect::<Option<_>>();
        let entries = entries.ok_or_else(|| {
            let why = "a listing holds an entry that is not ours";
            StorageError::new(StorageErrorKind::Corrupt, why)
        })?;
        Ok(Self { listing, entries })
    }
}

impl Table {
    fn listing<R: Record>(&self, by: &Filter) -> Result<String, StorageError> {
        self.keys.listing(R::KIND, by).ok_or_else(|| {
            let why = "there is no index for this filter";
            StorageError::new(StorageErrorKind::Unavailable, why)
        })
    }

    /// Writes an entry into each of these listings, and answers some others that are there.
    ///
    /// # Errors
    /// `Unavailable`, even if entries were written: they mean nothing without their record.
    pub(crate) async fn enter<R: Record>(
        &self,
        filters: &[Filter],
        id: &str,
    ) -> Result<Vec<Seen>, StorageError> {
        let entered = filters.iter().map(async |by| {
            let listing = self.listing::<R>(by)?;
            let request = ENTER.on([&listing]).arg(id).arg(SAMPLE);
            Seen::of(listing, self.read(request).await?)
        });
        join_all(entered).await.into_iter().collect()
    }

    /// One page.
    pub(crate) async fn page<R: Record>(
        &self,
        by: &Filter,
        page: &Page,
    ) -> Result<Listed<R>, StorageError> {
        let limit = page.limit.clamp(1, PAGE);
        let mut after = page.after.clone();
        let mut items: Vec<Versioned<R>> = Vec::new();
        let mut last = None;
        loop {
            let batch = (limit + 1 - items.len()).max(BATCH);
            let listing = self.listing::<R>(by)?;
            let from = after.as_deref().map_or_else(|| "-".to_owned(), behind);
            let request = ENTRIES.on([&listing]).arg(batch).arg(from).arg("+");
            let seen = Seen::of(listing, self.read(request).await?)?;
            let is_last = seen.entries.len() < batch;
            after = seen.entries.last().map(|entry| entry.id.clone());
            let mut left_over = Vec::new();
            for (found, entries) in self.behind_entries::<R>(&seen).await {
                match found?.filter(|found| filters_of(&*found.record).contains(by)) {
                    None => left_over.extend(entries.iter().cloned()),
                    Some(found) => {
                        // One is enough: the newest.
                        left_over.extend(entries.iter().rev().skip(1).cloned());
                        if items.len() == limit {
                            self.take_out(&seen.listing, &left_over).await;
                            return Ok(Listed { items, next: last });
                        }
                        last = entries.last().map(|entry| entry.id.clone());
                        items.push(found);
                    }
                }
            }
            self.take_out(&seen.listing, &left_over).await;
            if is_last || after.is_none() {
                return Ok(Listed { items, next: None });
            }
        }
    }

    /// The record behind each run of entries of one identifier.
    async fn behind_entries<'a, R: Record>(
        &self,
        seen: &'a Seen,
    ) -> Vec<(Result<Option<Versioned<R>>, StorageError>, &'a [Entry])> {
        let runs = seen.entries.chunk_by(|one, other| one.id == other.id);
        join_all(runs.map(async |run| (self.value::<R>(&run[0].id).await, run))).await
    }

    /// Takes out the old ones of these entries. Best effort: they are in nobody's way.
    async fn take_out(&self, listing: &str, entries: &[Entry]) {
        let old: Vec<&[u8]> = entries
            .iter()
            .filter(|entry| entry.is_old)
            .map(|entry| &*entry.text)
            .collect();
        if !old.is_empty() {
            let request = Request::plain("ZREM", listing).arg(old);
            self.servers.send(&request).await.ok();
        }
    }

    /// Takes out what stands for nothing among entries that were come across, while others go on.
    pub(crate) fn trim_aside<R: Record>(&self, mut all: Vec<Seen>) {
        for seen in &mut all {
            seen.entries.retain(|entry| entry.is_old);
        }
        all.retain(|seen| !seen.entries.is_empty());
        if all.is_empty() {
            return;
        }
        let table = self.clone();
        tokio::spawn(async move {
            for seen in all {
                let dead = join_all(seen.entries.iter().map(async |entry| {
                    let request = Request::plain("EXISTS", &table.keys.record(R::KIND, &entry.id));
                    let answer = table.servers.send(&request).await;
                    matches!(answer, Ok(Value::Int(0))).then(|| entry.clone())
                }));
                let dead: Vec<Entry> = dead.await.into_iter().flatten().collect();
                table.take_out(&seen.listing, &dead).await;
            }
        });
    }

    /// Does [`Self::tidy`] for one record while others go on.
    pub(crate) fn tidy_aside<R: Record>(&self, filters: Vec<Filter>, id: String) {
        if !filters.is_empty() {
            let table = self.clone();
            tokio::spawn(async move { table.tidy::<R>([(filters, id)]).await });
        }
    }

    /// Takes records out of listings in which they are no longer, if they are no longer.
    pub(crate) async fn tidy<R: Record>(
        &self,
        records: impl IntoIterator<Item = (Vec<Filter>, String)>,
    ) {
        let mut listings: HashMap<String, (Filter, Vec<String>)> = HashMap::new();
        for (filters, id) in records {
            for by in filters {
                if let Ok(listing) = self.listing::<R>(&by) {
                    listings
                        .entry(listing)
                        .or_insert((by, Vec::new()))
                        .1
                        .push(id.clone());
                }
            }
        }
        join_all(listings.into_iter().map(async |(listing, (by, ids))| {
            let mut request = ENTRIES.on([&listing]).arg(BATCH);
            for id in ids {
                request = request.arg(format!("[{id}\0")).arg(format!("({id}\u{1}"));
            }
            let Ok(answer) = self.read(request).await else {
                return;
            };
            let Ok(seen) = Seen::of(listing, answer) else {
                return;
            };
            let mut left_over = Vec::new();
            for (found, entries) in self.behind_entries::<R>(&seen).await {
                let is_there = match found {
                    Ok(found) => {
                        found.is_some_and(|found| filters_of(&*found.record).contains(&by))
                    }
                    Err(_) => true,
                };
                if !is_there {
                    left_over.extend(entries.iter().cloned());
                }
            }
            self.take_out(&seen.listing, &left_over).await;
        }))
        .await;
    }

    /// Forgets what may be forgotten, bucket by bucket.
    pub(crate) async fn forget<R: Record>(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, StorageError> {
        let mut forgotten = 0;
        let buckets: Vec<u16> = (0..BUCKETS).collect();
        let strides: Vec<&[u16]> = buckets.chunks(STRIDE).collect();
        // Where the last one stopped, so that a long sweep in many parts looks at each but once.
        let first = self.stride.load(Ordering::Relaxed);
        for turn in first..first + strides.len() {
            // Until nothing of these buckets may go: what left by itself is not counted.
            loop {
                let left = limit - forgotten;
                if left == 0 {
                    self.stride.store(turn % strides.len(), Ordering::Relaxed);
                    return Ok(forgotten);
                }
                let each = left.div_ceil(STRIDE).min(SLICE);
                let asked = strides[turn % strides.len()].iter();
                let asked = asked.map(|bucket| self.may_go::<R>(*bucket, now, each));
                let found: Result<Vec<_>, _> = join_all(asked).await.into_iter().collect();
                let (mut candidates, mut room) = (found?, left);
                for (_, ids) in &mut candidates {
                    ids.truncate(room);
                    room -= ids.len();
                }
                candidates.retain(|(_, ids)| !ids.is_empty());
                if candidates.is_empty() {
                    break;
                }
                let slices = candidates.iter();
                let slices = slices.map(|(due, ids)| self.forget_slice::<R>(now, due, ids));
                for slice in join_all(slices).await {
                    forgotten += slice?;
                }
            }
        }
        Ok(forgotten)
    }

    /// Identifiers of a bucket whose date is past, and the key of the dates.
    async fn may_go<R: Record>(
        &self,
        bucket: u16,
        now: Timestamp,
        limit: usize,
    ) -> Result<(String, Vec<String>), StorageError> {
        let due = self.keys.due_of(R::KIND, bucket);
        let request = Request::plain("ZRANGEBYSCORE", &due)
            .arg("-inf")
            .arg(format!("({}", now.as_unix()))
            .arg("LIMIT")
            .arg(0)
            .arg(limit);
        let answer = self.read(request).await?;
        let Value::Array(ids) = &answer else {
            return Err(strange(&answer));
        };
        let id = |id: &Value| match id {
            Value::BulkString(id) => String::from_utf8(id.clone()).ok(),
            _ => None,
        };
        Ok((due, ids.iter().filter_map(id).collect()))
    }

    /// Forgets those of these records whose date is still past, in one step, and their entries.
    async fn forget_slice<R: Record>(
        &self,
        now: Timestamp,
        due: &str,
        ids: &[String],
    ) -> Result<usize, StorageError> {
        let records: Vec<String> = ids.iter().map(|id| self.keys.record(R::KIND, id)).collect();
        let keys: Vec<&str> = std::iter::once(due)
            .chain(records.iter().map(|key| &**key))
            .collect();
        let request = SWEEP.on_all(keys).arg(now.as_unix()).arg(ids);
        let answer = self.servers.send(&request).await.map_err(of_write)?;
        let Value::Array(gone) = &answer else {
            return Err(strange(&answer));
        };
        let listed = gone.iter().filter_map(|value| {
            let Value::BulkString(value) = value else {
                return None;
            };
            let record = versioned::<R>(value).ok()?.record;
            let id = record.id().to_string();
            Some((filters_of(&*record), crate::keys::part(&id).into_owned()))
        });
        self.tidy::<R>(listed).await;
        Ok(gone.len())
    }
}

/// The first place behind all entries of an identifier.
fn behind(id: &str) -> String {
    format!("({id}\u{1}")
}

//! A store of your own: OAuth records in [redb](https://docs.rs/redb), a key-value store in one file.
//!
//! Copy it and put your database in. `docs/storage-authors.md` says what is promised here and why;
//! `tests/contract.rs` proves it, and `tests/crash.rs` that a killed process loses nothing.
//!
//! redb waits for the disk while it commits, on the thread that called, one writer at a time. Where
//! that holds up too much, run `RedbStorage::write` in `spawn_blocking`: a transaction that was
//! handed over goes on when its request is gone, and so is still all or nothing.

use std::ops::Bound::{Excluded, Unbounded};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use oauth_storage::*;
use oauth_types::{TenantId, Timestamp};
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition};

/// Kind, tenant, key: parts of a tuple, so that no tenant's name can run into a key.
type Key = (&'static str, &'static str, &'static str);
/// A revision and a document: all the rest can be made again from these.
type Row = (u64, &'static [u8]);
/// Kind, tenant, place, key: ordered, so that a page of a listing is a range, and so is a sweep.
type Place = (&'static str, &'static str, &'static str, &'static str);

/// Both tables, in a transaction that writes.
type Tables<'t> = (Table<'t, Key, Row>, Table<'t, Place, ()>);
const ROWS: TableDefinition<'_, Key, Row> = TableDefinition::new("rows");
const PLACES: TableDefinition<'_, Place, ()> = TableDefinition::new("places");
/// Here, which is no record's key, lies the last revision given: one count for all, so none returns.
const LAST: (&str, &str, &str) = ("", "", "");

/// A store in a redb file, which one process opens at a time, as one tenant sees it.
#[derive(Clone, Debug)]
pub struct RedbStorage {
    database: Arc<Database>,
    tenant: Arc<str>,
}

impl RedbStorage {
    /// Opens a file, or makes it, seen as [`TenantId::single`]. The folder says who may read it.
    ///
    /// # Errors
    /// `Unavailable` when another process has it open or it cannot be, `Corrupt` when it is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let database = Database::create(path).map_err(fails)?;
        let (database, tenant) = (Arc::new(database), TenantId::single().as_str().into());
        let storage = Self { database, tenant };
        // Opening a table makes it, so from now on readers find both.
        storage.write(|_| Ok(((), true)))?;
        Ok(storage)
    }

    /// The same file as `tenant` sees it: only its own records, under keys that are its own.
    #[must_use]
    pub fn tenant(&self, tenant: &TenantId) -> Self {
        let (database, tenant) = (Arc::clone(&self.database), tenant.as_str().into());
        Self { database, tenant }
    }

    /// Runs what answers, and says whether it changed anything, as one transaction: under the one
    /// lock for writers, so no condition goes stale between looking and writing; without an
    /// `await` to be dropped at; and on disk when `commit` is back, so what is answered lasts.
    fn write<T>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<(T, bool), redb::Error>,
    ) -> Result<T, StorageError> {
        let transaction = self.database.begin_write().map_err(fails)?;
        let rows = transaction.open_table(ROWS).map_err(fails)?;
        let places = transaction.open_table(PLACES).map_err(fails)?;
        // A transaction that is dropped, as by the errors here, takes everything back.
        let (answer, changed) = change(&mut (rows, places)).map_err(fails)?;
        if changed {
            // The one failure that is not "nothing was written": it may have reached the disk.
            let unknown = |error| StorageError::new(StorageErrorKind::Indeterminate, error);
            transaction.commit().map_err(unknown)?;
        }
        Ok(answer)
    }

    /// Writes a record under a new revision, and the places where it is found.
    fn keep<R: Record>(&self, to: &mut Tables<'_>, record: &R) -> Result<Revision, redb::Error> {
        let (kind, tenant, id) = (R::KIND.as_str(), &*self.tenant, &*record.id().to_string());
        let revision = to.0.get(LAST)?.map_or(0, |last| last.value().0) + 1;
        to.0.insert(LAST, (revision, &[][..]))?;
        let document = record::encode(record).map_err(corrupt)?;
        to.0.insert((kind, tenant, id), (revision, &*document))?;
        for place in places(record) {
            to.1.insert((kind, tenant, &*place, id), ())?;
        }
        Ok(Revision::new(revision))
    }

    /// Takes away all that `keep` wrote.
    fn forget<R: Record>(&self, from: &mut Tables<'_>, record: &R) -> Result<(), redb::Error> {
        let (kind, tenant, id) = (R::KIND.as_str(), &*self.tenant, &*record.id().to_string());
        from.0.remove((kind, tenant, id))?;
        for place in places(record) {
            from.1.remove((kind, tenant, &*place, id))?;
        }
        Ok(())
    }

    /// What is kept under a key, as a transaction of either sort sees it.
    fn current<R: Record>(
        &self,
        rows: &impl ReadableTable<Key, Row>,
        id: &str,
    ) -> Result<Option<Versioned<R>>, redb::Error> {
        let Some(row) = rows.get((R::KIND.as_str(), &*self.tenant, id))? else {
            return Ok(None);
        };
        let (revision, record) = (Revision::new(row.value().0), record::decode(row.value().1));
        let record = Arc::new(record.map_err(corrupt)?);
        Ok(Some(Versioned { revision, record }))
    }

    /// Part of a listing, as one commit left it: a record that moves stands in exactly one place.
    fn page<R: Record>(&self, place: &str, page: &Page) -> Result<Listed<R>, redb::Error> {
        let (kind, tenant) = (R::KIND.as_str(), &*self.tenant);
        let transaction = self.database.begin_read()?;
        let rows = transaction.open_table(ROWS)?;
        let places = transaction.open_table(PLACES)?;
        // It begins behind the last key shown, whether or not that is still there; none is empty.
        let after = page.after.as_deref().unwrap_or_default();
        let begin = Excluded((kind, tenant, place, after));
        let (mut items, mut next) = (Vec::new(), None);
        for entry in places.range((begin, Unbounded))? {
            let (place_of, _) = entry?;
            let (its_kind, its_tenant, its_place, id) = place_of.value();
            if (its_kind, its_tenant, its_place) != (kind, tenant, place) {
                break;
            }
            if items.len() == page.limit {
                return Ok(Listed { items, next });
            }
            items.extend(self.current(&rows, id)?);
            next = Some(id.to_owned());
        }
        Ok(Listed { items, next: None })
    }
}

#[async_trait]
impl<R: Record> RecordStore<R> for RedbStorage {
    async fn insert(&self, record: R) -> Result<Insert, StorageError> {
        let id = record.id().to_string();
        self.write(|tables| match self.current::<R>(&tables.0, &id)? {
            Some(_) => Ok((Insert::Exists, false)),
            None => self.keep(tables, &record).map(|_| (Insert::Inserted, true)),
        })
    }

    async fn find(&self, id: &R::Id) -> Result<Option<Versioned<R>>, StorageError> {
        let transaction = self.database.begin_read().map_err(fails)?;
        let rows = transaction.open_table(ROWS).map_err(fails)?;
        self.current(&rows, &id.to_string()).map_err(fails)
    }

    async fn replace(&self, expected: Revision, record: R) -> Result<Replace, StorageError> {
        let id = record.id().to_string();
        self.write(|tables| match self.current::<R>(&tables.0, &id)? {
            None => Ok((Replace::Missing, false)),
            Some(old) if old.revision != expected => Ok((Replace::Conflict, false)),
            Some(old) => {
                // It may be listed elsewhere from now on, and be kept for longer or less.
                self.forget(tables, &*old.record)?;
                Ok((Replace::Replaced(self.keep(tables, &record)?), true))
            }
        })
    }

    async fn delete(&self, id: &R::Id, expected: Revision) -> Result<Delete, StorageError> {
        let id = id.to_string();
        self.write(|tables| match self.current::<R>(&tables.0, &id)? {
            None => Ok((Delete::Missing, false)),
            Some(old) if old.revision != expected => Ok((Delete::Conflict, false)),
            Some(old) => {
                self.forget(tables, &*old.record)?;
                Ok((Delete::Deleted, true))
            }
        })
    }

    async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<R>, StorageError> {
        let place = match by {
            Filter::Subject(subject) => format!("s{subject}"),
            Filter::Client(client) => format!("c{client}"),
            // A filter of a newer contract: refused, since an empty answer would be untrue.
            _ => return Err(StorageErrorKind::Unavailable.into()),
        };
        self.page(&place, page).map_err(fails)
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        let (kind, tenant, end) = (R::KIND.as_str(), &*self.tenant, date(now));
        self.write(|tables| {
            // Each replacement moved its record to the new date, so whatever stands here is due.
            let due = (kind, tenant, "d", "")..(kind, tenant, &*end, "");
            let due = tables.1.range(due)?.take(limit);
            let due = due.map(|entry| Ok(entry?.0.value().3.to_owned()));
            let due = due.collect::<Result<Vec<String>, redb::Error>>()?;
            for id in &due {
                if let Some(old) = self.current::<R>(&tables.0, id)? {
                    self.forget(tables, &*old.record)?;
                }
            }
            Ok((due.len(), !due.is_empty()))
        })
    }
}

#[rustfmt::skip] // One line for each kind.
impl Storage for RedbStorage {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> { self }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> { self }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> { self }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> { self }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> { self }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> { self }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> { self }
}

/// Where a record is found: under its person, its client, its date. The letter keeps them apart.
fn places<R: Record>(record: &R) -> impl Iterator<Item = String> {
    let subject = record.subject().map(|subject| format!("s{subject}"));
    let client = record.client().map(|client| format!("c{client}"));
    let due = record.retain_until().map(date);
    [subject, client, due].into_iter().flatten()
}

/// A moment as text that sorts as the moments do.
fn date(at: Timestamp) -> String {
    format!("d{:020}", at.as_unix())
}

/// What a failure before the commit means: nothing was written.
fn fails(error: impl Into<redb::Error>) -> StorageError {
    let error = error.into();
    let kind = match error {
        redb::Error::Corrupted(_) => StorageErrorKind::Corrupt,
        _ => StorageErrorKind::Unavailable,
    };
    StorageError::new(kind, error)
}

fn corrupt(error: StorageError) -> redb::Error {
    redb::Error::Corrupted(error.to_string())
}

//! The contract, once for all kinds of record.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use async_trait::async_trait;
use oauth_storage::record::{decode, encode};
use oauth_storage::{
    Delete, DigestId, Filter, Insert, Listed, Page, Record, RecordStore, Replace, Revision,
    StorageError, StorageErrorKind, Versioned,
};
use oauth_types::env::{Clock, Entropy};
use oauth_types::{Lifetime, TenantId, Timestamp};
use redis::Value;
use tokio::time::Instant;

use crate::error::{of_read, of_write, strange};
use crate::keys::{Keys, part};
use crate::scripts::{DELETE, INSERT, REPLACE, Request};
use crate::servers::Servers;

/// All records of one store, as one tenant sees them.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) servers: Arc<Servers>,
    pub(crate) keys: Keys,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Where a sweep begins.
    pub(crate) stride: Arc<AtomicUsize>,
}

/// How long after its `retain_until` a record leaves by itself, if no sweep took it: longer than
/// any clock is wrong and any sweep is late.
const NET: Lifetime = Lifetime::days(1);
/// Dates behind this one are never: a sorted set keeps its scores as floating-point numbers.
const END_OF_TIME: u64 = 1 << 53;
/// The longest time to live that is asked for.
const LONGEST: Lifetime = Lifetime::days(365 * 100);
/// A record that took longer than this to follow its index entries has them written once more
/// before it is acknowledged. Much shorter than [`GRACE`](crate::listing::GRACE).
const HURRY: Duration = Duration::from_secs(30);

/// The parts of a value before its document, in characters.
const REVISION: usize = 16;
const HEAD: usize = REVISION + LISTING;
const LISTING: usize = 32;

impl Table {
    pub(crate) fn new(
        servers: Servers,
        keys: Keys,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            servers: Arc::new(servers),
            keys,
            clock,
            entropy,
            stride: Arc::default(),
        }
    }

    pub(crate) fn tenant(&self, tenant: &TenantId) -> Self {
        Self {
            keys: self.keys.tenant(tenant),
            ..self.clone()
        }
    }

    pub(crate) async fn read(&self, request: Request) -> Result<Value, StorageError> {
        self.servers.send(&request).await.map_err(of_read)
    }

    async fn write(&self, request: Request) -> Result<Value, StorageError> {
        self.servers.send(&request).await.map_err(of_write)
    }

    /// A first revision that the key has never had: 62 random bits, counted up from there.
    fn first_revision(&self) -> Result<Revision, StorageError> {
        let mut bytes = [0; 8];
        self.entropy
            .fill(&mut bytes)
            .map_err(|error| StorageError::new(StorageErrorKind::Unavailable, error))?;
        Ok(Revision::new(u64::from_le_bytes(bytes) >> 2))
    }

    /// What is kept under this text of an identifier.
    pub(crate) async fn value<R: Record>(
        &self,
        id: &str,
    ) -> Result<Option<Versioned<R>>, StorageError> {
        let request = Request::plain("GET", &self.keys.record(R::KIND, id));
        match self.read(request).await? {
            Value::Nil => Ok(None),
            Value::BulkString(value) => versioned(&value).map(Some),
            answer => Err(strange(&answer)),
        }
    }

    async fn replace_as(
        &self,
        expected: Revision,
        written: &Written,
        listing: &str,
    ) -> Result<Replaced, StorageError> {
        let request = written
            .add_to(REPLACE.on([&written.key, &written.due]))
            .arg(digits(expected))
            .arg(listing);
        match self.write(request).await? {
            Value::Int(0) => Ok(Replaced::Missing),
            Value::Int(1) => Ok(Replaced::Conflict),
            Value::Int(2) => Ok(Replaced::IsListedElsewhere),
            Value::Int(3) => Ok(Replaced::Done),
            answer => Err(strange(&answer)),
        }
    }
}

enum Replaced {
    Missing,
    Conflict,
    IsListedElsewhere,
    Done,
}

/// What a script is told of a record that it writes.
struct Written {
    id: String,
    key: String,
    due: String,
    value: Vec<u8>,
    milliseconds: String,
    date: String,
}

impl Written {
    fn of<R: Record>(table: &Table, record: &R, revision: Revision) -> Result<Self, StorageError> {
        let id = record.id().to_string();
        let id = part(&id).into_owned();
        let mut value = digits(revision).into_bytes();
        value.extend_from_slice(listing_of(record).as_bytes());
        value.extend_from_slice(&encode(record)?);
        let date = record
            .retain_until()
            .filter(|date| date.as_unix() < END_OF_TIME);
        let lifetime = date
            .map(|date| date.since(table.clock.now()).as_seconds() + NET.as_seconds())
            .filter(|seconds| *seconds < LONGEST.as_seconds());
        Ok(Self {
            key: table.keys.record(R::KIND, &id),
            due: table.keys.due(R::KIND, &id),
            id,
            value,
            milliseconds: lifetime.map_or_else(String::new, |seconds| (seconds * 1000).to_string()),
            date: date.map_or_else(String::new, |date| date.as_unix().to_string()),
        })
    }

    fn add_to(&self, request: Request) -> Request {
        request
            .arg(&*self.value)
            .arg(&self.milliseconds)
            .arg(&self.date)
            .arg(&self.id)
    }
}

fn digits(revision: Revision) -> String {
    format!("{:016x}", revision.number())
}

/// Stands for whom a record is listed under, so that a script can see whether that changes.
fn listing_of<R: Record>(record: &R) -> String {
    let subject = record.subject().map(|subject| subject.as_str());
    let client = record.client().map(|client| client.as_str());
    let is_there = |part: Option<&str>| if part.is_some() { "listed" } else { "" };
    let (subject, client) = (
        [is_there(subject), subject.unwrap_or_default()],
        [is_there(client), client.unwrap_or_default()],
    );
    let mut text = DigestId::of(&[subject, client].concat()).to_string();
    text.truncate(LISTING);
    text
}

/// Reads a value as [`Written`] makes it.
pub(crate) fn versioned<R: Record>(value: &[u8]) -> Result<Versioned<R>, StorageError> {
    let number = value
        .get(..REVISION)
        .and_then(|digits| str::from_utf8(digits).ok());
    let number = number.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let (Some(number), Some(document)) = (number, value.get(HEAD..)) else {
        let why = "a value is shorter than its head";
        return Err(StorageError::new(StorageErrorKind::Corrupt, why));
    };
    Ok(Versioned {
        revision: Revision::new(number),
        record: Arc::new(decode(document)?),
    })
}

/// Everything a record is listed under.
pub(crate) fn filters_of<R: Record>(record: &R) -> Vec<Filter> {
    let subject = record.subject().cloned().map(Filter::Subject);
    let client = record.client().cloned().map(Filter::Client);
    subject.into_iter().chain(client).collect()
}

#[async_trait]
impl<R: Record> RecordStore<R> for Table {
    async fn insert(&self, record: R) -> Result<Insert, StorageError> {
        let written = Written::of(self, &record, self.first_revision()?)?;
        let filters = filters_of(&record);
        let begun = Instant::now();
        let seen = self.enter::<R>(&filters, &written.id).await?;
        let request = written.add_to(INSERT.on([&written.key, &written.due]));
        let answer = self.write(request).await?;
        self.trim_aside::<R>(seen);
        match answer {
            Value::Int(0) => Ok(Insert::Exists),
            Value::Int(1) => {
                self.enter_again::<R>(begun, &filters, &written.id).await?;
                Ok(Insert::Inserted)
            }
            answer => Err(strange(&answer)),
        }
    }

    async fn find(&self, id: &R::Id) -> Result<Option<Versioned<R>>, StorageError> {
        let text = id.to_string();
        let found = self.value::<R>(&part(&text)).await?;
        // A document that was moved to another key by hand, or a digest that stands for another.
        if found.as_ref().is_some_and(|found| found.record.id() != id) {
            let why = "a document lies under the key of another";
            return Err(StorageError::new(StorageErrorKind::Corrupt, why));
        }
        Ok(found)
    }

    async fn replace(&self, expected: Revision, record: R) -> Result<Replace, StorageError> {
        let next = Revision::new(expected.number() + 1);
        let written = Written::of(self, &record, next)?;
        match self
            .replace_as(expected, &written, &listing_of(&record))
            .await?
        {
            Replaced::Missing => return Ok(Replace::Missing),
            Replaced::Conflict => return Ok(Replace::Conflict),
            Replaced::Done => return Ok(Replace::Replaced(next)),
            Replaced::IsListedElsewhere => {}
        }
        // Nothing changed yet. The second write is as conditional as the first, so the two are
        // still one.
        let old = match self.value::<R>(&written.id).await? {
            None => return Ok(Replace::Missing),
            Some(found) if found.revision != expected => return Ok(Replace::Conflict),
            Some(found) => found.record,
        };
        let filters = filters_of(&record);
        let begun = Instant::now();
        self.enter::<R>(&filters, &written.id).await?;
        match self.replace_as(expected, &written, "").await? {
            Replaced::Missing => Ok(Replace::Missing),
            Replaced::Conflict | Replaced::IsListedElsewhere => Ok(Replace::Conflict),
            Replaced::Done => {
                self.enter_again::<R>(begun, &filters, &written.id).await?;
                self.tidy_aside::<R>(filters_of(&*old), written.id);
                Ok(Replace::Replaced(next))
            }
        }
    }

    async fn delete(&self, id: &R::Id, expected: Revision) -> Result<Delete, StorageError> {
        let text = id.to_string();
        let id = part(&text);
        let (key, due) = (self.keys.record(R::KIND, &id), self.keys.due(R::KIND, &id));
        let request = DELETE.on([&key, &due]).arg(digits(expected)).arg(&*id);
        match self.write(request).await? {
            Value::Int(0) => Ok(Delete::Missing),
            Value::Int(1) => Ok(Delete::Conflict),
            Value::BulkString(value) => {
                if let Ok(old) = versioned::<R>(&value) {
                    self.tidy_aside::<R>(filters_of(&*old.record), id.into_owned());
                }
                Ok(Delete::Deleted)
            }
            answer => Err(strange(&answer)),
        }
    }

    async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<R>, StorageError> {
        self.page(by, page).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        self.forget::<R>(now, limit).await
    }
}

impl Table {
    /// Writes the index entries once more if the record came so late after them that somebody may
    /// have taken them for left over.
    async fn enter_again<R: Record>(
        &self,
        begun: Instant,
        filters: &[Filter],
        id: &str,
    ) -> Result<(), StorageError> {
        if begun.elapsed() < HURRY {
            return Ok(());
        }
        let entered = self.enter::<R>(filters, id).await;
        // The record is there, but perhaps in no listing: not known to be done.
        entered
            .map(drop)
            .map_err(|error| StorageError::new(StorageErrorKind::Indeterminate, error))
    }
}

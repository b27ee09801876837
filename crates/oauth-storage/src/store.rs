//! The contract: five verbs and a sweep, each linearizable per key.

use std::sync::Arc;

use async_trait::async_trait;
use oauth_types::{ClientId, Subject, Timestamp};

use crate::error::StorageError;
use crate::record::Record;
use crate::{
    ClientRecord, ConsentRecord, GrantRecord, KeyRingRecord, RegistrationPageRecord, ReplayRecord,
    SubjectRecord,
};

/// Keeps records of one type.
///
/// Every verb is linearizable per key: it takes effect at one moment between its call and its
/// answer. Every verb is all or nothing, also when its future is dropped halfway; what a dropped
/// one would have answered, nobody else is answered. A store never
/// judges expiry (it has no clock); [`Record::retain_until`] only says when it may forget.
///
/// # Errors
/// Every verb fails with [`StorageErrorKind`](crate::StorageErrorKind)`::Unavailable` when it
/// surely changed nothing, `Indeterminate` when it may have, and `Corrupt` when a stored document
/// cannot be understood. An implementation never sends an `insert`, `replace` or `delete` again
/// whose outcome it does not know.
#[async_trait]
pub trait RecordStore<R: Record>: Send + Sync {
    /// Keeps a new record. Never overwrites.
    async fn insert(&self, record: R) -> Result<Insert, StorageError>;

    /// Reads the newest acknowledged state of a record.
    async fn find(&self, id: &R::Id) -> Result<Option<Versioned<R>>, StorageError>;

    /// Replaces the record under `record.id()` if its revision is still `expected`.
    ///
    /// Of any number of concurrent callers that hold the same `expected`, exactly one sees
    /// [`Replace::Replaced`]. What the record is listed under follows the replacement.
    async fn replace(&self, expected: Revision, record: R) -> Result<Replace, StorageError>;

    /// Forgets a record if its revision is still `expected`.
    async fn delete(&self, id: &R::Id, expected: Revision) -> Result<Delete, StorageError>;

    /// Lists records by what they are listed under, in the order of their keys' text or any other
    /// total order that does not change, one page at a time.
    ///
    /// A record is listed under its [`Record::subject`] and its [`Record::client`], as far as it has
    /// them; of records of one kind only.
    ///
    /// Shows every record whose `insert` or `replace` was acknowledged before the listing began
    /// and that was not deleted since; records written meanwhile may or may not appear. No record
    /// appears twice in one run of pages.
    async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<R>, StorageError>;

    /// Forgets at most `limit` records whose [`Record::retain_until`] is before `now`, and says
    /// how many this call forgot. Judges each in the same atomic step that deletes it, so a record
    /// extended meanwhile stays. Every call goes by its own `now`, which may be earlier than that
    /// of calls before. Several may sweep at once; called again and again until it answers 0, and
    /// nobody else sweeps, nothing is left that may go.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError>;
}

/// The seven kinds of record that an authorization server keeps. Each may live in a backend of its
/// own: no decision needs two of them in one transaction.
pub trait Storage: Send + Sync {
    /// What people allowed, and the tokens under it: the hot records.
    fn grants(&self) -> &dyn RecordStore<GrantRecord>;
    /// Registered clients.
    fn clients(&self) -> &dyn RecordStore<ClientRecord>;
    /// People, as far as revocation and the built-in sign-in need them.
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord>;
    /// The one sealed key ring.
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord>;
    /// What people need not be asked again.
    fn consents(&self) -> &dyn RecordStore<ConsentRecord>;
    /// What was presented and may not be again.
    fn replays(&self) -> &dyn RecordStore<ReplayRecord>;
    /// Who registered itself and was never used.
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord>;
}

impl<S: Storage + ?Sized> Storage for Arc<S> {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> {
        (**self).grants()
    }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> {
        (**self).clients()
    }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> {
        (**self).subjects()
    }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> {
        (**self).keys()
    }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> {
        (**self).consents()
    }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> {
        (**self).replays()
    }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> {
        (**self).registrations()
    }
}

/// Names one state of one record. Opaque: only equality means anything.
///
/// A key that is inserted again after a deletion never shows a revision it had before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision(u64);

impl Revision {
    /// A revision under a number that the store chose. At most 63 bits, so that it fits a signed
    /// column.
    pub const fn new(number: u64) -> Self {
        Self(number & (u64::MAX >> 1))
    }

    /// The store's number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// A record and the state of it that was read. Shared, so that a store in memory copies nothing.
#[derive(Debug)]
pub struct Versioned<R> {
    /// Which state.
    pub revision: Revision,
    /// The record in that state.
    pub record: Arc<R>,
}

impl<R> Clone for Versioned<R> {
    fn clone(&self) -> Self {
        Self {
            revision: self.revision,
            record: Arc::clone(&self.record),
        }
    }
}

/// What [`RecordStore::insert`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insert {
    /// The record is kept.
    Inserted,
    /// Something is already kept under that key; nothing changed.
    Exists,
}

/// What [`RecordStore::replace`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// The record was replaced and is now in this state.
    Replaced(Revision),
    /// Somebody else replaced it first; nothing changed.
    Conflict,
    /// Nothing is kept under that key; nothing changed.
    Missing,
}

/// What [`RecordStore::delete`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delete {
    /// The record is forgotten.
    Deleted,
    /// Somebody replaced it meanwhile; nothing changed.
    Conflict,
    /// Nothing is kept under that key.
    Missing,
}

/// What to list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// Everything listed under this person.
    Subject(Subject),
    /// Everything listed under this client.
    Client(ClientId),
}

/// Which part of a listing to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where the previous page ended; `None` begins.
    pub after: Option<String>,
    /// The most records to answer, at least one.
    pub limit: usize,
}

impl Page {
    /// The first page, of at most `limit` records.
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }
}

/// One page of a listing.
#[derive(Debug)]
pub struct Listed<R> {
    /// The records.
    pub items: Vec<Versioned<R>>,
    /// What to put into [`Page::after`] for the next page; `None` when there is none.
    pub next: Option<String>,
}

//! A store whose verbs can be watched: one span for each, at debug level, with the kind of record,
//! the verb and what came of it. Never a key or a record: what is in them is nobody's business.
//!
//! While nobody watches, a verb costs one comparison and one call more; nothing is allocated, and
//! the store's own future is handed on as it is.

use std::pin::Pin;
use std::sync::Arc;

use oauth_storage::{
    ClientRecord, ConsentRecord, Delete, Filter, GrantRecord, Insert, KeyRingRecord, Listed, Page,
    Record, RecordStore, RegistrationPageRecord, Replace, ReplayRecord, Revision, Storage,
    StorageError, StorageErrorKind, SubjectRecord, Versioned,
};
use oauth_types::Timestamp;
use tracing::Instrument as _;
use tracing::field::Empty;

/// A store, watched.
pub(crate) struct Observed {
    grants: Verbs<GrantRecord>,
    clients: Verbs<ClientRecord>,
    subjects: Verbs<SubjectRecord>,
    keys: Verbs<KeyRingRecord>,
    consents: Verbs<ConsentRecord>,
    replays: Verbs<ReplayRecord>,
    registrations: Verbs<RegistrationPageRecord>,
}

impl Observed {
    pub(crate) fn new(inner: &Arc<dyn Storage>) -> Self {
        Self {
            grants: Verbs::new(inner, |storage| storage.grants()),
            clients: Verbs::new(inner, |storage| storage.clients()),
            subjects: Verbs::new(inner, |storage| storage.subjects()),
            keys: Verbs::new(inner, |storage| storage.keys()),
            consents: Verbs::new(inner, |storage| storage.consents()),
            replays: Verbs::new(inner, |storage| storage.replays()),
            registrations: Verbs::new(inner, |storage| storage.registrations()),
        }
    }
}

impl Storage for Observed {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> {
        &self.grants
    }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> {
        &self.clients
    }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> {
        &self.subjects
    }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> {
        &self.keys
    }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> {
        &self.consents
    }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> {
        &self.replays
    }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> {
        &self.registrations
    }
}

/// The verbs of one kind of record.
struct Verbs<R> {
    inner: Arc<dyn Storage>,
    of: for<'a> fn(&'a dyn Storage) -> &'a dyn RecordStore<R>,
}

/// What a verb of the contract answers, as `async_trait` spells it.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StorageError>> + Send + 'a>>;

impl<R: Record> Verbs<R> {
    fn new(
        inner: &Arc<dyn Storage>,
        of: for<'a> fn(&'a dyn Storage) -> &'a dyn RecordStore<R>,
    ) -> Self {
        let inner = Arc::clone(inner);
        Self { inner, of }
    }

    fn store(&self) -> &dyn RecordStore<R> {
        (self.of)(&*self.inner)
    }
}

fn watched<'a, R: Record, T: 'a>(
    verb: &'static str,
    answer: Answer<'a, T>,
    outcome: impl Fn(&T) -> &'static str + Send + 'a,
) -> Answer<'a, T> {
    let kind = R::KIND.as_str();
    let span = tracing::debug_span!("storage", kind, verb, outcome = Empty);
    if span.is_disabled() {
        return answer;
    }
    let outer = span.clone();
    let watched = async move {
        let answer = answer.await;
        span.record(
            "outcome",
            match &answer {
                Ok(answer) => outcome(answer),
                Err(error) => failure(error.kind()),
            },
        );
        answer
    };
    Box::pin(watched.instrument(outer))
}

const fn failure(kind: StorageErrorKind) -> &'static str {
    match kind {
        StorageErrorKind::Unavailable => "unavailable",
        StorageErrorKind::Indeterminate => "indeterminate",
        StorageErrorKind::Contended => "contended",
        StorageErrorKind::Corrupt => "corrupt",
        _ => "failed",
    }
}

// The methods are written as `async_trait` would write them, so that the future of the store
// itself can be answered.
impl<R: Record> RecordStore<R> for Verbs<R> {
    fn insert<'a, 'z>(&'a self, record: R) -> Answer<'z, Insert>
    where
        'a: 'z,
        Self: 'z,
    {
        watched::<R, _>("insert", self.store().insert(record), |done| match done {
            Insert::Inserted => "inserted",
            Insert::Exists => "exists",
        })
    }

    fn find<'a, 'b, 'z>(&'a self, id: &'b R::Id) -> Answer<'z, Option<Versioned<R>>>
    where
        'a: 'z,
        'b: 'z,
        Self: 'z,
    {
        watched::<R, _>("find", self.store().find(id), |found| match found {
            Some(_) => "found",
            None => "missing",
        })
    }

    fn replace<'a, 'z>(&'a self, expected: Revision, record: R) -> Answer<'z, Replace>
    where
        'a: 'z,
        Self: 'z,
    {
        let answer = self.store().replace(expected, record);
        watched::<R, _>("replace", answer, |done| match done {
            Replace::Replaced(_) => "replaced",
            Replace::Conflict => "conflict",
            Replace::Missing => "missing",
        })
    }

    fn delete<'a, 'b, 'z>(&'a self, id: &'b R::Id, expected: Revision) -> Answer<'z, Delete>
    where
        'a: 'z,
        'b: 'z,
        Self: 'z,
    {
        let answer = self.store().delete(id, expected);
        watched::<R, _>("delete", answer, |done| match done {
            Delete::Deleted => "deleted",
            Delete::Conflict => "conflict",
            Delete::Missing => "missing",
        })
    }

    fn list<'a, 'b, 'c, 'z>(&'a self, by: &'b Filter, page: &'c Page) -> Answer<'z, Listed<R>>
    where
        'a: 'z,
        'b: 'z,
        'c: 'z,
        Self: 'z,
    {
        watched::<R, _>("list", self.store().list(by, page), |_| "listed")
    }

    fn sweep<'a, 'z>(&'a self, now: Timestamp, limit: usize) -> Answer<'z, usize>
    where
        'a: 'z,
        Self: 'z,
    {
        watched::<R, _>("sweep", self.store().sweep(now, limit), |_| "swept")
    }
}

//! Stores that are wrong in one way each: a store in memory, and a fault wrapped around it.

mod listings;
mod slips;
mod sweeps;
mod verbs;

pub(crate) use slips::{Slip, SlippedBackend};

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::ThreadId;
use std::time::Duration;

use oauth_storage::{
    ClientRecord, ConsentRecord, GrantRecord, Insert, KeyRingRecord, Record, RecordStore,
    RegistrationPageRecord, Replace, ReplayRecord, Revision, Storage, StorageError, SubjectRecord,
};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::contract::Backend;
use oauth_testkit::contract::samples::Sample;
use oauth_types::{TenantId, Timestamp};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// A miss is answered with a record whose key begins so.
    FindsByPrefix,
    /// A member of the document has no column.
    ForgetsAMember,
    /// Documents are read into a fixed shape and written from it.
    DropsUnknownMembers,
    /// Long text is cut off.
    CutsLongText,
    /// There is a bound on values, somewhat below what is promised.
    RefusesLargeDocuments,
    /// Keys pass through this before they are compared.
    FoldsKeys(Fold),
    /// What records are listed under passes through this before it is compared.
    FoldsListings(Fold),
    /// Clients and people share a table.
    OneTableForAll,
    /// Each view remembers what it has read.
    CachesPerView,
    /// `INSERT OR REPLACE`.
    InsertOverwrites,
    /// Looks whether the key is free, then writes.
    InsertLooksFirst,
    /// Does that with claims, which it takes for a cache.
    ClaimsLookFirst,
    /// The condition of the write is missing.
    LastWriteWins,
    /// Looks whether the revision stands, then writes.
    ReplaceLooksFirst,
    /// Writes what is not there.
    ReplaceUpserts,
    /// A conflict is noted in the record.
    ConflictTouchesTheRecord,
    /// Answers the expected revision plus one, whatever the store made it.
    GuessesTheRevision,
    /// Revisions count from 1 again after a deletion.
    RevisionRestarts,
    /// Now and then the reply to a write that happened is an error that denies it.
    WritesThenErrs(Verb),
    /// Now and then a write is sent twice, and the second answer passed on.
    SendsTwice(Verb),
    /// The reply to a reading that was given up is read by the next one.
    LeavesReplies,
    /// Deletes without a condition.
    DeletesBlindly,
    /// Looks whether the revision stands, then deletes.
    DeleteLooksFirst,
    /// Deleted records stay in the listing.
    ListsWhatIsDeleted,
    /// There is an index by person only.
    ListsBySubjectOnly,
    /// The index does not say whether a name is a person's or a client's.
    OneIndexForAll,
    /// Each connection writes the index along with its next record.
    ListLags,
    /// The index is written when the record is inserted, and never again.
    ListsByTheFirstOwner,
    /// The next page begins one too late.
    PagesSkip,
    /// The next page begins with the last record of the one before.
    PagesRepeat,
    /// Pages are as large as they like.
    PagesIgnoreTheLimit,
    /// Pages are counted in records from the beginning.
    PagesByOffset,
    /// A replacement leaves the index and comes back.
    HidesWhileReplacing,
    /// Only grants have an index.
    ListsGrantsOnly,
    /// Nothing is ever swept.
    NeverSweeps,
    /// What has to be kept until now goes now.
    SweepsTheLastSecond,
    /// A missing date counts as a past one.
    SweepsWhatHasNoDate,
    /// A sweep takes all it finds.
    SweepsWithoutBound,
    /// A sweep goes by the date of the first insert.
    SweepsByTheFirstDate,
    /// Looks which dates are past, then deletes.
    SweepLooksFirst,
    /// Counts what it wanted to delete.
    SweepCountsForOthers,
    /// A sweep goes by the latest moment any was given.
    SweepsByTheLatestClock,
    /// Deleting a record leaves its date behind.
    DatesOutliveRecords,
    /// The index is written before or after the record, and others may run in between.
    Tears(Verb),
    /// A listing shows everybody's.
    ListsAllTenants,
    /// Keys are unique across tenants.
    OneKeySpaceForAllTenants,
    /// A sweep is everybody's.
    SweepsAllTenants,
    /// What is taken from the index is taken from everybody's.
    OneIndexForAllTenants,
    /// A key is the tenant's name followed by the record's.
    RunsTenantAndKeyTogether,
}

/// How text is mistaken for other text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fold {
    /// Upper case is lower case.
    Case,
    /// Spaces at the end do not count.
    TrailingSpace,
    /// What looks the same is the same.
    Normal,
    /// What exceeds a column is cut off.
    Length,
}

impl Fold {
    fn of(self, text: &str) -> String {
        match self {
            Self::Case => text.to_lowercase(),
            Self::TrailingSpace => text.trim_end_matches(' ').to_owned(),
            Self::Normal => text.replace("e\u{301}", "é").replace('ﬁ', "fi"),
            Self::Length => text.chars().take(255).collect(),
        }
    }
}

/// A writing verb.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verb {
    Insert,
    Replace,
    Delete,
    Sweep,
}

/// A store with a fault, for several tenants.
pub(crate) struct BrokenBackend {
    inner: MemoryStorage,
    fault: Fault,
    shared: Arc<Shared>,
    tenants: Mutex<HashMap<TenantId, Arc<Notes>>>,
}

/// One tenant's view.
#[derive(Clone)]
pub(crate) struct BrokenStore {
    inner: MemoryStorage,
    tenant: TenantId,
    fault: Fault,
    shared: Arc<Shared>,
    notes: Arc<Notes>,
    /// For a fault that goes with the view.
    cache: Arc<Mutex<HashMap<String, CachedRevision>>>,
}

type CachedRevision = Option<(Revision, Arc<dyn Any + Send + Sync>)>;

/// What faults know of all tenants.
#[derive(Default)]
struct Shared {
    /// Keys, run together with something they should not be; and whose they are.
    names: Mutex<HashMap<String, String>>,
    /// Who forgot what, by kind and key.
    forgotten: Mutex<Vec<(TenantId, String)>>,
    views: Mutex<Vec<(TenantId, MemoryStorage)>>,
}

/// What faults know of one tenant.
#[derive(Default)]
struct Notes {
    /// By kind and key: the document that was inserted first, and the keys inserted, in order.
    first: Mutex<HashMap<String, Vec<u8>>>,
    /// By what the fault makes of a name: the true names, and the keys listed under each.
    alike: Mutex<HashMap<String, HashMap<String, HashSet<String>>>>,
    /// By kind: the latest moment of any sweep.
    latest: Mutex<HashMap<&'static str, Timestamp>>,
    /// Deleted grants.
    deleted: Mutex<Vec<GrantRecord>>,
    /// Keys that no listing shows at the moment.
    hidden: Mutex<HashSet<String>>,
    /// By kind and key: the real revisions behind 1, 2, 3 …
    revisions: Mutex<HashMap<String, Vec<u64>>>,
    /// Who wrote last.
    writer: Mutex<Option<ThreadId>>,
    /// By kind and key: how often it was replaced.
    writes: Mutex<HashMap<String, usize>>,
    /// By thread: how much it inserted or deleted.
    done: Mutex<HashMap<ThreadId, usize>>,
    /// Replies that nobody waited for.
    replies: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

impl BrokenBackend {
    pub(crate) fn new(fault: Fault) -> Self {
        let (shared, tenants) = (Arc::default(), Mutex::default());
        Self {
            inner: MemoryStorage::new(),
            fault,
            shared,
            tenants,
        }
    }
}

impl Backend for BrokenBackend {
    type Store = BrokenStore;

    fn tenant(&self, tenant: &TenantId) -> BrokenStore {
        let inner = self.inner.tenant(tenant);
        let mut tenants = self.tenants.lock().unwrap();
        let notes = tenants.entry(tenant.clone()).or_insert_with(|| {
            self.shared
                .views
                .lock()
                .unwrap()
                .push((tenant.clone(), inner.clone()));
            Arc::default()
        });
        BrokenStore {
            inner,
            tenant: tenant.clone(),
            fault: self.fault,
            shared: Arc::clone(&self.shared),
            notes: Arc::clone(notes),
            cache: Arc::default(),
        }
    }
}

impl Storage for BrokenStore {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> {
        self
    }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> {
        self
    }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> {
        self
    }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> {
        self
    }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> {
        self
    }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> {
        self
    }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> {
        self
    }
}

/// Kind and key as one text.
fn name<R: Record>(id: &R::Id) -> String {
    format!("{}{id}", name_of_kind::<R>())
}

/// What the names of all records of a kind begin with.
fn name_of_kind<R: Record>() -> String {
    format!("{} ", R::KIND.as_str())
}

impl BrokenStore {
    fn table<R: Sample>(&self) -> &dyn RecordStore<R> {
        R::table(&self.inner)
    }

    /// Whether this write is one of those that go wrong now and then.
    fn is_unlucky(&self, name: String) -> bool {
        let mut writes = self.notes.writes.lock().unwrap();
        let writes = writes.entry(name).or_default();
        *writes += 1;
        writes.is_multiple_of(64)
    }

    /// Whether this thread's insertion or deletion goes wrong: its tenth, with five others about.
    fn is_unlucky_too(&self) -> bool {
        let mut done = self.notes.done.lock().unwrap();
        let mine = done.entry(std::thread::current().id()).or_default();
        *mine += 1;
        mine.is_multiple_of(10) && done.len() > 5
    }

    fn forget_for_all(&self, name: String) {
        let forgotten = (self.tenant.clone(), name);
        self.shared.forgotten.lock().unwrap().push(forgotten);
    }

    fn hide(&self, name: String) {
        self.notes.hidden.lock().unwrap().insert(name);
    }

    /// Hides what a thread writes after another one did, until it writes again.
    fn index_later(&self, name: &str) {
        let me = std::thread::current().id();
        let mut hidden = self.notes.hidden.lock().unwrap();
        let before = self.notes.writer.lock().unwrap().replace(me);
        hidden.clear();
        if before.is_some_and(|before| before != me) {
            hidden.insert(name.to_owned());
        }
    }

    fn unhide(&self, name: &str) {
        self.notes.hidden.lock().unwrap().remove(name);
    }

    /// The record as it was first inserted.
    fn first<R: Record>(&self, id: &R::Id) -> Option<R> {
        let first = self.notes.first.lock().unwrap();
        first
            .get(&name::<R>(id))
            .map(|document| oauth_storage::record::decode(document).unwrap())
    }

    /// All records of this kind that were ever inserted.
    fn ever<R: Record>(&self) -> Vec<R> {
        let prefix = name_of_kind::<R>();
        let first = self.notes.first.lock().unwrap();
        let of_kind = first.iter().filter(|(name, _)| name.starts_with(&prefix));
        of_kind
            .map(|(_, document)| oauth_storage::record::decode(document).unwrap())
            .collect()
    }

    /// Writes, whatever stands there or does not.
    async fn overwrite<R: Sample>(&self, record: R) -> Result<(), StorageError> {
        loop {
            if self.table().insert(record.clone()).await? == Insert::Inserted
                || self.replace_any(record.clone()).await? != Replace::Missing
            {
                return Ok(());
            }
        }
    }

    /// Replaces whatever state stands there.
    async fn replace_any<R: Sample>(&self, record: R) -> Result<Replace, StorageError> {
        loop {
            let Some(found) = self.table::<R>().find(record.id()).await? else {
                return Ok(Replace::Missing);
            };
            let answer = self.table().replace(found.revision, record.clone()).await?;
            if answer != Replace::Conflict {
                return Ok(answer);
            }
        }
    }
}

/// A reply on its way. If nobody waits for it any more, the next one to read gets it.
struct Reply<'a>(&'a Notes, Option<Arc<dyn Any + Send + Sync>>);

impl Drop for Reply<'_> {
    fn drop(&mut self) {
        self.0.replies.lock().unwrap().extend(self.1.take());
    }
}

/// Time for others to get in between.
fn dawdle() {
    std::thread::sleep(Duration::from_micros(300));
}

/// Lets the executor run others once.
async fn pause() {
    let mut paused = false;
    poll_fn(move |context| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// The output of a future of the store in memory, which never waits here.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the store in memory waits for something"),
    }
}

/// The record without what a careless column loses.
fn mangled<R: Sample>(fault: Fault, record: &R) -> R {
    let text = String::from_utf8(oauth_storage::record::encode(record).unwrap()).unwrap();
    let text = match fault {
        Fault::ForgetsAMember => {
            let closed = r#","closed":{"at":4000000050,"reason":"code_replayed"}"#;
            text.replace(closed, "")
                .replace(r#""disabled":true"#, r#""disabled":false"#)
        }
        Fault::CutsLongText => text.replace(&"n".repeat(4096), ""),
        _ => text,
    };
    let mut record: R = oauth_storage::record::decode(text.as_bytes()).unwrap();
    if fault == Fault::DropsUnknownMembers {
        record.unknown().clear();
    }
    record
}

/// The end of time, for a fault that takes a missing date for a past one.
const DOOMSDAY: Timestamp = Timestamp::from_unix(u64::MAX >> 1);

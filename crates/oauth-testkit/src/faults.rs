//! A store that yields before every verb and fails on command, and a scheduler that decides who
//! goes next: every interleaving of a few requests, every lost reply, without a thread.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use oauth_storage::{
    ClientRecord, ConsentRecord, Delete, DigestId, Filter, GrantRecord, Insert, KeyRingRecord,
    Listed, Page, RecordStore, RegistrationPageRecord, Replace, ReplayRecord, Revision, Storage,
    StorageError, StorageErrorKind, SubjectRecord, Versioned,
};
use oauth_types::{GrantId, Timestamp};

/// What becomes of one write to the grants, or of one claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It succeeds.
    None,
    /// It happens, but its reply is lost.
    ReplyLost,
    /// It never happens, and nobody knows.
    RequestLost,
    /// The backend refuses it before doing anything.
    Refused,
}

/// Wraps a store: every verb on grants and every claim first lets others run, and writes meet the
/// faults lined up for them.
#[derive(Clone)]
pub struct FaultyStorage {
    inner: Arc<dyn Storage>,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    counts: Arc<Mutex<Counts>>,
    yields: bool,
}

/// How often the grants were asked and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads.
    pub find: usize,
    /// New records.
    pub insert: usize,
    /// Conditional writes that were tried.
    pub replace: usize,
    /// Conditional writes that changed something.
    pub replaced: usize,
    /// Pages listed.
    pub list: usize,
}

impl FaultyStorage {
    /// Wraps `inner` without any fault.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        let faults = Arc::new(Mutex::new(VecDeque::new()));
        Self {
            inner,
            faults,
            counts: Arc::default(),
            yields: true,
        }
    }

    /// The same, answering at once: for counting.
    pub fn immediate(inner: Arc<dyn Storage>) -> Self {
        Self {
            yields: false,
            ..Self::new(inner)
        }
    }

    /// Lines up faults for the writes to come.
    ///
    /// # Panics
    /// When another thread panicked here.
    pub fn line_up(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().expect("no panic").extend(faults);
    }

    /// Forgets the faults that no write has met yet.
    ///
    /// # Panics
    /// When another thread panicked here.
    pub fn clear_faults(&self) {
        self.faults.lock().expect("no panic").clear();
    }

    /// What was asked since the last call.
    ///
    /// # Panics
    /// When another thread panicked here.
    pub fn take_counts(&self) -> Counts {
        std::mem::take(&mut *self.counts.lock().expect("no panic"))
    }

    fn next_fault(&self) -> Fault {
        self.faults
            .lock()
            .expect("no panic")
            .pop_front()
            .unwrap_or(Fault::None)
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().expect("no panic"));
    }

    async fn pause(&self) {
        if self.yields {
            Yield(false).await;
        }
    }
}

impl std::fmt::Debug for FaultyStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FaultyStorage")
    }
}

/// Lets others run once.
struct Yield(bool);

impl Future for Yield {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
}

fn unavailable() -> StorageError {
    StorageErrorKind::Unavailable.into()
}

fn indeterminate() -> StorageError {
    StorageErrorKind::Indeterminate.into()
}

#[async_trait]
impl RecordStore<ReplayRecord> for FaultyStorage {
    async fn insert(&self, record: ReplayRecord) -> Result<Insert, StorageError> {
        self.pause().await;
        match self.next_fault() {
            Fault::None => self.inner.replays().insert(record).await,
            Fault::ReplyLost => {
                self.inner.replays().insert(record).await?;
                Err(indeterminate())
            }
            Fault::RequestLost => Err(indeterminate()),
            Fault::Refused => Err(unavailable()),
        }
    }

    async fn find(&self, id: &DigestId) -> Result<Option<Versioned<ReplayRecord>>, StorageError> {
        self.inner.replays().find(id).await
    }

    async fn replace(
        &self,
        expected: Revision,
        record: ReplayRecord,
    ) -> Result<Replace, StorageError> {
        self.inner.replays().replace(expected, record).await
    }

    async fn delete(&self, id: &DigestId, expected: Revision) -> Result<Delete, StorageError> {
        self.inner.replays().delete(id, expected).await
    }

    async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<ReplayRecord>, StorageError> {
        self.inner.replays().list(by, page).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        self.inner.replays().sweep(now, limit).await
    }
}

#[async_trait]
impl RecordStore<GrantRecord> for FaultyStorage {
    async fn insert(&self, record: GrantRecord) -> Result<Insert, StorageError> {
        self.pause().await;
        self.count(|counts| counts.insert += 1);
        match self.next_fault() {
            Fault::None => self.inner.grants().insert(record).await,
            Fault::ReplyLost => {
                self.inner.grants().insert(record).await?;
                Err(indeterminate())
            }
            Fault::RequestLost => Err(indeterminate()),
            Fault::Refused => Err(unavailable()),
        }
    }

    async fn find(&self, id: &GrantId) -> Result<Option<Versioned<GrantRecord>>, StorageError> {
        self.pause().await;
        self.count(|counts| counts.find += 1);
        self.inner.grants().find(id).await
    }

    async fn replace(
        &self,
        expected: Revision,
        record: GrantRecord,
    ) -> Result<Replace, StorageError> {
        self.pause().await;
        self.count(|counts| counts.replace += 1);
        let fault = self.next_fault();
        match fault {
            Fault::None | Fault::ReplyLost => {
                let outcome = self.inner.grants().replace(expected, record).await?;
                if matches!(outcome, Replace::Replaced(_)) {
                    self.count(|counts| counts.replaced += 1);
                }
                if fault == Fault::None {
                    Ok(outcome)
                } else {
                    Err(indeterminate())
                }
            }
            Fault::RequestLost => Err(indeterminate()),
            Fault::Refused => Err(unavailable()),
        }
    }

    async fn delete(&self, id: &GrantId, expected: Revision) -> Result<Delete, StorageError> {
        self.pause().await;
        self.inner.grants().delete(id, expected).await
    }

    async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<GrantRecord>, StorageError> {
        self.pause().await;
        self.count(|counts| counts.list += 1);
        self.inner.grants().list(by, page).await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        self.inner.grants().sweep(now, limit).await
    }
}

impl Storage for FaultyStorage {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> {
        self
    }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> {
        self.inner.clients()
    }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> {
        self.inner.subjects()
    }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> {
        self.inner.keys()
    }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> {
        self.inner.consents()
    }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> {
        self
    }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> {
        self.inner.registrations()
    }
}

/// A request of a story, to be polled step by step.
pub type Request<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Runs futures to their ends, one step of one future at a time. `choose(n)` says which of the
/// `n` unfinished ones goes next.
pub fn interleave<T>(
    futures: Vec<Request<'_, T>>,
    mut choose: impl FnMut(usize) -> usize,
) -> Vec<T> {
    let mut context = Context::from_waker(Waker::noop());
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    let mut running: Vec<(usize, Request<'_, T>)> = futures.into_iter().enumerate().collect();
    while !running.is_empty() {
        let at = choose(running.len()) % running.len();
        if let Poll::Ready(value) = running[at].1.as_mut().poll(&mut context) {
            let (index, _) = running.swap_remove(at);
            results[index] = Some(value);
        }
    }
    results.into_iter().flatten().collect()
}

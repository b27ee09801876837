//! Sweeping: how much of what, told to whom, and what a backend that is down holds up.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use oauth_core::storage::{
    ComposedStorage, ConsentRecord, Delete, Filter, GrantRecord, Insert, KeyRingRecord, Kind,
    Listed, Page, Record, RecordStore, RegistrationPageRecord, Replace, ReplayRecord, Revision,
    Storage, StorageError, StorageErrorKind, SubjectRecord, Versioned,
};
use oauth_core::types::{Lifetime, Timestamp};
use oauth_core::{Event, EventSink, Noted};
use oauth_storage::ClientRecord;
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::contract::samples::{Sample, grant};
use oauth_testkit::flows::World;

/// Remembers how much of what was forgotten.
#[derive(Clone, Default)]
struct Sweeps(Arc<Mutex<Vec<(Kind, usize)>>>);

impl EventSink for Sweeps {
    fn record(&self, noted: &Noted<'_>) {
        if let Event::Swept { kind, forgotten } = noted.event() {
            self.0.lock().unwrap().push((*kind, *forgotten));
        }
    }
}

impl Sweeps {
    fn take(&self) -> Vec<(Kind, usize)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Grants and claims whose time has long been over, when the world begins.
fn put_old(storage: &dyn Storage, grants: u64, claims: u64) {
    let old = Timestamp::from_unix(1);
    for number in 0..grants {
        let mut record = grant(number);
        record.retain_until = old;
        block_on(storage.grants().insert(record)).unwrap();
    }
    for number in 0..claims {
        let mut record = ReplayRecord::sample(number);
        record.retain_until = old;
        block_on(storage.replays().insert(record)).unwrap();
    }
}

/// Each call takes so many of each kind at the most, says how many and whether to call again, and
/// an operator's counters can be fed from the events alone.
#[test]
fn a_sweep_goes_in_batches_and_counts_them() {
    let (storage, events) = (Arc::new(MemoryStorage::new()), Sweeps::default());
    let world = World::builder(1)
        .storage(Arc::clone(&storage) as Arc<dyn Storage>)
        .events(events.clone())
        .build();
    world.register();
    put_old(&*storage, 7, 2);
    let mut calls = Vec::new();
    loop {
        let swept = block_on(world.server.sweep(3));
        assert!(swept.failed.is_empty());
        calls.push((swept.grants, swept.replays, swept.total(), swept.more));
        if !swept.more {
            break;
        }
    }
    assert_eq!(calls, [(3, 2, 5, true), (3, 0, 3, true), (1, 0, 1, false)]);
    let (grants, replays) = (Kind::Grant, Kind::Replay);
    assert_eq!(
        events.take(),
        [(grants, 3), (replays, 2), (grants, 3), (grants, 1)],
        "and none for what did not happen"
    );
    // The client goes, too, when nobody has used it for a week.
    world.clock.advance(Lifetime::seconds(8 * 86_400));
    assert_eq!(block_on(world.server.sweep(3)).clients, 1);
    assert_eq!(events.take(), [(Kind::Client, 1)]);
}

/// With grants and clients in different backends, an outage of one is named, and holds up nothing
/// else.
#[test]
fn a_backend_that_is_down_keeps_no_other_from_being_swept() {
    let (storage, events) = (MemoryStorage::new(), Sweeps::default());
    let composed = ComposedStorage {
        grants: Arc::new(Down),
        ..ComposedStorage::of(storage.clone())
    };
    let world = World::builder(2)
        .storage(Arc::new(composed))
        .events(events.clone())
        .build();
    put_old(&storage, 0, 4);
    let swept = block_on(world.server.sweep(3));
    assert_eq!((swept.grants, swept.replays, swept.more), (0, 3, true));
    let failed: Vec<_> = swept
        .failed
        .iter()
        .map(|(kind, why)| (*kind, why.kind()))
        .collect();
    assert_eq!(failed, [(Kind::Grant, StorageErrorKind::Unavailable)]);
    assert_eq!(events.take(), [(Kind::Replay, 3)]);
}

/// A backend that cannot be reached.
struct Down;

fn down<T>() -> Result<T, StorageError> {
    Err(StorageErrorKind::Unavailable.into())
}

#[async_trait]
impl<R: Record> RecordStore<R> for Down {
    async fn insert(&self, _: R) -> Result<Insert, StorageError> {
        down()
    }
    async fn find(&self, _: &R::Id) -> Result<Option<Versioned<R>>, StorageError> {
        down()
    }
    async fn replace(&self, _: Revision, _: R) -> Result<Replace, StorageError> {
        down()
    }
    async fn delete(&self, _: &R::Id, _: Revision) -> Result<Delete, StorageError> {
        down()
    }
    async fn list(&self, _: &Filter, _: &Page) -> Result<Listed<R>, StorageError> {
        down()
    }
    async fn sweep(&self, _: Timestamp, _: usize) -> Result<usize, StorageError> {
        down()
    }
}

#[rustfmt::skip]
impl Storage for Down {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> { self }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> { self }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> { self }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> { self }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> { self }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> { self }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> { self }
}

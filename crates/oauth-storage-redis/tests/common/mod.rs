//! A runtime that all tests share, stores that do not meet, and how long things take.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::future::Future;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use oauth_storage::{GrantRecord, Insert, Storage, StorageError, Versioned};
use oauth_storage_redis::{RedisSettings, RedisStorage};
use oauth_testkit::contract::Backend;
use oauth_testkit::contract::samples::grant;
use oauth_types::TenantId;
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().enable_all().build().unwrap());

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// A prefix that nothing else has, not even an earlier run on the same server.
fn prefix() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    static BEGUN: LazyLock<u128> = LazyLock::new(|| {
        let since = std::time::UNIX_EPOCH.elapsed();
        since.unwrap_or(Duration::ZERO).as_nanos()
    });
    format!("t{}-{}", *BEGUN, NUMBER.fetch_add(1, Ordering::SeqCst))
}

pub(crate) fn settings() -> RedisSettings {
    RedisSettings::new().prefix(prefix())
}

pub(crate) async fn fresh(url: &str) -> Fresh {
    Fresh(RedisStorage::connect_with(url, settings()).await.unwrap())
}

/// An empty store.
pub(crate) struct Fresh(pub(crate) RedisStorage);

impl Backend for Fresh {
    type Store = RedisStorage;
    fn tenant(&self, tenant: &TenantId) -> RedisStorage {
        self.0.tenant(tenant)
    }
}

/// Design of the store: refused at once, hanging no longer than its patience, back within five
/// seconds.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(100);
pub(crate) const WHILE_OPEN: Duration = Duration::from_millis(50);
pub(crate) const BACK: Duration = Duration::from_secs(5);

#[expect(
    clippy::disallowed_methods,
    reason = "how long it took is what is tested"
)]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed())
}

/// What all but one of a hundred stay below.
pub(crate) fn most(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100 - 1]
}

pub(crate) fn find(store: &RedisStorage, number: u64) -> Result<bool, StorageError> {
    block_on(store.grants().find(&grant(number).id)).map(|found| found.is_some())
}

pub(crate) fn insert(store: &RedisStorage, number: u64) -> Result<Insert, StorageError> {
    block_on(store.grants().insert(grant(number)))
}

/// How long it takes until a reading works again.
pub(crate) fn recovery(store: &RedisStorage, number: u64) -> Duration {
    let (_, took) = timed(|| {
        while find(store, number).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    took
}

/// A grant as it is now.
pub(crate) async fn current(store: &RedisStorage, number: u64) -> Versioned<GrantRecord> {
    let found = store.grants().find(&grant(number).id).await;
    found.unwrap().expect("the grant is there")
}

//! A runtime that all tests share, and stores that do not meet.

use std::future::Future;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oauth_storage_redis::{RedisSettings, RedisStorage};
use oauth_testkit::contract::Backend;
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
    Fresh(RedisStorage::open_with(url, settings()).await.unwrap())
}

/// An empty store.
pub(crate) struct Fresh(pub(crate) RedisStorage);

impl Backend for Fresh {
    type Store = RedisStorage;
    fn tenant(&self, tenant: &TenantId) -> RedisStorage {
        self.0.tenant(tenant)
    }
}

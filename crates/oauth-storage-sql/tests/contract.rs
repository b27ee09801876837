//! SQLite keeps the whole contract.
#![cfg(feature = "sqlite")]

mod common;

use common::{TemporaryFile, block_on};
use oauth_storage_sql::SqliteStorage;
use oauth_testkit::contract::Backend;
use oauth_types::TenantId;

struct Fresh {
    storage: SqliteStorage,
    _file: TemporaryFile,
}

impl Backend for Fresh {
    type Store = SqliteStorage;
    fn tenant(&self, tenant: &TenantId) -> SqliteStorage {
        self.storage.tenant(tenant)
    }
}

async fn fresh() -> Fresh {
    let file = TemporaryFile::new();
    let storage = SqliteStorage::open(&file.0).await.unwrap();
    Fresh {
        storage,
        _file: file,
    }
}

oauth_testkit::storage_contract!(fresh = fresh, block_on = block_on);

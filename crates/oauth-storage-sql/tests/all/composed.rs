//! Grants in memory and the rest in SQLite keep the whole contract.

use std::sync::Arc;

use oauth_storage::ComposedStorage;
use oauth_storage_memory::MemoryStorage;
use oauth_storage_sql::SqliteStorage;
use oauth_testkit::contract::Backend;
use oauth_types::TenantId;

use crate::common::{TemporaryFile, block_on};

struct Fresh {
    quick: MemoryStorage,
    lasting: SqliteStorage,
    _file: TemporaryFile,
}

impl Backend for Fresh {
    type Store = ComposedStorage;
    fn tenant(&self, tenant: &TenantId) -> ComposedStorage {
        ComposedStorage {
            grants: Arc::new(self.quick.tenant(tenant)),
            ..ComposedStorage::of(self.lasting.tenant(tenant))
        }
    }
}

async fn fresh() -> Fresh {
    let file = TemporaryFile::new();
    Fresh {
        quick: MemoryStorage::new(),
        lasting: SqliteStorage::open(&file.0).await.unwrap(),
        _file: file,
    }
}

oauth_testkit::storage_contract!(fresh = fresh, block_on = block_on);

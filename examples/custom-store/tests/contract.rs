//! The store keeps the whole contract.

mod common;

use common::TemporaryFile;
use custom_store::RedbStorage;
use oauth_testkit::contract::Backend;
use oauth_types::TenantId;

struct Fresh {
    storage: RedbStorage,
    _file: TemporaryFile,
}

impl Backend for Fresh {
    type Store = RedbStorage;
    fn tenant(&self, tenant: &TenantId) -> RedbStorage {
        self.storage.tenant(tenant)
    }
}

async fn fresh() -> Fresh {
    let file = TemporaryFile::new();
    let storage = RedbStorage::open(&file.0).unwrap();
    Fresh {
        storage,
        _file: file,
    }
}

oauth_testkit::storage_contract!(fresh);

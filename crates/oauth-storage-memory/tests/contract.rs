//! The store keeps the whole contract.

use oauth_storage_memory::MemoryStorage;
use oauth_testkit::contract::Backend;
use oauth_types::TenantId;

struct Fresh(MemoryStorage);

impl Backend for Fresh {
    type Store = MemoryStorage;
    fn tenant(&self, tenant: &TenantId) -> MemoryStorage {
        self.0.tenant(tenant)
    }
}

async fn fresh() -> Fresh {
    Fresh(MemoryStorage::new())
}

oauth_testkit::storage_contract!(fresh);

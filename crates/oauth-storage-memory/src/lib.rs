//! Keeps OAuth records in memory.
//!
//! **Promise.** The whole contract of [`oauth_storage`], proved by its test suite, for as long as
//! the process lives. Reading copies nothing; no lock is held across an await; a store that grows
//! to ten million grants, or forgets a million at once, never stands still for long, because it
//! is cut into many small shards and swept in slices.
//!
//! **Absences.** No durability: what is kept here ends with the process. No runtime, no clock and
//! no background thread: expired records leave when [`sweep`](oauth_storage::RecordStore::sweep)
//! is called.
//!
//! ```
//! use oauth_storage::{Insert, Storage, SubjectRecord};
//! use oauth_storage_memory::MemoryStorage;
//! use oauth_types::{Subject, TenantId};
//!
//! # oauth_testkit::block_on(async {
//! let storage = MemoryStorage::new();
//! let alice = SubjectRecord::new(Subject::new("alice"));
//! assert_eq!(storage.subjects().insert(alice.clone()).await?, Insert::Inserted);
//! assert_eq!(storage.subjects().insert(alice.clone()).await?, Insert::Exists);
//!
//! // Another tenant of the same store has an Alice of its own.
//! let other = storage.tenant(&TenantId::new("other"));
//! assert!(other.subjects().find(&alice.id).await?.is_none());
//! # Ok::<(), oauth_storage::StorageError>(()) }).unwrap();
//! ```

mod due;
mod index;
mod table;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oauth_storage::{
    ClientRecord, ConsentRecord, GrantRecord, KeyRingRecord, RecordStore, RegistrationPageRecord,
    ReplayRecord, Storage, SubjectRecord,
};
use oauth_types::TenantId;

use crate::table::Table;

/// A store in memory, as one tenant sees it. Clones share the records.
///
/// Tenants have tables of their own, so that none can meet another's record and a server with a
/// single tenant pays nothing for there being others. A tenant's tables take some tens of
/// kilobytes from its first mention on, until the whole store is dropped.
#[derive(Clone)]
pub struct MemoryStorage {
    tables: Arc<Tables>,
    tenants: Arc<Mutex<HashMap<TenantId, Arc<Tables>>>>,
}

/// Everything that one tenant keeps.
struct Tables {
    grants: Table<GrantRecord>,
    clients: Table<ClientRecord>,
    subjects: Table<SubjectRecord>,
    keys: Table<KeyRingRecord>,
    consents: Table<ConsentRecord>,
    replays: Table<ReplayRecord>,
    registrations: Table<RegistrationPageRecord>,
}

/// Shards of the grants of a store's first tenant. With ten million grants a shard has ten
/// thousand, and growing one takes some hundred microseconds; while the store is empty, all of
/// them together take about 200 KiB.
const SHARDS: usize = 1024;
/// Shards of any other tenant's grants.
const TENANT_SHARDS: usize = 64;

impl Tables {
    fn new(shards: usize) -> Self {
        Self {
            grants: Table::listed(shards),
            clients: Table::unlisted(shards / 4),
            subjects: Table::unlisted(shards / 4),
            keys: Table::unlisted(1),
            consents: Table::listed(shards / 4),
            replays: Table::unlisted(shards / 4),
            registrations: Table::unlisted(shards / 4),
        }
    }
}

impl MemoryStorage {
    /// An empty store, seen as the tenant [`TenantId::single`].
    pub fn new() -> Self {
        let tables = Arc::new(Tables::new(SHARDS));
        let tenants = HashMap::from([(TenantId::single(), Arc::clone(&tables))]);
        Self {
            tables,
            tenants: Arc::new(Mutex::new(tenants)),
        }
    }

    /// The same store as `tenant` sees it: only its own records, under keys that are its own.
    #[must_use]
    pub fn tenant(&self, tenant: &TenantId) -> Self {
        let mut tenants = lock(&self.tenants);
        let tables = tenants
            .entry(tenant.clone())
            .or_insert_with(|| Arc::new(Tables::new(TENANT_SHARDS)));
        Self {
            tables: Arc::clone(tables),
            tenants: Arc::clone(&self.tenants),
        }
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStorage").finish_non_exhaustive()
    }
}

impl Storage for MemoryStorage {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> {
        &self.tables.grants
    }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> {
        &self.tables.clients
    }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> {
        &self.tables.subjects
    }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> {
        &self.tables.keys
    }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> {
        &self.tables.consents
    }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> {
        &self.tables.replays
    }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> {
        &self.tables.registrations
    }
}

/// Locks, also after a panic elsewhere: nothing here panics with a shard half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
